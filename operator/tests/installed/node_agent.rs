use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use entrepot_crds::Registry;
use entrepot_crds::node_report::{DATA_KEY, NodeReport, RegistryReport};
use entrepot_kind_tests::wait::{Seen, wait_until};
use entrepot_operator::args::{CleanNodesArgs, NodeAgentArgs};
use entrepot_operator::node_agent;
use entrepot_operator::pki::{Authority, San};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{BOUND, installed, namespace, service_account};

/// A registry as a node sees it: TLS with a certificate for its address, and 401 to who is nobody. Gives its port.
async fn serve(authority: &Authority) -> u16 {
    let issued = authority.issue(&[San::Ip(Ipv4Addr::LOCALHOST.into())], Timestamp::now()).unwrap();
    let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0u8; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn node() -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "n1"},
        "status": {"nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.4.2",
            "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "",
            "operatingSystem": "linux", "osImage": "", "systemUUID": "",
        }},
    }))
    .unwrap()
}

fn registry(port: u16) -> Registry {
    serde_json::from_value(json!({
        "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
        "metadata": {"name": "main"},
        "spec": {"storage": {"volume": {"size": "1Gi"}}, "service": {"port": port}},
    }))
    .unwrap()
}

fn ready_status(authority: &Authority) -> serde_json::Value {
    json!({"status": {
        "clusterIPs": ["127.0.0.1"],
        "trustBundle": {
            "configMapRef": {"name": "main-entrepot-trust"}, "pem": authority.cert_pem(),
            "sha256": "00", "notAfter": "2036-01-01T00:00:00Z",
        },
    }})
}

async fn report(maps: &Api<ConfigMap>) -> Result<Option<NodeReport>, kube::Error> {
    let map = maps.get_opt("node-n1").await?;
    let text = map.and_then(|map| map.data).and_then(|mut data| data.remove(DATA_KEY));
    Ok(text.map(|text| serde_json::from_str(&text).unwrap()))
}

async fn reported(maps: &Api<ConfigMap>, what: &str, expected: impl Fn(&NodeReport) -> bool) {
    wait_until(what, BOUND, || async {
        let report = report(maps).await?;
        let holds = report.as_ref().is_some_and(&expected);
        Ok::<_, kube::Error>(Seen::when(holds, (), report))
    })
    .await
    .unwrap();
}

async fn until_file(path: &Path, exists: bool) {
    wait_until(&format!("{} to exist: {exists}", path.display()), BOUND, || async {
        Ok::<_, kube::Error>(Seen::when(path.exists() == exists, (), !exists))
    })
    .await
    .unwrap();
}

fn args(folder: &Path, cleanup: bool) -> NodeAgentArgs {
    NodeAgentArgs {
        node_name: "n1".to_owned(),
        namespace: "entrepot-nodes".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        containerd_dir: folder.to_owned(),
        cleanup,
    }
}

