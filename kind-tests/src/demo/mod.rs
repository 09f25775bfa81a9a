//! The demo: from nothing to a Pod on each node that runs an image out of a Registry.

pub mod images;
pub mod pods;
pub mod summary;

use std::{
    io,
    time::{Duration, Instant},
};

use entrepot_crds::names::Names;
use images::Made;
use pods::Running;
use summary::Summary;

use crate::{
    Capability, Cluster, Node,
    access::{self, Access, AccessError},
    cache::{Cache, CacheError},
    cluster::ClusterError,
    crane::{Crane, CraneError},
    installation::{self, InstallError, source_file},
    kubectl::Kubectl,
    oci_layout::LayoutError,
    process::CommandError,
    progress::Progress,
    tools::{self, Tool, ToolError},
};

/// The Registry of the sample: its name and namespace.
const SAMPLE: (&str, &str) = ("main", "registries");
const BOUND: Duration = Duration::from_mins(3);

/// The demo got stuck.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A tool cannot be built.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The operator.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The sample.
    #[error(transparent)]
    Apply(#[from] CommandError),
    /// The way into the Registry.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// An image cannot be made.
    #[error(transparent)]
    Image(#[from] LayoutError),
    /// The images' program, or a folder for them, is not to be had.
    #[error("cannot make the images: {0}")]
    Program(#[from] io::Error),
    /// The push.
    #[error(transparent)]
    Push(#[from] CraneError),
    /// The registry has something else than what was pushed.
    #[error("{name} was pushed as {pushed}, but the registry has {found}")]
    OtherDigest {
        /// `repository:tag`.
        name: &'static str,
        /// What was pushed.
        pushed: String,
        /// What the registry answers.
        found: String,
    },
    /// A node runs something else than what was pushed.
    #[error("the Pod {pod} runs {found:?} and not {name} as it was pushed, {pushed}")]
    OtherImage {
        /// The Pod.
        pod: String,
        /// `repository:tag`.
        name: &'static str,
        /// What was pushed.
        pushed: String,
        /// What the kubelet reports.
        found: Vec<String>,
    },
}

/// Does it all, reusing what runs already, and answers what to tell about it.
pub async fn run(progress: &Progress) -> Result<Summary, DemoError> {
    images::check_program()?;
    let mut clock = Clock::default();
    let cluster = Cluster::connect().await?;
    // It reaches into the nodes; on a cluster of one's own the README's quick start does the same by hand.
    for needed in [Capability::TwoNodes, Capability::RunOnNode, Capability::LoadImages] {
        cluster.require(needed)?;
    }
    let cache = Cache::from_environment()?;
    let bin = tools::ensure(&cache, &[Tool::Crane], progress).await?;
    clock.lap("cluster");
    let names = Names::new(SAMPLE.0, SAMPLE.1);
    if installation::install(&cluster, progress).await? {
        installation::restart(&cluster, &names, progress).await?;
    }
    clock.lap("operator");
    let file = source_file("deploy/samples/registry.yaml");
    let kubectl = Kubectl::new(cluster.kubeconfig());
    progress.step("applying deploy/samples/registry.yaml", kubectl.apply(&file)).await?;
    let access = usable(&cluster, &names, progress).await?;
    clock.lap("registry");
    let folder = tempfile::tempdir()?;
    let made = images::make(&folder)?;
    push(&cluster, &access, &made, progress).await?;
    clock.lap("push");
    let pods = pods(&cluster, &names, &access, &made, progress).await?;
    clock.lap("Pods");
    Ok(Summary {
        times: clock.laps,
        kubeconfig: cluster.kubeconfig().to_owned(),
        bin,
        namespace: SAMPLE.1.to_owned(),
        registry: SAMPLE.0.to_owned(),
        url: format!("https://{}", access.host),
        pushed: made
            .into_iter()
            .map(|m| (format!("{}/{}", access.host, m.name), m.digest, m.contents))
            .collect(),
        pods,
    })
}

/// Waits until clients and both nodes can use a Registry, and answers how.
pub async fn usable(cluster: &Cluster, names: &Names, progress: &Progress) -> Result<Access, DemoError> {
    let client = cluster.client();
    let registry = access::wait_ready(&client, names, BOUND, progress).await?;
    let nodes = i32::try_from(Node::ALL.len()).unwrap_or(i32::MAX);
    access::wait_nodes(&client, names, nodes, BOUND, progress).await?;
    Ok(Access::read(&client, &registry).await?)
}

/// Pushes over TLS that is verified by the Registry's CA, as its admin.
pub async fn push(
    cluster: &Cluster,
    access: &Access,
    made: &[Made],
    progress: &Progress,
) -> Result<(), DemoError> {
    let crane = Crane::new(cluster, Node::N1, access, &access.admin)?;
    for image in made {
        let what = format!("pushing {}/{}", access.host, image.name);
        progress.step(&what, crane.push(&image.layout, image.name)).await?;
        let found = crane.digest(image.name).await?;
        if found != image.digest {
            return Err(DemoError::OtherDigest { name: image.name, pushed: image.digest.clone(), found });
        }
    }
    Ok(())
}

/// Runs a Pod on each node, and makes sure that they run what was pushed.
pub async fn pods(
    cluster: &Cluster,
    names: &Names,
    access: &Access,
    made: &[Made],
    progress: &Progress,
) -> Result<Vec<Running>, DemoError> {
    let (client, secret) = (cluster.client(), names.pull_secret());
    // Both at once; they are waited for one after the other, and take no longer for it.
    pods::start(&client, names.namespace(), (&access.host, &secret), progress).await?;
    let mut running = Vec::new();
    for node in Node::ALL {
        let pod = pods::finish(&client, names.namespace(), node, &access.host, progress).await?;
        verify(&pod, made)?;
        running.push(pod);
    }
    Ok(running)
}

/// By digest alone: a node that knows an image by several names reports any one of them. That it was pulled by this name
/// the kubelet's events say.
fn verify(pod: &Running, made: &[Made]) -> Result<(), DemoError> {
    for image in made {
        let expected = format!("@{}", image.digest);
        if !pod.image_ids.values().any(|id| id.ends_with(&expected)) {
            return Err(DemoError::OtherImage {
                pod: pod.name.clone(),
                name: image.name,
                pushed: image.digest.clone(),
                found: pod.image_ids.values().cloned().collect(),
            });
        }
    }
    Ok(())
}

/// How long each part takes.
struct Clock {
    since: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { since: Instant::now(), laps: Vec::new() }
    }
}

impl Clock {
    fn lap(&mut self, what: &'static str) {
        self.laps.push((what, self.since.elapsed()));
        self.since = Instant::now();
    }
}
