//! The node agent: makes this node's containerd pull from every Registry, and says whether it does.
//!
//! The runtime pulls from the host's network. It knows neither the cluster's DNS nor a Registry's
//! certificate; a folder `certs.d/<host>/` tells it both, and it reads that at every pull.
//!
//! A round is: read what is asked and what is there, plan, ask the Registries that the plan needs an
//! answer of, plan again, act, report. There is no state beside the node's files, and nothing happens at
//! exit: a node must go on pulling while its agent is replaced.

pub mod act;
pub mod claim;
mod clean;
pub mod clean_nodes;
pub mod containerd_config;
pub mod containerd_files;
pub mod folder;
pub mod live;
pub mod plan;
pub mod probe;
pub mod report;
mod round;

use std::sync::Arc;
use std::time::Duration;

use entrepot_crds::Registry;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Node;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::args::NodeAgentArgs;
use crate::manager::StopSignal;
use report::Reporter;
use round::Round;

/// A file that somebody removed from the node is back after this long.
const RESYNC: Duration = Duration::from_mins(1);
/// Every so many rounds without a change the API server is asked whether Node and report are as they were.
const ROUNDS_PER_REFRESH: u32 = 10;
/// While something failed, rounds follow each other faster: first this, then twice as long each time.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// Why the agent cannot work at all; whatever else goes wrong is logged, reported and tried again.
#[derive(Debug, thiserror::Error)]
pub enum NodeAgentError {
    /// No API server could be found from the environment.
    #[error("no way to the API server: run in a Pod with a ServiceAccount, or set KUBECONFIG")]
    Client(#[source] kube::Error),
    /// Signals cannot be received.
    #[error("SIGTERM cannot be listened for")]
    Signal(#[source] std::io::Error),
    /// Files could not be removed by `--cleanup`; the kubelet starts the agent again.
    #[error("not everything on this node could be removed: {0}")]
    Cleanup(String),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: NodeAgentArgs) -> Result<(), NodeAgentError> {
    let mut stop = StopSignal::new().map_err(NodeAgentError::Signal)?;
    let client = Client::try_default().await.map_err(NodeAgentError::Client)?;
    tokio::select! {
        result = run_with(args, client) => result,
        () = stop.received() => Ok(()),
    }
}

/// Runs until it is dropped, as whoever `client` is.
pub async fn run_with(args: NodeAgentArgs, client: Client) -> Result<(), NodeAgentError> {
    let mut reporter = Reporter::new(client.clone(), &args.namespace);
    if args.cleanup {
        clean::clean(&args.containerd_dir).map_err(NodeAgentError::Cleanup)?;
        info!("nothing of the node agent is left on this node");
        let node = node(&client, &args.node_name).await;
        round::report_nothing(&mut reporter, &node).await;
        return std::future::pending().await;
    }
    let changed = Arc::new(Notify::new());
    let registries = watch(client.clone(), Arc::clone(&changed)).await;
    let mut round = Round::new(&args, reporter, node(&client, &args.node_name).await);
    let (mut retry, mut rounds) = (RETRY_FIRST, 0);
    loop {
        let settled = round.run(&registries.state()).await;
        let pause = if settled { RESYNC } else { retry };
        retry = if settled { RETRY_FIRST } else { (retry * 2).min(RETRY_LAST) };
        tokio::select! {
            () = changed.notified() => {}
            () = sleep(pause) => rounds += 1,
        }
        if rounds >= ROUNDS_PER_REFRESH {
            rounds = 0;
            round.refresh(node(&client, &args.node_name).await);
        }
    }
}

/// Every Registry of the cluster, from when the first complete list is there: a folder is removed when
/// its Registry is not in the list, so that an incomplete one would take nodes their access.
async fn watch(client: Client, changed: Arc<Notify>) -> Store<DeserializeGuard<Registry>> {
    let (store, writer) = reflector::store();
    let registries: Api<DeserializeGuard<Registry>> = Api::all(client);
    let events = watcher(registries, watcher::Config::default())
        .modify(|registry| registry.managed_fields_mut().clear())
        .default_backoff()
        .reflect(writer);
    tokio::spawn(events.for_each(move |event| {
        match event {
            // A list under way is not in the store yet.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
            Ok(_) => changed.notify_one(),
            Err(error) => warn!(%error, "Registries cannot be watched; the node stays as it is"),
        }
        std::future::ready(())
    }));
    // The only failure is that the stream ended, and a watcher's never does.
    if store.wait_until_ready().await.is_err() {
        std::future::pending::<()>().await;
    }
    store
}

/// This agent's Node, however long the API server takes.
async fn node(client: &Client, name: &str) -> Node {
    let nodes: Api<Node> = Api::all(client.clone());
    let mut pause = RETRY_FIRST;
    loop {
        match nodes.get(name).await {
            Ok(node) => return node,
            Err(error) => warn!(node = name, %error, "the Node cannot be read"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
}
