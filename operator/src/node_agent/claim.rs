//! What each Registry asks of a node.

use std::net::IpAddr;

use entrepot_crds::names::{Names, Network, Use};
use entrepot_crds::{NodeAccessMode, Registry};
use kube::core::DeserializeGuard;
use kube::{Resource as _, ResourceExt as _};

/// A Registry and what it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The Registry's UID: what folders are marked with.
    pub uid: String,
    /// `namespace/name`, for people.
    pub registry: String,
    /// What it asks.
    pub want: Want,
}

/// What a Registry asks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// That these hosts are pulled from this endpoint.
    Hosts {
        /// Hosts as they stand in image names, with their port where they have one.
        hosts: Vec<String>,
        /// Where they lead.
        endpoint: Endpoint,
    },
    /// Something, once its status says where it is. What is on the node stays as it is.
    Pending {
        /// The word for reports.
        reason: &'static str,
        /// The sentence for people.
        message: &'static str,
    },
    /// To leave the node alone.
    Nothing,
    /// It cannot be understood, so that what is on the node stays as it is.
    Unreadable {
        /// Why not.
        why: String,
    },
}

/// Where a Registry answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The Service's addresses, the preferred family first; never empty.
    pub addresses: Vec<IpAddr>,
    /// The Service's port.
    pub port: u16,
    /// The certificates that it must be verified with, PEM.
    pub trust: String,
}

/// The claims of every Registry, in an order that does not depend on the list's.
///
/// Hosts follow from a Registry's own name alone: whatever its author writes into it, they cannot make
/// a node pull `docker.io` from their server.
pub fn claims<'a>(
    registries: impl IntoIterator<Item = &'a DeserializeGuard<Registry>>,
    cluster_domain: &str,
) -> Vec<Claim> {
    let mut claims: Vec<Claim> = registries
        .into_iter()
        .filter_map(|guarded| {
            let meta = guarded.meta();
            let namespace = meta.namespace.clone().unwrap_or_default();
            Some(Claim {
                uid: meta.uid.clone()?,
                registry: format!("{namespace}/{}", meta.name.as_deref().unwrap_or_default()),
                want: match &guarded.0 {
                    Ok(registry) => want(registry, cluster_domain),
                    Err(invalid) => Want::Unreadable { why: invalid.error.clone() },
                },
            })
        })
        .collect();
    claims.sort_by(|a, b| a.uid.cmp(&b.uid));
    claims
}

fn want(registry: &Registry, cluster_domain: &str) -> Want {
    let mode = registry.spec.node_access.as_ref().map(|access| access.mode).unwrap_or_default();
    if mode == NodeAccessMode::None {
        return Want::Nothing;
    }
    let status = registry.status.clone().unwrap_or_default();
    let addresses: Vec<IpAddr> = status.cluster_ips.iter().filter_map(|ip| ip.parse().ok()).collect();
    if addresses.is_empty() {
        return Want::Pending {
            reason: "AddressPending",
            message: "the Registry has no cluster address yet",
        };
    }
    let Some(bundle) = status.trust_bundle else {
        return Want::Pending {
            reason: "CertificatePending",
            message: "the Registry has no certificate yet",
        };
    };
    let port = registry.spec.service.clone().unwrap_or_default().port;
    let network = Network { cluster_domain: cluster_domain.to_owned(), port, cluster_ips: addresses.clone() };
    let names = Names::new(registry.name_any(), registry.namespace().unwrap_or_default());
    let hosts = names
        .hosts(&network)
        .into_iter()
        .filter(|host| host.serves(Use::NodeAccess))
        .map(|host| host.to_string())
        .filter(|host| is_folder_name(host))
        .collect();
    Want::Hosts { hosts, endpoint: Endpoint { addresses, port, trust: bundle.pem } }
}

/// The API server has checked every part of a host; what becomes a path is looked at once more.
fn is_folder_name(host: &str) -> bool {
    !host.is_empty()
        && !host.starts_with('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn registry(value: serde_json::Value) -> DeserializeGuard<Registry> {
        serde_json::from_value(value).unwrap()
    }

    fn main_registry(mode: &str, status: &serde_json::Value) -> DeserializeGuard<Registry> {
        registry(json!({
            "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
            "metadata": {"name": "main", "namespace": "registries", "uid": "u1"},
            "spec": {"storage": {"volume": {"size": "1Gi"}}, "nodeAccess": {"mode": mode}},
            "status": status,
        }))
    }

    fn ready_status() -> serde_json::Value {
        json!({"clusterIPs": ["10.96.0.50", "fd00::50"], "trustBundle": {
            "configMapRef": {"name": "main-entrepot-trust"}, "pem": "PEM", "sha256": "00",
            "notAfter": "2036-01-01T00:00:00Z"}})
    }

    fn only(claims: Vec<Claim>) -> Claim {
        assert_eq!(claims.len(), 1);
        claims.into_iter().next().unwrap()
    }

    #[test]
    fn a_ready_registry_asks_for_every_name_that_nodes_use() {
        let claim = only(claims([&main_registry("ContainerdHosts", &ready_status())], "cluster.local"));
        let hosts = [
            "main.registries.svc",
            "main.registries.svc:443",
            "main.registries.svc.cluster.local",
            "main.registries.svc.cluster.local:443",
            "10.96.0.50",
            "10.96.0.50:443",
            "[fd00::50]",
            "[fd00::50]:443",
        ];
        let endpoint = Endpoint {
            addresses: vec!["10.96.0.50".parse().unwrap(), "fd00::50".parse().unwrap()],
            port: 443,
            trust: "PEM".to_owned(),
        };
        let want = Want::Hosts { hosts: hosts.map(str::to_owned).to_vec(), endpoint };
        let expected = Claim { uid: "u1".to_owned(), registry: "registries/main".to_owned(), want };
        assert_eq!(claim, expected);
    }

    #[test]
    fn what_is_not_known_yet_or_not_wanted_is_no_host() {
        let want = |mode, status| only(claims([&main_registry(mode, &status)], "cluster.local")).want;
        assert_eq!(want("None", ready_status()), Want::Nothing);
        assert!(matches!(want("ContainerdHosts", json!({})), Want::Pending { reason: "AddressPending", .. }));
        assert!(matches!(
            want("ContainerdHosts", json!({"clusterIPs": ["10.96.0.50"]})),
            Want::Pending { reason: "CertificatePending", .. }
        ));
    }

    #[test]
    fn an_unreadable_registry_keeps_its_claim() {
        let broken = registry(json!({
            "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
            "metadata": {"name": "main", "namespace": "registries", "uid": "u2"},
            "spec": {"storage": 7},
        }));
        let claims = claims([&broken, &main_registry("None", &json!({}))], "cluster.local");
        assert_eq!(claims.iter().map(|claim| claim.uid.as_str()).collect::<Vec<_>>(), ["u1", "u2"]);
        assert!(matches!(claims[1].want, Want::Unreadable { .. }));
    }

    #[test]
    fn nothing_that_leaves_its_folder_is_a_folder_name() {
        for bad in ["", "..", ".hidden", "a/b", "a\0b", "a b"] {
            assert!(!is_folder_name(bad), "{bad:?}");
        }
        assert!(is_folder_name("[fd00::50]:443"));
    }
}
