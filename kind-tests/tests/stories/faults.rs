//! The server dies in the middle of pushes: what was acknowledged stays, what was not succeeds when tried again, and
//! nothing that is half there is served.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use entrepot_crds::names::Names;
use entrepot_kind_tests::{
    Node,
    crane::Crane,
    oci_layout::{Entry, Image, LayerFormat, Layout, host_architecture},
    wait::{Seen, wait_until},
};
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::support::{BOUND, Story, small};

const PUSHERS: usize = 8;
const FAULTS: usize = 2;
/// Acknowledged pushes between one fault and the next.
const BETWEEN: usize = 8;

/// What was acknowledged: `repository:tag` and its digest.
type Acknowledged = BTreeMap<String, String>;

#[tokio::test]
async fn a_server_killed_amid_pushes_loses_nothing() {
    let story = Story::begin("faults-kill").await;
    let names = story.create("main", small()).await;
    survives(&story, &names, async || {
        let pod = story.server(&names).await;
        let status = &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
        let container = status.container_id.as_ref().unwrap().strip_prefix("containerd://").unwrap();
        let node = pod.spec.as_ref().unwrap().node_name.as_ref().unwrap();
        let node = Node::ALL.into_iter().find(|one| one.name() == node).unwrap();
        let kill = ["-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", container];
        story.cluster.exec_on(node, "ctr", &kill).await.unwrap();
        let restarts = status.restart_count;
        let again = || async {
            let now = story.server(&names).await;
            let status = &now.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
            Ok::<_, kube::Error>(Seen::when(status.restart_count > restarts && status.ready, (), status))
        };
        wait_until("the server to run again", BOUND, again).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_servers_pod_deleted_amid_pushes_loses_nothing() {
    let story = Story::begin("faults-delete").await;
    let names = story.create("main", small()).await;
    survives(&story, &names, async || {
        let pod = story.server(&names).await.name_any();
        story.kubectl.run(&["delete", "pod", &pod, "--namespace", story.namespace.name()]).await.unwrap();
        let again = || async {
            let now = story.server(&names).await;
            Ok::<_, kube::Error>(Seen::when(now.name_any() != pod && is_ready(&now), (), now.name_any()))
        };
        wait_until("another Pod to serve", BOUND, again).await.unwrap();
    })
    .await;
}

/// Pushes from all sides while `fault` strikes, then looks at everything that the registry has.
async fn survives(story: &Story, names: &Names, fault: impl AsyncFn()) {
    let access = story.usable(names).await;
    let crane = Crane::new(&story.cluster, Node::N1, &access, &access.admin).unwrap();
    let (count, in_flight, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let pushers = join_all((0..PUSHERS).map(|pusher| push_until(&crane, pusher, &count, &in_flight, &over)));
    let strike = async {
        for round in 1..=FAULTS {
            let enough = || async {
                let acknowledged = count.load(Ordering::SeqCst);
                let amid = acknowledged >= round * BETWEEN && in_flight.load(Ordering::SeqCst) > 0;
                Ok::<_, std::convert::Infallible>(Seen::when(amid, (), acknowledged))
            };
            wait_until("pushes", BOUND, enough).await.unwrap();
            fault().await;
        }
        over.store(true, Ordering::SeqCst);
    };
    let (acknowledged, ()) = futures::future::join(pushers, strike).await;
    let acknowledged: Acknowledged = acknowledged.into_iter().flatten().collect();
    assert!(acknowledged.len() >= FAULTS * BETWEEN + PUSHERS, "{}", acknowledged.len());
    story.ready(names).await;

    let served = served(&crane).await;
    // Every push was tried until it was acknowledged, so there is nothing beside.
    assert_eq!(served, acknowledged);
    // Fetches every manifest and layer and compares digests, sizes and the layers' content with the configuration.
    let whole = stream::iter(served.keys()).map(|image| {
        let reference = crane.reference(image);
        let crane = &crane;
        async move { crane.run(&["validate", "--remote", &reference]).await }
    });
    whole.buffer_unordered(4).try_collect::<Vec<_>>().await.unwrap();
}

/// Pushes one image after the other, each again until it is acknowledged; one more after the last fault.
async fn push_until(
    crane: &Crane,
    pusher: usize,
    count: &AtomicUsize,
    in_flight: &AtomicUsize,
    over: &AtomicBool,
) -> Acknowledged {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 0.. {
        let last = over.load(Ordering::SeqCst);
        let path = folder.path().join(round.to_string());
        // Aside, or the pushes that are under way would wait for it.
        let made = tokio::task::spawn_blocking(move || image(path, pusher, round));
        let (layout, digest) = made.await.unwrap();
        let name = format!("faults/pusher-{pusher}:{round}");
        in_flight.fetch_add(1, Ordering::SeqCst);
        let push = || async { crane.push(&layout, &name).await.map(Seen::Ready) };
        let answered = wait_until(&format!("{name} to be acknowledged"), BOUND, push).await.unwrap();
        in_flight.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(answered, digest);
        std::fs::remove_dir_all(&layout).unwrap();
        acknowledged.insert(name, digest);
        count.fetch_add(1, Ordering::SeqCst);
        if last {
            break;
        }
    }
    acknowledged
}

/// An image like no other, of a few megabytes that no compression makes smaller; two layers, one shared by a pusher's images.
fn image(folder: PathBuf, pusher: usize, round: usize) -> (PathBuf, String) {
    let layer = |name: &str, seed: u64| {
        vec![Entry::Bytes { path: name.to_owned(), mode: 0o644, content: noise(seed, 1 << 20) }].into()
    };
    let (pusher, round) = (pusher as u64, round as u64);
    let image = Image {
        architecture: host_architecture().to_owned(),
        layers: vec![layer("shared", pusher), layer("own", pusher << 32 | (round + 1))],
        format: LayerFormat::Gzip,
        entrypoint: vec!["/none".to_owned()],
        user: String::new(),
    };
    let mut layout = Layout::default();
    let digest = layout.add("localhost/faults:1", &[image]).unwrap();
    layout.write_folder(&folder).unwrap();
    (folder, digest)
}

/// The same bytes for the same seed (splitmix64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    (0..length / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// Every tag of every repository in the catalogue, and its digest.
async fn served(crane: &Crane) -> Acknowledged {
    let mut served = Acknowledged::new();
    let catalogue = crane.run(&["catalog", crane.reference("").trim_end_matches('/')]).await.unwrap();
    for repository in catalogue.lines() {
        let tags = crane.run(&["ls", &crane.reference(repository)]).await.unwrap();
        for tag in tags.lines() {
            let name = format!("{repository}:{tag}");
            let digest = crane.digest(&name).await.unwrap();
            served.insert(name, digest);
        }
    }
    served
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
