//! What a story holds of the cluster that it is told on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kube::Client;

use crate::{
    cluster::{self, ClusterError, plan::Node},
    namespace::Namespace,
    process,
    progress::Progress,
    provider::{self, Capability, Provider},
};

/// A running cluster.
#[derive(Clone)]
pub struct Cluster {
    provider: Arc<dyn Provider>,
    kubeconfig: PathBuf,
    client: Client,
}

impl Cluster {
    /// Finds the running cluster, or brings it up. Processes that do so at the same moment share one.
    pub async fn connect() -> Result<Self, ClusterError> {
        let provider: Arc<dyn Provider> = provider::chosen().into();
        let kubeconfig = provider.up(&Progress::on_stderr()).await?;
        let client = cluster::client(&kubeconfig).await?;
        Ok(Self { provider, kubeconfig, client })
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Can this cluster do it? A story that needs it says so and is left out where it cannot.
    pub fn can(&self, capability: Capability) -> bool {
        self.provider.capabilities().contains(&capability)
    }

    /// An error that names what this cluster cannot do, if it cannot.
    pub fn require(&self, capability: Capability) -> Result<(), ClusterError> {
        if self.can(capability) { Ok(()) } else { Err(self.provider.incapable(capability)) }
    }

    /// Makes a namespace of its own for a story: `<prefix>-<8 hexadecimal digits>`.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace, ClusterError> {
        Namespace::create(self.client(), &self.kubeconfig, prefix).await
    }

    /// Runs a command in a node's namespaces to its end and answers its standard output; anything but exit code 0 is an
    /// error that holds the last lines of its standard error.
    pub async fn exec_on(
        &self,
        node: Node,
        program: &str,
        arguments: &[&str],
    ) -> Result<String, ClusterError> {
        let mut command = self.provider.command_on(node, program)?;
        command.args(arguments);
        Ok(process::run(&mut command.into()).await?)
    }

    /// The same command not yet run, for a story that feeds it or keeps it running.
    pub fn command_on(&self, node: Node, program: &str) -> Result<std::process::Command, ClusterError> {
        self.provider.command_on(node, program)
    }

    /// Gives every node's containerd the images of an OCI or docker archive.
    pub async fn load_image(&self, archive: &Path) -> Result<(), ClusterError> {
        self.provider.load_image(archive).await
    }

    /// Replaces, emptied, the volumes whose claims are gone; answers how many. [`Cluster::connect`] does so as well.
    pub async fn recycle_volumes(&self) -> Result<usize, ClusterError> {
        self.provider.recycle_volumes().await
    }

    /// The apiserver's audit log: one JSON event of level Metadata a line, writes only.
    pub fn audit_log(&self) -> Result<PathBuf, ClusterError> {
        self.provider.audit_log()
    }
}
