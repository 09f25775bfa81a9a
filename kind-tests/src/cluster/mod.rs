//! The cluster that is built here: two nodes in namespaces of their own, the control plane in the first one's.

pub mod cgroups;
pub mod control_plane;
pub mod dns;
pub mod images;
pub mod namespaces;
pub mod network;
pub mod node;
pub mod plan;
pub mod start;
pub mod teardown;
pub mod volumes;

use std::path::{Path, PathBuf};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use namespaces::Inside;
use plan::Node;

use crate::{
    cache::{Cache, CacheError},
    pki::PkiError,
    prerequisites::PrerequisiteError,
    process::{self, CommandError},
    state::{self, ClusterDir, StateError},
    tools::ToolError,
    wait::TimedOut,
};

/// Where Debian keeps what the nodes' programs call: runc, nft, iptables, mount.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The cluster could not be brought up, reached or taken down.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The machine lacks something.
    #[error(transparent)]
    Prerequisite(#[from] PrerequisiteError),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A tool cannot be built.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// An image cannot be made.
    #[error(transparent)]
    Image(#[from] images::ImageError),
    /// A file of the state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A node's namespaces are not to be had.
    #[error(transparent)]
    Namespace(#[from] namespaces::NamespaceError),
    /// A control group cannot be made.
    #[error(transparent)]
    Cgroup(#[from] cgroups::CgroupError),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A volume cannot be made or replaced.
    #[error(transparent)]
    Volume(#[from] volumes::VolumeError),
    /// A kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An image's archive cannot be read.
    #[error("cannot load the image archive {path}: {source}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Programs of the cluster have ended.
    #[error("the cluster is half dead: {} ended; bring it up again", .0.join(", "))]
    HalfDead(Vec<String>),
    /// It runs, but what it is made of is not what would be built today.
    #[error("the cluster was built from other versions than the present ones; bring it up again")]
    Outdated,
    /// Something did not come about in time.
    #[error("{source}{logs}")]
    TimedOut {
        /// What, and what was last seen.
        source: TimedOut,
        /// Where to look, if the cluster is ours.
        logs: String,
    },
    /// The apiserver refused or did not answer.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried.
        action: String,
        /// What the client said.
        source: Box<kube::Error>,
    },
    /// The cluster at hand does not offer what is asked.
    #[error("the `{provider}` cluster cannot {capability}; use the built one (unset ENTREPOT_KUBECONFIG)")]
    Incapable {
        /// The provider's name.
        provider: &'static str,
        /// What it cannot do.
        capability: &'static str,
    },
    /// The old cluster cannot be removed.
    #[error(transparent)]
    Teardown(#[from] teardown::TeardownError),
}

impl From<TimedOut> for ClusterError {
    fn from(source: TimedOut) -> Self {
        Self::TimedOut { source, logs: String::new() }
    }
}

/// A client for the user of a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<Client, ClusterError> {
    let failed = |reason: String| ClusterError::Kubeconfig { path: kubeconfig.into(), reason };
    let read = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(error.to_string()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| failed(error.to_string()))?;
    // A proxy meant for the outside must not see the cluster.
    config.proxy_url = None;
    Client::try_from(config).map_err(|error| failed(error.to_string()))
}

/// Starts one of the built tools on a node, to stay; its output goes to the log `<node>-<program>`.
fn daemon(
    dir: &ClusterDir,
    node: Node,
    inside: Inside,
    program: &str,
    arguments: &[String],
) -> Result<(), ClusterError> {
    let bin = Cache::from_environment()?.bin();
    let mut command = inside.command(bin.join(program));
    command.args(arguments);
    command.env("PATH", format!("{}:{SYSTEM_PATH}", bin.display()));
    // The folder for temporary files is the host's own otherwise, and what is killed does not clean up.
    command.env("TMPDIR", dir.node_data(node, "tmp"));
    let id = process::start(&command, &dir.log(&format!("{}-{program}", node.name())))?;
    state::write_private(&dir.node_state(node, &format!("{program}.pid")), &format!("{id}\n"))?;
    Ok(())
}

/// The programs of a node that do not run. A dead kubelet's node stays Ready for most of a minute: its state says too little.
fn dead_programs(dir: &ClusterDir, node: Node) -> Vec<&'static str> {
    let network = namespaces::inode(&namespaces::network_namespace(node));
    let runs = |program: &str| {
        let file = dir.node_state(node, &format!("{program}.pid"));
        let id = std::fs::read_to_string(file).unwrap_or_default();
        // Process ids are used again, but hardly ever in the same namespace.
        let its_network = namespaces::inode(Path::new(&format!("/proc/{}/ns/net", id.trim())));
        its_network.is_some() && its_network == network
    };
    node.programs().iter().copied().filter(|program| !runs(program)).collect()
}

/// Calls `ctr` on a node, in the kubelet's namespace of containerd.
async fn ctr(inside: Inside, arguments: &[&str]) -> Result<String, ClusterError> {
    let program = Cache::from_environment()?.bin().join("ctr").display().to_string();
    let all: Vec<&str> = ["-n", "k8s.io"].iter().chain(arguments).copied().collect();
    Ok(node::run(inside, &program, &all).await?)
}
