//! One folder beneath certs.d: what is in it, and the mark that it is ours.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::claim::{Claim, Endpoint};

/// containerd's own name for the file that it reads.
pub const HOSTS_TOML: &str = "hosts.toml";
/// The certificates, named by `hosts.toml` relative to itself.
pub const CA_CRT: &str = "ca.crt";
/// The mark; a folder without it is somebody else's.
pub const MARKER: &str = ".entrepot";

/// Where a folder is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folder that containerd looks into.
    pub root: String,
    /// The host as it stands in image names.
    pub host: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.root, self.host)
    }
}

/// The files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The Registry's UID.
    pub uid: String,
    /// `namespace/name`, for a person who looks at the node.
    pub registry: String,
    /// `hosts.toml`.
    pub hosts_toml: String,
    /// `ca.crt`.
    pub ca: String,
}

impl Content {
    /// What every folder of `claim` holds while it leads to `endpoint`.
    pub fn new(claim: &Claim, endpoint: &Endpoint) -> Self {
        Self {
            uid: claim.uid.clone(),
            registry: claim.registry.clone(),
            hosts_toml: hosts_toml(&claim.registry, endpoint),
            ca: endpoint.trust.clone(),
        }
    }

    /// The text of the marker file.
    pub fn marker(&self) -> String {
        let digest = Sha256::new().chain_update(&self.hosts_toml).chain_update(&self.ca).finalize();
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        format!(
            "# Written by the Entrepot node agent, which removes this folder with its Registry.\nregistry-uid={}\nregistry={}\nsha256={hex}\n",
            self.uid, self.registry
        )
    }
}

/// The UID in a marker file; None when the file was cut short.
pub fn marked_uid(marker: &str) -> Option<String> {
    let (uid, rest) = marker.split_once("registry-uid=")?.1.split_once('\n')?;
    (!uid.is_empty() && rest.contains("sha256=")).then(|| uid.to_owned())
}

/// The keys before the first table hold for the fallback that containerd adds at the end of its list:
/// without `server` it would be the host itself, which no node resolves, and a pull of an absent image
/// would end in a confusing name error. Without a table containerd ignores `ca`.
fn hosts_toml(registry: &str, endpoint: &Endpoint) -> String {
    let urls: Vec<String> = endpoint
        .addresses
        .iter()
        .map(|address| format!("https://{}", std::net::SocketAddr::new(*address, endpoint.port)))
        .map(|url| url.strip_suffix(":443").map_or(url.clone(), str::to_owned))
        .collect();
    let settings =
        format!("capabilities = [\"pull\", \"resolve\"]\nca = \"{CA_CRT}\"\ndial_timeout = \"2s\"\n");
    let mut text = format!("# Registry {registry}. Changes made here are overwritten.\n");
    if let Some(first) = urls.first() {
        let _ = writeln!(text, "server = \"{first}\"");
    }
    text.push_str(&settings);
    for url in urls {
        let _ = write!(text, "\n[host.\"{url}\"]\n{settings}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node_agent::claim::Want;

    fn content(addresses: &[&str], port: u16) -> Content {
        let claim =
            Claim { uid: "u1".to_owned(), registry: "registries/main".to_owned(), want: Want::Nothing };
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Content::new(&claim, &Endpoint { addresses, port, trust: "PEM".to_owned() })
    }

    #[test]
    fn the_file_leads_to_every_address() {
        assert_eq!(
            content(&["10.96.0.50", "fd00::50"], 5000).hosts_toml,
            r#"# Registry registries/main. Changes made here are overwritten.
server = "https://10.96.0.50:5000"
capabilities = ["pull", "resolve"]
ca = "ca.crt"
dial_timeout = "2s"

[host."https://10.96.0.50:5000"]
capabilities = ["pull", "resolve"]
ca = "ca.crt"
dial_timeout = "2s"

[host."https://[fd00::50]:5000"]
capabilities = ["pull", "resolve"]
ca = "ca.crt"
dial_timeout = "2s"
"#
        );
        let plain = content(&["10.96.0.50"], 443).hosts_toml;
        assert!(plain.contains("\n[host.\"https://10.96.0.50\"]\n"), "{plain}");
        let table: toml::Table = plain.parse().unwrap();
        assert_eq!(table["server"].as_str(), Some("https://10.96.0.50"));
    }

    #[test]
    fn a_marker_names_its_registry_and_a_torn_one_names_none() {
        let marker = content(&["10.96.0.50"], 443).marker();
        assert_eq!(marked_uid(&marker), Some("u1".to_owned()));
        for cut in 0..marker.find("sha256=").unwrap() {
            assert_eq!(marked_uid(&marker[..cut]), None, "cut at {cut}");
        }
    }
}
