//! Brings the cluster up, step by step.

use std::{path::PathBuf, time::Duration, time::SystemTime};

use futures::{future::try_join, future::try_join_all};
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    ClusterError, cgroups, control_plane, dns, images,
    namespaces::{self, Inside},
    network, node,
    plan::Node,
    teardown, volumes,
};
use crate::{
    cache::Cache,
    prerequisites,
    progress::Progress,
    state::{self, ClusterDir},
    tools::{self, Tool},
    wait::{Seen, wait_until},
};

/// Makes sure that a healthy cluster runs, reusing one if there is one.
pub async fn up(dir: &ClusterDir, progress: &Progress) -> Result<(), ClusterError> {
    prerequisites::check()?;
    let cache = Cache::from_environment()?;
    let _lock = lock(progress).await?;
    if is_well(dir, progress).await {
        let client = super::client(&dir.kubeconfig()).await?;
        progress.step("replacing released volumes", volumes::replace_released(dir, &client)).await?;
        return Ok(());
    }
    if teardown::anything_left(dir) {
        progress.step("taking down what is left of an earlier cluster", teardown::down(dir)).await?;
    }
    tools::ensure(&cache, &Tool::CLUSTER, progress).await?;
    let images = vec![images::pause(&cache).await?, images::coredns(&cache)?];
    let started = Box::pin(start(dir, &cache, &images, progress)).await;
    started.map_err(|error| with_logs(error, dir))
}

/// A busy cluster may be slow to say so; only one whose programs have ended, or that is silent for a minute, is given up, for
/// other stories may be running on it.
async fn is_well(dir: &ClusterDir, progress: &Progress) -> bool {
    let healthy = healthy(dir, Duration::from_mins(1));
    progress.step("waiting for the running cluster to be well", healthy).await.is_ok()
}

/// Takes the cluster down.
pub async fn down(dir: &ClusterDir, progress: &Progress) -> Result<(), ClusterError> {
    prerequisites::root()?;
    let _lock = lock(progress).await?;
    progress.step("taking the cluster down", teardown::down(dir)).await?;
    Ok(())
}

/// Is the cluster that this machine has complete and well? If not, what is amiss.
pub async fn healthy(dir: &ClusterDir, bound: Duration) -> Result<(), ClusterError> {
    for node in Node::ALL {
        Inside::of(dir, node)?;
        let dead = super::dead_programs(dir, node);
        if !dead.is_empty() {
            let named = dead.iter().map(|program| format!("{program} of {}", node.name())).collect();
            return Err(ClusterError::HalfDead(named));
        }
    }
    let made_of = std::fs::read_to_string(dir.ready_marker());
    match made_of {
        Ok(versions) if versions == tools::versions(&Tool::CLUSTER) => {}
        Ok(_) => return Err(ClusterError::Outdated),
        Err(_) => return Err(namespaces::NamespaceError::Absent("n1").into()),
    }
    let client = super::client(&dir.kubeconfig()).await?;
    wait_nodes(&client, bound).await?;
    dns::wait_ready(&client, bound).await
}

async fn lock(progress: &Progress) -> Result<nix::fcntl::Flock<std::fs::File>, ClusterError> {
    let waiting = "waiting for another program that brings the cluster up or down";
    let locked = progress.step(waiting, tokio::task::spawn_blocking(state::lock)).await;
    Ok(locked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)
}

async fn start(
    dir: &ClusterDir,
    cache: &Cache,
    images: &[PathBuf],
    progress: &Progress,
) -> Result<(), ClusterError> {
    let inside = progress.step("making the nodes' namespaces", make_nodes(dir)).await?;
    control_plane::write_credentials(dir, SystemTime::now())?;
    let archives: Vec<_> = images.iter().map(PathBuf::as_path).collect();
    let runtimes =
        try_join_all(inside.map(|(node, inside)| node::start_runtime(dir, node, inside, &archives)));
    let control_plane = start_control_plane(dir, cache, inside[0].1);
    let (client, _) =
        progress.step("starting the apiserver and containerd", try_join(control_plane, runtimes)).await?;
    for (node, inside) in inside {
        node::start_kubelet(dir, node, inside)?;
    }
    progress.step("waiting for both nodes", wait_nodes(&client, Duration::from_secs(90))).await?;
    progress.step("waiting for the cluster's DNS", dns::wait_ready(&client, Duration::from_secs(90))).await?;
    state::write_private(&dir.ready_marker(), &tools::versions(&Tool::CLUSTER))?;
    Ok(())
}

async fn make_nodes(dir: &ClusterDir) -> Result<[(Node, Inside); 2], ClusterError> {
    for folder in [&dir.state, &dir.data] {
        state::create_private_folder(folder)?;
    }
    for folder in [dir.pki(""), dir.state.join("log")] {
        state::create_folder(&folder)?;
    }
    // `ip netns` makes it when it is absent; noted before, so that it goes again.
    dir.create_on_host(std::path::Path::new("/run/netns"))?;
    for node in Node::ALL {
        state::create_folder(&dir.node_state(node, ""))?;
        state::create_folder(&dir.node_data(node, "tmp"))?;
    }
    cgroups::create(dir)?;
    let (first, second) =
        try_join(namespaces::create(dir, Node::N1), namespaces::create(dir, Node::N2)).await?;
    network::connect().await?;
    Ok([(Node::N1, first), (Node::N2, second)])
}

async fn start_control_plane(
    dir: &ClusterDir,
    cache: &Cache,
    inside: Inside,
) -> Result<Client, ClusterError> {
    let client = control_plane::start(dir, inside).await?;
    control_plane::start_controllers(dir, inside)?;
    dns::apply(dir, &cache.bin().join("kubectl")).await?;
    volumes::create_class(&client).await?;
    volumes::replace_released(dir, &client).await?;
    Ok(client)
}

async fn wait_nodes(client: &Client, bound: Duration) -> Result<(), ClusterError> {
    let nodes: Api<NodeObject> = Api::all(client.clone());
    wait_until("both nodes to be Ready", bound, || async {
        let ready: Vec<_> =
            nodes.list(&ListParams::default()).await?.iter().map(|n| (n.name_any(), readiness(n))).collect();
        let both = ready.len() == Node::ALL.len() && ready.iter().all(|(_, state)| state == "Ready");
        Ok::<_, kube::Error>(Seen::when(both, (), ready))
    })
    .await?;
    Ok(())
}

/// `Ready`, or the reason why not.
pub fn readiness(node: &NodeObject) -> String {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    match conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready") {
        Some(ready) if ready.status == "True" => "Ready".to_owned(),
        Some(ready) => {
            ready.message.clone().or(ready.reason.clone()).unwrap_or_else(|| "not ready".to_owned())
        }
        None => "not reported yet".to_owned(),
    }
}

fn with_logs(error: ClusterError, dir: &ClusterDir) -> ClusterError {
    match error {
        ClusterError::TimedOut { source, .. } => {
            let logs = format!("; the programs' logs are in {}", dir.state.join("log").display());
            ClusterError::TimedOut { source, logs }
        }
        other => other,
    }
}
