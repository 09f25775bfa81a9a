//! The Pod of the server: one container that may do nothing but serve.

use entrepot_crds::names::ports;
use entrepot_crds::{PodTemplateSpec as UserPod, labels};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, HTTPGetAction, Lifecycle, LifecycleHandler, PodSecurityContext,
    PodSpec, Probe, SeccompProfile, SecurityContext, SleepAction, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::validate::Validated;
use super::paths;
use super::volumes::{self, Mounted};

/// The user that every image of ours runs as, and the group that owns the volume.
const UID: i64 = 65532;
/// Endpoints reach kube-proxy and the nodes' runtimes late: until they do, a stopping server goes on answering.
const ENDPOINT_LAG_SECONDS: i64 = 5;
/// The lag, the server's own drain timeout, and time to release the volume's lock.
const GRACE_SECONDS: i64 = 40;
/// A Pod that waits for its predecessor to release the volume is not ready, but must not be killed for it either.
const STARTUP_SECONDS: i32 = 300;

pub(super) fn spec(validated: &Validated) -> PodSpec {
    let UserPod {
        resources,
        node_selector,
        affinity,
        tolerations,
        priority_class_name,
        topology_spread_constraints,
    } = validated.pod_template.spec.clone().unwrap_or_default();
    let mounted = volumes::of(validated);
    let container = Container { resources, ..container(validated, &mounted) };
    PodSpec {
        containers: vec![container],
        volumes: Some(mounted.into_iter().map(|one| one.volume).collect()),
        security_context: Some(pod_security()),
        automount_service_account_token: Some(false),
        // A Service called `registry` would otherwise set REGISTRY_PORT, which the server reads as configuration.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        node_selector,
        affinity,
        tolerations,
        priority_class_name,
        topology_spread_constraints,
        ..PodSpec::default()
    }
}

fn container(validated: &Validated, mounted: &[Mounted]) -> Container {
    let port = |name: &str, number: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    Container {
        name: labels::APP.to_owned(),
        image: Some(validated.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/bin/registry".to_owned()]),
        args: Some(vec!["serve".to_owned(), paths::CONFIG_FILE.to_owned()]),
        ports: Some(vec![port("https", ports::DATA), port("health", ports::HEALTH)]),
        startup_probe: Some(Probe { failure_threshold: Some(STARTUP_SECONDS), ..probe("/readyz", 1) }),
        readiness_probe: Some(probe("/readyz", 5)),
        liveness_probe: Some(Probe { failure_threshold: Some(6), ..probe("/livez", 10) }),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: ENDPOINT_LAG_SECONDS }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: Some(container_security()),
        volume_mounts: Some(mounted.iter().map(|one| one.mount.clone()).collect::<Vec<VolumeMount>>()),
        ..Container::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(ports::HEALTH)),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(UID),
        run_as_group: Some(UID),
        fs_group: Some(UID),
        // A volume that registry:2 wrote as root is handed over once, not walked at every start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
