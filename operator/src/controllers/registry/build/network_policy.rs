//! Who may connect to the server's Pod.

use std::collections::BTreeMap;

use entrepot_crds::labels;
use entrepot_crds::names::ports;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::validate::Validated;
use super::metadata;

/// The data port is open: nodes pull from it, no policy can select nodes everywhere, and TLS and credentials guard it.
/// Metrics name no repository, but still are for those who are asked to read them.
pub(super) fn build(validated: &Validated) -> NetworkPolicy {
    let scrapers = LabelSelector {
        match_labels: Some(BTreeMap::from([(labels::SCRAPE.to_owned(), "true".to_owned())])),
        match_expressions: None,
    };
    let metrics = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(scrapers),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![port(ports::HEALTH)]),
    };
    let data = NetworkPolicyIngressRule { from: None, ports: Some(vec![port(ports::DATA)]) };
    NetworkPolicy {
        metadata: metadata::owned(validated, validated.names.network_policy()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(metadata::selector(validated)),
                match_expressions: None,
            }),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![data, metrics]),
            egress: None,
        }),
    }
}

fn port(number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    }
}
