use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use entrepot_registry_config::CertificatePair;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
    time::ASN1Time,
};

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificate in the file.
    #[error("{} is not a PEM file with a certificate: {reason}", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// No key in the file.
    #[error("{} is not a PEM file with an unencrypted private key (PKCS#1, PKCS#8 or SEC1): {reason}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The two are not a pair.
    #[error("the key {} does not belong to the certificate {}: {reason}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The library cannot speak the protocol versions.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The certificates that a server has: one for everybody, others for those who ask for a name that they carry.
#[derive(Debug)]
pub struct Certificates {
    default: Arc<CertifiedKey>,
    /// As configured; `None` where one could never be loaded.
    more: Vec<Option<Arc<CertifiedKey>>>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// `*.example.com` under `example.com`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads every file again.
    ///
    /// Where two carry the same name the earlier one wins, `default` first: a certificate that somebody adds cannot take
    /// over the names that the default one serves. Nor can it stop those from being served: one of `more` that cannot be
    /// loaded is logged, and what was loaded for it `before` stays in force.
    pub fn load(
        default: &CertificatePair,
        more: &[CertificatePair],
        before: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let (exact, wildcard) = (HashMap::new(), HashMap::new());
        let mut loaded = Self { default: load_pair(default)?, more: Vec::new(), exact, wildcard };
        loaded.add(&Arc::clone(&loaded.default), &default.certificate);
        for (index, pair) in more.iter().enumerate() {
            let key = load_pair(pair).inspect_err(|error| {
                tracing::error!(%error, "an additional certificate cannot be served");
            });
            let key = key.ok().or_else(|| before?.more.get(index)?.clone());
            if let Some(key) = &key {
                loaded.add(key, &pair.certificate);
            }
            loaded.more.push(key);
        }
        Ok(loaded)
    }

    fn add(&mut self, key: &Arc<CertifiedKey>, path: &Path) {
        let facts = key.cert.first().map(Facts::of).unwrap_or_default();
        let certificate = path.display();
        if facts.expired {
            tracing::warn!(%certificate, "the certificate has expired: clients will refuse it");
        }
        if facts.names.is_empty() {
            let why = "it has no DNS subject alternative name";
            tracing::warn!(%certificate, "the certificate names no host ({why}), so no client's name chooses it");
        }
        for name in facts.names {
            let (names, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent.to_owned()),
                None => (&mut self.exact, name),
            };
            names.entry(name).or_insert_with(|| Arc::clone(key));
        }
    }

    /// The certificate for a client that asks for `name`, in lower case.
    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let named = |name: &str| {
            let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(name).or_else(parent)
        };
        Arc::clone(name.and_then(named).unwrap_or(&self.default))
    }
}

/// The certificates in force; replaced as a whole.
#[derive(Debug)]
pub struct CurrentCertificates(ArcSwap<Certificates>);

impl CurrentCertificates {
    /// Begins with `certificates`.
    pub fn new(certificates: Certificates) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(certificates)))
    }

    /// Those in force.
    pub fn get(&self) -> Arc<Certificates> {
        self.0.load_full()
    }

    /// From the next handshake on.
    pub fn replace(&self, certificates: Certificates) {
        self.0.store(Arc::new(certificates));
    }

    /// TLS 1.2 and 1.3 with these certificates.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let resolver = Arc::clone(self) as Arc<dyn ResolvesServerCert>;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for CurrentCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        Some(self.0.load().choose(name.as_deref()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn load_pair(pair: &CertificatePair) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = read_chain(&pair.certificate)?;
    let key = read_key(&pair.key)?;
    let certified = CertifiedKey::from_der(chain, key, &provider());
    certified.map(Arc::new).map_err(|error| TlsError::Mismatch {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
        reason: error.to_string(),
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::Certificate { path: path.into(), reason };
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() {
        return Err(failed("there is no CERTIFICATE section".into()));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|error| TlsError::Key { path: path.into(), reason: error.to_string() })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.into(), source })
}

/// What a certificate says of itself.
#[derive(Default)]
struct Facts {
    /// In lower case. Only subject alternative names count: no client looks at the common name any more.
    names: Vec<String>,
    expired: bool,
}

impl Facts {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let expired = parsed.validity().not_after < ASN1Time::now();
        let Ok(Some(extension)) = parsed.subject_alternative_name() else {
            return Self { names: Vec::new(), expired };
        };
        let dns = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        };
        Self { names: extension.value.general_names.iter().filter_map(dns).collect(), expired }
    }
}
