use std::path::PathBuf;

use serde::Serialize;

use crate::{
    error::Problem,
    reader::{Reader, Section},
};

/// `entrepot`: everything that distribution's schema has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entrepot {
    /// Twins of keys in `http`.
    pub http: EntrepotHttp,
    /// More certificates.
    pub tls: EntrepotTls,
    /// More users.
    pub auth: EntrepotAuth,
}

/// `entrepot.http`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntrepotHttp {
    /// File that holds what `http.secret` would; the line end at its end does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// `entrepot.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntrepotTls {
    /// Each is chosen when a client asks for a name that it carries; `http.tls` answers everybody else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificatePair>,
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificatePair {
    /// The server's certificate first, then those that lead to its root.
    pub certificate: PathBuf,
    /// PKCS#1, PKCS#8 or SEC1.
    pub key: PathBuf,
}

/// `entrepot.auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntrepotAuth {
    /// Identities that whoever deployed this server generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedUsers>,
}

/// `entrepot.auth.managed`: a second htpasswd file. Its names win over those of `auth.htpasswd`, so that no user can
/// take a generated identity over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedUsers {
    /// The file: `name:bcrypt-hash` lines.
    pub path: PathBuf,
    /// Users of that file that may only pull; the others may do everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_only: Vec<String>,
}

impl Entrepot {
    pub(crate) fn read(reader: &mut Reader, mut section: Section) -> Self {
        let mut http = reader.section(&mut section, "http");
        let secret_file = reader.path(&mut http, "secretFile");
        reader.refuse_the_rest(&http, &["secretFile"]);
        let mut tls = reader.section(&mut section, "tls");
        let mut certificates = Vec::new();
        for mut item in reader.sections(&mut tls, "certificates") {
            certificates.extend(CertificatePair::read(reader, &mut item));
            reader.refuse_the_rest(&item, &["certificate", "key"]);
        }
        reader.refuse_the_rest(&tls, &["certificates"]);
        let mut auth = reader.section(&mut section, "auth");
        let managed = ManagedUsers::read(reader, &mut auth);
        reader.refuse_the_rest(&auth, &["managed"]);
        reader.refuse_the_rest(&section, &["http", "tls", "auth"]);
        Self {
            http: EntrepotHttp { secret_file },
            tls: EntrepotTls { certificates },
            auth: EntrepotAuth { managed },
        }
    }
}

impl CertificatePair {
    /// None when one of the two is absent, which is then a problem, or both, which is none.
    pub(crate) fn read(reader: &mut Reader, section: &mut Section) -> Option<Self> {
        let (has_certificate, has_key) = (section.has("certificate"), section.has("key"));
        let pair = (reader.path(section, "certificate"), reader.path(section, "key"));
        let missing = match pair {
            (Some(certificate), Some(key)) => return Some(Self { certificate, key }),
            (Some(_), None) if !has_key => "key",
            (None, Some(_)) if !has_certificate => "certificate",
            // Neither, or one that is wrong and has been said to be.
            _ => return None,
        };
        let remedy = "a certificate and its key are named together".into();
        reader.problems.push(Problem::Missing { key: section.key(missing), remedy });
        None
    }
}

impl ManagedUsers {
    fn read(reader: &mut Reader, section: &mut Section) -> Option<Self> {
        let mut managed = reader.present_section(section, "managed")?;
        let path = reader.required_path(&mut managed, "path", "name the htpasswd file");
        let pull_only = reader.strings(&mut managed, "pullOnly");
        reader.refuse_the_rest(&managed, &["path", "pullOnly"]);
        Some(Self { path: path?, pull_only })
    }
}
