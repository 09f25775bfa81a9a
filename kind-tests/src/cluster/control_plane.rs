//! The cluster's control plane, in the first node's namespaces: keys, etcd, apiserver, controllers, scheduler.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use kube::Client;

use super::{
    ClusterError, daemon,
    namespaces::Inside,
    plan::{API_ADDRESS, API_SERVICE, Node, SERVICE_RANGE},
};
use crate::{
    apiserver::{self, AUDIT_POLICY, Apiserver},
    kubeconfig,
    pki::{self, Authority, Issued, Subject},
    state::{self, ClusterDir, StateError},
    wait::{Seen, wait_until},
};

const ETCD: &str = "http://127.0.0.1:2379";
const ETCD_PEER: &str = "http://127.0.0.1:2380";
const PORT: u16 = 6443;
/// What each program is to the apiserver, and the file that its kubeconfig is in.
const USERS: [(&str, &str); 3] = [
    ("controller-manager", "system:kube-controller-manager"),
    ("scheduler", "system:kube-scheduler"),
    ("proxy", "system:kube-proxy"),
];

/// Makes every key, certificate and kubeconfig of the cluster.
pub fn write_credentials(dir: &ClusterDir, now: SystemTime) -> Result<(), ClusterError> {
    let authority = Authority::generate("entrepot-kind", now)?;
    state::write_private(&dir.pki("ca.crt"), authority.certificate())?;
    let (public, private) = pki::token_key("ServiceAccount tokens")?;
    state::write_private(&dir.pki("token.pub"), &public)?;
    state::write_private(&dir.pki("token.key"), &private)?;

    let dns_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
    let addresses = [Ipv4Addr::LOCALHOST.into(), API_SERVICE, API_ADDRESS, Node::N1.address()];
    let server = Subject {
        common_name: "kube-apiserver",
        dns_names: &dns_names,
        addresses: &addresses,
        ..Subject::default()
    };
    write_pair(dir, "apiserver", &authority.issue(&server, now)?)?;
    let masters = Some("system:masters");
    let kubelet_client =
        Subject { common_name: "apiserver-kubelet-client", organization: masters, ..Subject::default() };
    write_pair(dir, "kubelet-client", &authority.issue(&kubelet_client, now)?)?;
    let admin = Subject { common_name: "admin", organization: masters, ..Subject::default() };
    let admin =
        kubeconfig::render(&server_url(API_ADDRESS), authority.certificate(), &authority.issue(&admin, now)?);
    state::write_private(&dir.kubeconfig(), &admin)?;

    let inside = server_url(Node::N1.address());
    for (file, user) in USERS {
        let issued = authority.issue(&Subject { common_name: user, ..Subject::default() }, now)?;
        let text = kubeconfig::render(&inside, authority.certificate(), &issued);
        state::write_private(&dir.pki(&format!("{file}.kubeconfig")), &text)?;
    }
    for node in Node::ALL {
        let user = format!("system:node:{}", node.name());
        let subject = Subject {
            common_name: &user,
            organization: Some("system:nodes"),
            dns_names: &[node.name()],
            addresses: &[node.address()],
        };
        let issued = authority.issue(&subject, now)?;
        write_pair(dir, node.name(), &issued)?;
        let text = kubeconfig::render(&inside, authority.certificate(), &issued);
        state::write_private(&dir.pki(&format!("{}.kubeconfig", node.name())), &text)?;
    }
    Ok(())
}

fn server_url(address: IpAddr) -> String {
    format!("https://{address}:{PORT}")
}

fn write_pair(dir: &ClusterDir, name: &str, issued: &Issued) -> Result<(), StateError> {
    state::write_private(&dir.pki(&format!("{name}.crt")), &issued.certificate)?;
    state::write_private(&dir.pki(&format!("{name}.key")), &issued.key)
}

/// Starts etcd and the apiserver, and waits until the apiserver answers.
pub async fn start(dir: &ClusterDir, inside: Inside) -> Result<Client, ClusterError> {
    let etcd = apiserver::etcd_arguments(&dir.data.join("etcd"), ETCD, ETCD_PEER);
    daemon(dir, Node::N1, inside, "etcd", &etcd)?;
    let policy = dir.state.join("audit-policy.json");
    state::write_private(&policy, AUDIT_POLICY)?;
    let arguments = apiserver::apiserver_arguments(&Apiserver {
        pki: &dir.state.join("pki"),
        etcd: ETCD,
        bind: Ipv4Addr::UNSPECIFIED.into(),
        port: PORT,
        advertise: Some(Node::N1.address()),
        service_range: SERVICE_RANGE,
        audit: Some((&policy, &dir.audit_log())),
    });
    daemon(dir, Node::N1, inside, "kube-apiserver", &arguments)?;
    let client = super::client(&dir.kubeconfig()).await?;
    wait_ready(&client, Duration::from_mins(1)).await?;
    Ok(client)
}

/// Starts the programs that act on what the apiserver holds.
pub fn start_controllers(dir: &ClusterDir, inside: Inside) -> Result<(), ClusterError> {
    let kubeconfig =
        |user: &str| format!("--kubeconfig={}", dir.pki(&format!("{user}.kubeconfig")).display());
    let manager = [
        kubeconfig("controller-manager"),
        format!("--service-account-private-key-file={}", dir.pki("token.key").display()),
        format!("--root-ca-file={}", dir.pki("ca.crt").display()),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
        // The default is a folder of the host that it would make.
        "--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins".to_owned(),
    ];
    daemon(dir, Node::N1, inside, "kube-controller-manager", &manager)?;
    let scheduler = [kubeconfig("scheduler"), "--leader-elect=false".to_owned()];
    daemon(dir, Node::N1, inside, "kube-scheduler", &scheduler)?;
    Ok(())
}

/// Waits until an apiserver says that it is ready.
pub async fn wait_ready(client: &Client, bound: Duration) -> Result<(), ClusterError> {
    wait_until("the apiserver", bound, || async {
        let request = http::Request::get("/readyz").body(Vec::new());
        match request {
            Ok(request) => client
                .request_text(request)
                .await
                .map(|text| Seen::when(text == "ok", (), text))
                .map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await?;
    Ok(())
}
