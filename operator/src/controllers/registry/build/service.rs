//! The Service that clients and nodes connect to.

use std::net::IpAddr;

use entrepot_crds::names::ports;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::validate::Validated;
use super::authority::remembered_ips;
use super::metadata;

/// The Service with the addresses to ask for if it has to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedService {
    /// The Service.
    pub service: Service,
    /// The addresses that nodes and certificates know it by: a Service that was deleted by mistake comes back under
    /// them. Empty: any.
    pub addresses: Vec<IpAddr>,
}

pub(super) fn build(validated: &Validated) -> PlannedService {
    let mut meta = metadata::owned(validated, validated.names.service());
    meta.annotations.clone_from(&validated.service.annotations);
    let port = ServicePort {
        name: Some("https".to_owned()),
        port: i32::from(validated.service.port),
        target_port: Some(IntOrString::Int(i32::from(ports::DATA))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    let service = Service {
        metadata: meta,
        spec: Some(ServiceSpec {
            type_: Some(validated.service.type_.as_str().to_owned()),
            ip_family_policy: Some("PreferDualStack".to_owned()),
            selector: Some(metadata::selector(validated)),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        status: None,
    };
    let addresses = validated.live.ca.ours().map(remembered_ips).unwrap_or_default();
    PlannedService { service, addresses }
}
