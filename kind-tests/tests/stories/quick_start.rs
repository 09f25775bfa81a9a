//! The quick start: apply the sample, push, and a Pod on each node runs what was pushed.

use entrepot_crds::names::Names;
use entrepot_kind_tests::{demo, installation::source_file};

use crate::support::Story;

#[tokio::test]
async fn the_sample_feeds_a_pod_on_each_node() {
    let story = Story::begin("quick-start").await;
    let sample = std::fs::read_to_string(source_file("deploy/samples/registry.yaml")).unwrap();
    story.kubectl.apply_text(&sample.replace("registries", story.namespace.name())).await.unwrap();
    let names = Names::new("main", story.namespace.name());
    let access = story.usable(&names).await;
    assert_eq!(access.host, format!("main.{}.svc", story.namespace.name()));

    let folder = tempfile::tempdir().unwrap();
    let made = demo::images::make(&folder).unwrap();
    demo::push(&story.cluster, &access, &made, &story.progress).await.unwrap();
    // Verifies by digest that each container runs what was pushed, and by the kubelets' events that they pulled it.
    let pods = demo::pods(&story.cluster, &names, &access, &made, &story.progress).await.unwrap();
    assert_eq!(pods.iter().map(|pod| pod.pulls.len()).collect::<Vec<_>>(), [2, 2]);
    for pod in &pods {
        let arguments =
            ["exec", &pod.name, "--namespace", story.namespace.name(), "--container", "busybox", "--"];
        let page = [&arguments[..], &["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"]].concat();
        assert_eq!(story.kubectl.run(&page).await.unwrap(), "Hello from an image of three layers.\n");
    }
}
