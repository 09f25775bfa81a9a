//! Where a cluster comes from, and what can be done with it beyond talking to its apiserver.

mod built;
mod existing;

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    process::Command,
};

use async_trait::async_trait;
pub use built::Built;
pub use existing::Existing;

use crate::{
    cluster::{ClusterError, plan::Node},
    progress::Progress,
};

/// What a story may need of a cluster. The built one has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Exactly the nodes `n1` and `n2`.
    TwoNodes,
    /// Running a command in a node's namespaces.
    RunOnNode,
    /// Giving the nodes an image without a registry.
    LoadImages,
    /// Volumes of the storage class `local` that are replaced once released.
    LocalVolumes,
    /// Reading the apiserver's audit log.
    AuditLog,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TwoNodes, Self::RunOnNode, Self::LoadImages, Self::LocalVolumes, Self::AuditLog];

    /// Completes "this cluster cannot …".
    pub fn describe(self) -> &'static str {
        match self {
            Self::TwoNodes => "promise two nodes called n1 and n2",
            Self::RunOnNode => "run a command on a node",
            Self::LoadImages => "load an image without a registry",
            Self::LocalVolumes => "replace local volumes",
            Self::AuditLog => "show the apiserver's audit log",
        }
    }
}

/// A source of a cluster.
#[async_trait]
pub trait Provider: Debug + Send + Sync {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// What its clusters can do.
    fn capabilities(&self) -> &'static [Capability];

    /// Makes sure that the cluster is there and well; answers the administrator's kubeconfig.
    async fn up(&self, progress: &Progress) -> Result<PathBuf, ClusterError>;

    /// Says what is amiss with the cluster, if anything is.
    async fn check(&self) -> Result<PathBuf, ClusterError>;

    /// A command that will run in a node's namespaces.
    fn command_on(&self, _node: Node, _program: &str) -> Result<Command, ClusterError> {
        Err(self.incapable(Capability::RunOnNode))
    }

    /// Gives every node the images of an OCI or docker archive.
    async fn load_image(&self, _archive: &Path) -> Result<(), ClusterError> {
        Err(self.incapable(Capability::LoadImages))
    }

    /// Replaces the volumes whose claims are gone; answers how many.
    async fn recycle_volumes(&self) -> Result<usize, ClusterError> {
        Err(self.incapable(Capability::LocalVolumes))
    }

    /// The apiserver's audit log: one JSON event of level Metadata a line, writes only.
    fn audit_log(&self) -> Result<PathBuf, ClusterError> {
        Err(self.incapable(Capability::AuditLog))
    }

    /// The error for what it cannot do.
    fn incapable(&self, capability: Capability) -> ClusterError {
        ClusterError::Incapable { provider: self.name(), capability: capability.describe() }
    }
}

/// The existing cluster that `ENTREPOT_KUBECONFIG` names, else the built one.
///
/// `KUBECONFIG` is never looked at: it may well point at production.
pub fn chosen() -> Box<dyn Provider> {
    match std::env::var_os("ENTREPOT_KUBECONFIG").filter(|path| !path.is_empty()) {
        Some(path) => Box::new(Existing::new(path.into())),
        None => Box::new(Built::from_environment()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_cluster_can_do_everything() {
        assert_eq!(Built::from_environment().capabilities(), Capability::ALL);
    }

    #[test]
    fn an_existing_cluster_says_what_it_cannot_do() {
        let existing = Existing::new("/nowhere".into());
        let error = existing.command_on(Node::N1, "true").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the `existing` cluster cannot run a command on a node; use the built one (unset ENTREPOT_KUBECONFIG)"
        );
    }
}
