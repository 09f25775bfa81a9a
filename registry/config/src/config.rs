use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::{
    entrepot::Entrepot,
    error::Problem,
    http::Http,
    log::Log,
    reader::{Reader, Section},
    storage::Storage,
};

/// A valid configuration. Serialises to a file that [`Config::load`] reads back as the same value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Of the schema.
    pub version: Version,
    /// Logging.
    pub log: Log,
    /// Where everything is kept.
    pub storage: Storage,
    /// Who the users are; absent, and no managed users either: anybody may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The listeners.
    pub http: Http,
    /// What distribution's schema has no place for.
    pub entrepot: Entrepot,
}

/// The one version of the schema that there has ever been: `0.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f32(0.1)
    }
}

/// `auth`: exactly one way to tell users apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Auth {
    /// Names and bcrypt hashes in a file.
    pub htpasswd: Htpasswd,
}

/// `auth.htpasswd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Htpasswd {
    /// What a client shows when it asks for a password.
    pub realm: String,
    /// The file: `name:bcrypt-hash` lines.
    pub path: PathBuf,
}

impl Auth {
    pub(crate) fn read(reader: &mut Reader, section: &mut Section) -> Option<Self> {
        let mut auth = reader.present_section(section, "auth")?;
        for kind in ["token", "silly"] {
            reader.refuse(&mut auth, kind, "this server authenticates by auth.htpasswd");
        }
        let htpasswd = reader.present_section(&mut auth, "htpasswd");
        let nothing_else = auth.is_empty();
        reader.refuse_the_rest(&auth, &["htpasswd"]);
        let Some(mut htpasswd) = htpasswd else {
            if nothing_else && reader.problems.is_empty() {
                // An empty `auth` is somebody who wanted authentication and would get none.
                let remedy = "name the file in auth.htpasswd.path, or remove `auth` to let anybody in".into();
                reader.problems.push(Problem::Missing { key: "auth.htpasswd".into(), remedy });
            }
            return None;
        };
        let realm = reader.header_text(&mut htpasswd, "realm").unwrap_or_else(|| "Registry".into());
        let path = reader.required_path(&mut htpasswd, "path", "name the htpasswd file");
        reader.refuse_the_rest(&htpasswd, &["realm", "path"]);
        Some(Self { htpasswd: Htpasswd { realm, path: path? } })
    }
}
