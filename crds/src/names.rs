//! The one definition of a Registry's names: the objects made for it and the hosts it answers to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ports the server's container listens on.
pub mod ports {
    /// The registry API, over TLS.
    pub const DATA: u16 = 5000;
    /// Health and metrics, over plain HTTP.
    pub const HEALTH: u16 = 5001;
    /// The port that image names may leave out.
    pub const HTTPS: u16 = 443;
}

/// The names of the objects of one Registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    name: String,
    namespace: String,
}

/// Declares one method per child, so that each suffix is written once.
macro_rules! children {
    ($($(#[doc = $doc:literal])+ $method:ident = $suffix:literal),+ $(,)?) => {
        impl Names {
            $($(#[doc = $doc])+
            pub fn $method(&self) -> String {
                format!(concat!("{}", $suffix), self.name)
            })+

            /// Every object's name with the method that gives it.
            pub fn children(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($method), self.$method())),+]
            }
        }
    };
}

children! {
    /// The Service that clients and nodes connect to.
    service = "",
    /// The Service of health and metrics, never exposed outside the cluster.
    internal_service = "-entrepot",
    /// The Deployment of the server.
    deployment = "",
    /// The `NetworkPolicy` of the server's Pod.
    network_policy = "-entrepot",
    /// The claim of the volume.
    data_claim = "-entrepot-data",
    /// The Secret of the CA.
    ca_secret = "-entrepot-ca",
    /// The Secret of the generated server certificate.
    tls_secret = "-entrepot-tls",
    /// The Secret of the generated admin's credentials.
    admin_secret = "-entrepot-admin",
    /// The Secret of the pull-only identity's credentials.
    pull_secret = "-entrepot-pull",
    /// The Secret of the htpasswd file of the generated identities.
    htpasswd_secret = "-entrepot-htpasswd",
    /// The Secret of the server's own keys.
    keys_secret = "-entrepot-keys",
    /// The `ConfigMap` of the server's configuration.
    config_map = "-entrepot-config",
    /// The `ConfigMap` of the certificates that clients must trust.
    trust_config_map = "-entrepot-trust",
}

impl Names {
    /// The names of the Registry `name` in `namespace`, both as the API server accepted them.
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: namespace.into() }
    }

    /// The Registry's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Registry's namespace, and that of every object made for it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The host names of the Registry with the uses each serves, in a fixed order.
    ///
    /// `<name>.<namespace>` alone is never one: Registry `docker` in namespace `io` would capture docker.io.
    pub fn hosts(&self, network: &Network) -> Vec<HostName> {
        let short = format!("{}.{}.svc", self.service(), self.namespace);
        let full = format!("{short}.{}", network.cluster_domain);
        let mut hosts = Vec::new();
        for host in [Host::Dns(short), Host::Dns(full)] {
            hosts.extend(reachable(host, network.port));
        }
        for ip in &network.cluster_ips {
            hosts.extend(reachable(Host::Ip(*ip), network.port));
        }
        let internal = format!("{}.{}.svc", self.internal_service(), self.namespace);
        let internal_full = format!("{internal}.{}", network.cluster_domain);
        let loopback = [
            Host::Dns("localhost".to_owned()),
            Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Host::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for host in [Host::Dns(internal), Host::Dns(internal_full)].into_iter().chain(loopback) {
            hosts.push(HostName { host, port: None, uses: &[Use::Certificate] });
        }
        hosts
    }

    /// The URL of the Registry inside the cluster, without a trailing slash.
    pub fn url(&self, network: &Network) -> String {
        let host = format!("{}.{}.svc", self.service(), self.namespace);
        match network.port {
            ports::HTTPS => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        }
    }
}

/// What a Registry's host names follow from beside its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The cluster's DNS domain, usually `cluster.local`.
    pub cluster_domain: String,
    /// The Service's port.
    pub port: u16,
    /// The Service's addresses; empty until the API server has given it any.
    pub cluster_ips: Vec<IpAddr>,
}

/// One host name as clients write it, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// The name or address.
    pub host: Host,
    /// The port, where clients write one.
    pub port: Option<u16>,
    uses: &'static [Use],
}

impl HostName {
    /// Whether the name serves `wanted`.
    pub fn serves(&self, wanted: Use) -> bool {
        self.uses.contains(&wanted)
    }
}

impl fmt::Display for HostName {
    /// `host[:port]`, IPv6 addresses in brackets, as in a URL and in an image reference.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Dns(name) => formatter.write_str(name)?,
            Host::Ip(IpAddr::V4(address)) => write!(formatter, "{address}")?,
            Host::Ip(IpAddr::V6(address)) => write!(formatter, "[{address}]")?,
        }
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A DNS name or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name, lower-case, without a trailing dot.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// What a host name is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is a subject alternative name of the generated certificate.
    Certificate,
    /// The node agent writes a certs.d folder for it.
    NodeAccess,
    /// The generated `.dockerconfigjson`s hold credentials for it.
    Credentials,
}

/// The forms in which clients write a host that the Service answers on. A certificate holds no port, and a name
/// without one means 443.
fn reachable(host: Host, port: u16) -> [HostName; 2] {
    let bare: &[Use] = match port {
        ports::HTTPS => &[Use::Certificate, Use::NodeAccess, Use::Credentials],
        _ => &[Use::Certificate],
    };
    [
        HostName { host: host.clone(), port: None, uses: bare },
        HostName { host, port: Some(port), uses: &[Use::NodeAccess, Use::Credentials] },
    ]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{Names, Network, Use};

    /// Every name in one place: whoever changes one sees what depends on it.
    #[test]
    fn golden() {
        let names = Names::new("main", "registries");
        let mut text = String::new();
        for (child, name) in names.children() {
            writeln!(text, "{child}: {name}").unwrap();
        }
        for port in [443, 5000] {
            let network = Network {
                cluster_domain: "cluster.local".to_owned(),
                port,
                cluster_ips: vec!["10.96.0.17".parse().unwrap(), "fd00::17".parse().unwrap()],
            };
            writeln!(text, "\nport {port}: {}", names.url(&network)).unwrap();
            for host in names.hosts(&network) {
                let uses: Vec<Use> = [Use::Certificate, Use::NodeAccess, Use::Credentials]
                    .into_iter()
                    .filter(|one| host.serves(*one))
                    .collect();
                writeln!(text, "{host}: {uses:?}").unwrap();
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_short_form_is_never_a_name() {
        let network =
            Network { cluster_domain: "cluster.local".to_owned(), port: 443, cluster_ips: Vec::new() };
        let hosts = Names::new("docker", "io").hosts(&network);
        assert!(
            hosts
                .iter()
                .all(|host| !host.to_string().starts_with("docker.io:") && host.to_string() != "docker.io")
        );
    }
}
