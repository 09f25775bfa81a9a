use std::time::Duration;

use serde::Serialize;

use crate::{
    address::ListenAddress,
    duration::GoDuration,
    entrepot::CertificatePair,
    error::Warning,
    public_url::PublicUrl,
    reader::{Reader, Section},
    secret::Secret,
};

/// `http`: the listeners and what is said on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Http {
    /// The data listener.
    pub addr: ListenAddress,
    /// Makes the Location headers absolute. Absent: they are relative, which no proxy can break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<PublicUrl>,
    /// Signs upload sessions; see `entrepot.http.secretFile` for a twin that is no plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// True: Location headers are relative even with `host`.
    pub relativeurls: bool,
    /// How long a stopping server waits for open connections.
    pub draintimeout: GoDuration,
    /// The certificate that clients without a matching server name get; absent: plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<CertificatePair>,
    /// Health and metrics, on a listener of their own; absent: no such listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug: Option<Debug>,
}

/// `http.debug`: plain HTTP, no authentication; keep it from the public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Debug {
    /// The listener.
    pub addr: ListenAddress,
    /// Metrics.
    pub prometheus: Prometheus,
}

/// `http.debug.prometheus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prometheus {
    /// Whether metrics are served.
    pub enabled: bool,
    /// Absolute path, `/metrics` unless said otherwise.
    pub path: String,
}

impl Http {
    /// Shorter than the 30 seconds that Kubernetes and service managers give before they kill.
    pub const DEFAULT_DRAIN_TIMEOUT: GoDuration = GoDuration(Duration::from_secs(25));

    pub(crate) fn read(reader: &mut Reader, mut section: Section) -> Self {
        let http = Self {
            addr: reader.parse(&mut section, "addr").unwrap_or_else(|| ListenAddress::any_v4(5000)),
            host: reader.parse(&mut section, "host"),
            secret: reader.string(&mut section, "secret").map(Secret::new),
            relativeurls: reader.boolean(&mut section, "relativeurls").unwrap_or_default(),
            draintimeout: reader.parse(&mut section, "draintimeout").unwrap_or(Self::DEFAULT_DRAIN_TIMEOUT),
            tls: read_tls(reader, &mut section),
            debug: Debug::read(reader, &mut section),
        };
        reader.refuse(&mut section, "prefix", "the API is served at /v2/ only; remove the key");
        reader.refuse(&mut section, "net", "this server listens on TCP only; remove the key");
        reader.warn_about_the_rest(&mut section, &["headers", "http2", "h2c"]);
        http
    }
}

fn read_tls(reader: &mut Reader, section: &mut Section) -> Option<CertificatePair> {
    let mut tls = reader.present_section(section, "tls")?;
    let pair = CertificatePair::read(reader, &mut tls);
    for key in ["clientcas", "clientauth"] {
        reader.refuse(&mut tls, key, "client certificates are not checked; use auth.htpasswd");
    }
    for key in ["minimumtls", "ciphersuites"] {
        reader.refuse(&mut tls, key, "TLS 1.2 and 1.3 are spoken, with safe suites only; remove the key");
    }
    reader.refuse(&mut tls, "letsencrypt", "mount a certificate and name it in certificate and key");
    reader.refuse_the_rest(&tls, &["certificate", "key"]);
    pair
}

impl Debug {
    fn read(reader: &mut Reader, section: &mut Section) -> Option<Self> {
        let mut debug = reader.present_section(section, "debug")?;
        let addr = reader.parse(&mut debug, "addr");
        let mut prometheus = reader.section(&mut debug, "prometheus");
        let enabled = reader.boolean(&mut prometheus, "enabled").unwrap_or_default();
        let path = reader.url_path(&mut prometheus, "path").unwrap_or_else(|| "/metrics".into());
        reader.warn_about_the_rest(&mut prometheus, &[]);
        let place = debug.place.clone();
        reader.warn_about_the_rest(&mut debug, &[]);
        if addr.is_none() {
            reader.warnings.push(Warning::DebugWithoutAddress { place });
        }
        Some(Self { addr: addr?, prometheus: Prometheus { enabled, path } })
    }
}