#[tokio::test]
async fn the_node_agent_follows_a_registry_from_its_making_to_its_end() {
    let plane = installed().await;
    let admin = plane.client();
    let agent_client = service_account(&plane, "entrepot-nodes", "entrepot-node-agent").await;
    namespace(&admin, "registries").await;
    Api::all(admin.clone()).create(&PostParams::default(), &node()).await.unwrap();
    let status = Patch::Merge(json!({"status": node().status}));
    Api::<Node>::all(admin.clone()).patch_status("n1", &PatchParams::default(), &status).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let certs_d = folder.path().join("certs.d");
    let config = format!(
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{}'\n",
        certs_d.display()
    );
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let agent = tokio::spawn(node_agent::run_with(args(folder.path(), false), agent_client.clone()));
    let maps = Api::<ConfigMap>::namespaced(admin.clone(), "entrepot-nodes");
    reported(&maps, "a report of nothing", |report| report.registries.is_empty()).await;

    let authority = Authority::generate("main.registries", Timestamp::now()).unwrap();
    let port = serve(&authority).await;
    let registries = Api::<Registry>::namespaced(admin.clone(), "registries");
    let uid = registries.create(&PostParams::default(), &registry(port)).await.unwrap().uid().unwrap();
    let of = |report: &NodeReport| report.registries.get(&uid).cloned();
    reported(&maps, "a report of a wait", |report| {
        of(report).is_some_and(|one| !one.configured && one.reason == "AddressPending")
    })
    .await;

    let status = Patch::Merge(ready_status(&authority));
    registries.patch_status("main", &PatchParams::default(), &status).await.unwrap();
    let configured = RegistryReport { configured: true, ..RegistryReport::default() };
    reported(&maps, "a report of success", |report| of(report).as_ref() == Some(&configured)).await;
    let hosts_toml = certs_d.join(format!("main.registries.svc:{port}")).join("hosts.toml");
    let text = std::fs::read_to_string(&hosts_toml).unwrap();
    assert!(text.contains(&format!("[host.\"https://127.0.0.1:{port}\"]")), "{text}");

    // A round that finds the report as it is writes no other.
    let before = maps.get("node-n1").await.unwrap().resource_version();
    std::fs::remove_file(&hosts_toml).unwrap();
    let touch = Patch::Merge(json!({"metadata": {"annotations": {"touched": "yes"}}}));
    registries.patch("main", &PatchParams::default(), &touch).await.unwrap();
    until_file(&hosts_toml, true).await;
    assert_eq!(maps.get("node-n1").await.unwrap().resource_version(), before);

    // Before an uninstall everything goes, Registries or not; and an agent that comes back writes it again.
    agent.abort();
    let cleanup = tokio::spawn(node_agent::run_with(args(folder.path(), true), agent_client.clone()));
    reported(&maps, "a report of nothing", |report| report.registries.is_empty()).await;
    assert!(!hosts_toml.parent().unwrap().exists());
    cleanup.abort();
    let agent = tokio::spawn(node_agent::run_with(args(folder.path(), false), agent_client.clone()));
    until_file(&hosts_toml, true).await;

    registries.delete("main", &DeleteParams::default()).await.unwrap();
    until_file(hosts_toml.parent().unwrap(), false).await;
    reported(&maps, "a report of nothing", |report| report.registries.is_empty()).await;
    agent.abort();

    let secrets = Api::<Secret>::all(agent_client).list(&ListParams::default()).await;
    assert!(
        matches!(secrets, Err(kube::Error::Api(status)) if status.code == 403),
        "an agent sees no Secret"
    );

    // With its Node the report goes.
    Api::<Node>::all(admin.clone()).delete("n1", &DeleteParams::default()).await.unwrap();
    wait_until("the report to be gone", BOUND, || async {
        let gone = maps.get_opt("node-n1").await?.is_none();
        Ok::<_, kube::Error>(Seen::when(gone, (), gone))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn cleaning_nodes_changes_the_agents_once_and_ends() {
    let plane = installed().await;
    let args = || CleanNodesArgs {
        namespace: "entrepot-nodes".to_owned(),
        daemon_set: "entrepot-node-agent".to_owned(),
        timeout: BOUND,
    };
    let daemon_sets = Api::<DaemonSet>::namespaced(plane.client(), "entrepot-nodes");
    let agents = || async {
        let daemon_set = daemon_sets.get("entrepot-node-agent").await.unwrap();
        let pod = daemon_set.spec.unwrap().template.spec.unwrap();
        (pod.containers[0].args.clone().unwrap(), daemon_set.metadata.generation)
    };
    let clean = || node_agent::clean_nodes::run_with(args(), plane.client());
    clean().await.unwrap();
    let (arguments, generation) = agents().await;
    assert_eq!(arguments, ["node-agent", "--cleanup"]);
    clean().await.unwrap();
    assert_eq!(agents().await.1, generation, "a second time changes nothing");

    daemon_sets.delete("entrepot-node-agent", &DeleteParams::default()).await.unwrap();
    wait_until("the DaemonSet to be gone", BOUND, || async {
        let gone = daemon_sets.get_opt("entrepot-node-agent").await?.is_none();
        Ok::<_, kube::Error>(Seen::when(gone, (), gone))
    })
    .await
    .unwrap();
    clean().await.unwrap();
}
