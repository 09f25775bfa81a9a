//! The Service of health and metrics. It is apart from the data Service, which a user may open to the world.

use entrepot_crds::names::ports;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::validate::Validated;
use super::metadata;

pub(super) fn build(validated: &Validated) -> Service {
    let port = ServicePort {
        name: Some("metrics".to_owned()),
        port: i32::from(ports::HEALTH),
        target_port: Some(IntOrString::Int(i32::from(ports::HEALTH))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: metadata::owned(validated, validated.names.internal_service()),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            ip_family_policy: Some("PreferDualStack".to_owned()),
            selector: Some(metadata::selector(validated)),
            ports: Some(vec![port]),
            // A Pod that is not ready is the one whose metrics matter.
            publish_not_ready_addresses: Some(true),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
