//! A cluster that somebody else brought up.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;

use super::{Capability, Provider};
use crate::{
    cluster::{self, ClusterError, control_plane},
    progress::Progress,
};

/// The cluster of a kubeconfig.
#[derive(Debug, Clone)]
pub struct Existing {
    kubeconfig: PathBuf,
}

impl Existing {
    /// The cluster of the current context of this kubeconfig.
    pub fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig }
    }
}

#[async_trait]
impl Provider for Existing {
    fn name(&self) -> &'static str {
        "existing"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[]
    }

    async fn up(&self, progress: &Progress) -> Result<PathBuf, ClusterError> {
        progress.step("waiting for the existing cluster", self.check()).await
    }

    async fn check(&self) -> Result<PathBuf, ClusterError> {
        let client = cluster::client(&self.kubeconfig).await?;
        control_plane::wait_ready(&client, Duration::from_secs(15)).await?;
        Ok(self.kubeconfig.clone())
    }
}
