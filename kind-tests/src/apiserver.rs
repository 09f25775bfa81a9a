//! How etcd and the kube-apiserver are called, by the cluster and by a control plane that stands alone. Pure.

use std::{net::IpAddr, path::Path};

/// Writes are what tests ask about; reads would bury them.
pub const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]}, {"level": "None"}]}
"#;

/// What differs between one apiserver and the next.
#[derive(Debug)]
pub struct Apiserver<'a> {
    /// Holds `ca.crt`, `apiserver.{crt,key}`, `kubelet-client.{crt,key}`, `token.{pub,key}`.
    pub pki: &'a Path,
    /// etcd's client URL.
    pub etcd: &'a str,
    /// The address to listen at.
    pub bind: IpAddr,
    /// The port to listen at.
    pub port: u16,
    /// The address under which Pods reach it through its Service; none if there are no Pods.
    pub advertise: Option<IpAddr>,
    /// The range of Service addresses.
    pub service_range: &'a str,
    /// The audit policy's file and the log that it fills.
    pub audit: Option<(&'a Path, &'a Path)>,
}

/// The arguments of an etcd that is thrown away with its cluster, and so need not sync to disk.
pub fn etcd_arguments(data: &Path, client: &str, peer: &str) -> Vec<String> {
    [
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
    ]
    .into()
}

/// The arguments of the kube-apiserver.
pub fn apiserver_arguments(apiserver: &Apiserver<'_>) -> Vec<String> {
    let pki = |file: &str| apiserver.pki.join(file).display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers={}", apiserver.etcd),
        format!("--bind-address={}", apiserver.bind),
        format!("--secure-port={}", apiserver.port),
        format!("--service-cluster-ip-range={}", apiserver.service_range),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--kubelet-client-certificate={}", pki("kubelet-client.crt")),
        format!("--kubelet-client-key={}", pki("kubelet-client.key")),
        format!("--service-account-key-file={}", pki("token.pub")),
        format!("--service-account-signing-key-file={}", pki("token.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged".to_owned(),
        // Node names are resolvable nowhere here.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ];
    if let Some(address) = apiserver.advertise {
        arguments.push(format!("--advertise-address={address}"));
    } else {
        // Without controllers no ServiceAccount ever appears in a namespace, and Pods would be refused for it.
        arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
        arguments.push("--endpoint-reconciler-type=none".to_owned());
        arguments.push(format!("--advertise-address={}", apiserver.bind));
    }
    if let Some((policy, log)) = apiserver.audit {
        arguments.push(format!("--audit-policy-file={}", policy.display()));
        arguments.push(format!("--audit-log-path={}", log.display()));
    }
    arguments
}
