//! A real image through the clients that people have: skopeo, podman and Debian's docker log in, push and pull it over TLS,
//! and nodes run what each of them pushed.

use std::path::Path;

use entrepot_kind_tests::{Node, access::Access, process};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{
    certificate, debian,
    support::{BOUND, Story, small},
};

/// Each client's commands as a person would type them. They print the digest of what the registry then has.
const CLIENTS: [(&str, &str); 3] = [
    ("skopeo", include_str!("skopeo.sh")),
    ("podman", include_str!("podman.sh")),
    ("docker", include_str!("docker.sh")),
];

#[tokio::test]
async fn nodes_run_what_skopeo_podman_and_docker_pushed() {
    let story = Story::begin("clients").await;
    let names = story.create("main", small()).await;
    let image = debian::nginx(&story.progress).await;
    let access = story.usable(&names).await;
    for (client, script) in CLIENTS {
        let digest = push(&story, &access, &image, client, script).await;
        for node in Node::ALL {
            let pod = format!("{client}-{}", node.name());
            serve(&story, &access, node, &pod, &format!("clients/{client}@{digest}")).await;
        }
    }

    // A certificate of the user's own comes beside the generated one, which the nodes trust.
    let pair = certificate::valid("registry.example.test");
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "public"}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key},
    }))
    .unwrap();
    story.api().create(&PostParams::default(), &secret).await.unwrap();
    story.patch(&names, json!({"tls": {"secretRef": {"name": "public"}}})).await;
    story.ready(&names).await;
    for node in Node::ALL {
        serve(&story, &access, node, &format!("tls-{}", node.name()), "clients/skopeo:1").await;
    }
}

/// Runs a client's script in namespaces of its own on a node, and answers the digest that it prints last.
async fn push(story: &Story, access: &Access, image: &Path, client: &str, script: &str) -> String {
    let folder = tempfile::Builder::new().prefix(&format!("entrepot-{client}-")).tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), &access.ca).unwrap();
    let whole = format!("{}\n{script}", include_str!("sandbox.sh"));
    let mut command = story.cluster.command_on(Node::N1, "timeout").unwrap();
    command.args(["--kill-after=5", "300", "unshare", "--mount", "--propagation", "private"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-eux", "-c", &whole]);
    // Without /usr/local: a newer docker there would not be Debian's.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", folder.path());
    command.env("BOX", folder.path()).env("IMAGE", format!("oci:{}:{}", image.display(), debian::TAG));
    command.env("HOST", &access.host).env("ADDRESS", &access.address);
    command.env("USERNAME", &access.admin.username).env("PASSWORD", &access.admin.password);
    let output = process::run(&mut command.into()).await.unwrap();
    let digest = output.lines().last().unwrap_or_default().to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{output}");
    digest
}

/// Runs nginx from an image of the Registry on a node, and asks it for its page from there.
async fn serve(story: &Story, access: &Access, node: Node, name: &str, image: &str) {
    let container = json!({
        "name": "nginx", "image": format!("{}/{image}", access.host), "imagePullPolicy": "Always",
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
    });
    let spec = json!({
        "nodeName": node.name(), "containers": [container], "terminationGracePeriodSeconds": 1,
        "imagePullSecrets": [{"name": "main-entrepot-pull"}],
    });
    story.pods().create(name, spec).await.unwrap();
    story.pods().wait_ready(name, BOUND).await.unwrap();
    let pods: Api<Pod> = story.api();
    let address = pods.get(name).await.unwrap().status.unwrap().pod_ip.unwrap();
    let page = ["--silent", "--show-error", "--fail", "--max-time", "20", &format!("http://{address}/")];
    let answer = story.cluster.exec_on(node, "curl", &page).await.unwrap();
    assert!(answer.contains("Welcome to nginx!"), "{answer}");
}
