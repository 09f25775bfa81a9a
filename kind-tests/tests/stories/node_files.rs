//! What the node agent leaves on the nodes, what it leaves alone, and what goes with a Registry.

use entrepot_crds::{Registry, names::Names};
use entrepot_kind_tests::{
    Node,
    crane::Crane,
    demo,
    wait::{Seen, wait_until},
};
use kube::{Api, api::DeleteParams};

use crate::support::{BOUND, Story, small};

const CERTS: &str = "/etc/containerd/certs.d";

#[tokio::test]
async fn containerd_pulls_by_the_in_cluster_name_until_the_registry_goes() {
    let story = Story::begin("node-files").await;
    let names = Names::new("main", story.namespace.name());
    // A folder that a person made for another host, and one for a name that the Registry will have.
    let (foreign, captured) = (
        format!("foreign.{}.test", names.namespace()),
        format!("main.{}.svc.cluster.local", names.namespace()),
    );
    for host in [&foreign, &captured] {
        let script = format!(
            "mkdir -p {CERTS}/{host}; echo 'server = \"https://{host}\"' > {CERTS}/{host}/hosts.toml"
        );
        shell(&story, Node::N1, &script).await;
    }
    let before = [listing(&story, &foreign).await, listing(&story, &captured).await];

    story.create("main", small()).await;
    story.ready(&names).await;
    let told = story.says(&names, ("NodeAccessReady", "False", "NodesPending"), &captured).await;
    assert!(told.contains("remove it"), "{told}");
    assert_eq!([listing(&story, &foreign).await, listing(&story, &captured).await], before);
    shell(&story, Node::N1, &format!("rm -r {CERTS}/{captured}")).await;
    let access = story.usable(&names).await;

    let folder = tempfile::tempdir().unwrap();
    let [image, _] = demo::images::make(&folder).unwrap();
    let crane = Crane::new(&story.cluster, Node::N1, &access, &access.admin).unwrap();
    crane.push(&image.layout, "node/app:1").await.unwrap();
    let reference = format!("{}/node/app:1", access.host);
    let user = format!("{}:{}", access.pull.username, access.pull.password);
    for node in Node::ALL {
        let pull = ["-n", "k8s.io", "images", "pull", "--hosts-dir", CERTS, "--user", &user, &reference];
        story.cluster.exec_on(node, "ctr", &pull).await.unwrap();
        let images = story.cluster.exec_on(node, "ctr", &["-n", "k8s.io", "images", "ls"]).await.unwrap();
        let line = images.lines().find(|line| line.starts_with(&reference)).unwrap();
        assert!(line.contains(&image.digest), "{line}");
    }

    let api: Api<Registry> = story.api();
    api.delete(names.name(), &DeleteParams::default()).await.unwrap();
    for node in Node::ALL {
        let gone = || async {
            let hosts = shell(&story, node, &format!("ls -a {CERTS}")).await;
            let ours: Vec<_> = hosts.lines().filter(|host| host.starts_with(&access.host)).collect();
            Ok::<_, std::convert::Infallible>(Seen::when(ours.is_empty(), (), ours))
        };
        wait_until("the Registry's folders to go", BOUND, gone).await.unwrap();
    }
    assert_eq!(listing(&story, &foreign).await, before[0]);
    shell(&story, Node::N1, &format!("rm -r {CERTS}/{foreign}")).await;
}

/// Names, permissions, times and content of a host's folder on the first node.
async fn listing(story: &Story, host: &str) -> String {
    shell(story, Node::N1, &format!("cd {CERTS}/{host}; stat -c '%n %a %u %Y %Z' . *; cat *")).await
}

async fn shell(story: &Story, node: Node, script: &str) -> String {
    story.cluster.exec_on(node, "sh", &["-euc", script]).await.unwrap()
}
