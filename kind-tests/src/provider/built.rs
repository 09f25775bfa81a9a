//! The cluster that is built on this machine from pinned sources.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use async_trait::async_trait;

use super::{Capability, Provider};
use crate::{
    cache::Cache,
    cluster::{self, ClusterError, SYSTEM_PATH, namespaces::Inside, node, plan::Node, start, volumes},
    prerequisites,
    progress::Progress,
    state::ClusterDir,
};

/// The built cluster.
#[derive(Debug, Clone)]
pub struct Built {
    dir: ClusterDir,
}

impl Built {
    /// The one in the folders that the environment names.
    pub fn from_environment() -> Self {
        Self { dir: ClusterDir::from_environment() }
    }

    /// Takes it down and leaves nothing behind but the cache.
    pub async fn down(&self, progress: &Progress) -> Result<(), ClusterError> {
        start::down(&self.dir, progress).await
    }
}

#[async_trait]
impl Provider for Built {
    fn name(&self) -> &'static str {
        "built"
    }

    fn capabilities(&self) -> &'static [Capability] {
        &Capability::ALL
    }

    async fn up(&self, progress: &Progress) -> Result<PathBuf, ClusterError> {
        start::up(&self.dir, progress).await?;
        Ok(self.dir.kubeconfig())
    }

    async fn check(&self) -> Result<PathBuf, ClusterError> {
        prerequisites::root()?;
        start::healthy(&self.dir, Duration::from_secs(5)).await?;
        Ok(self.dir.kubeconfig())
    }

    /// Its environment holds the built tools' folder in `PATH` and the administrator's kubeconfig in `KUBECONFIG`, no more.
    fn command_on(&self, node: Node, program: &str) -> Result<Command, ClusterError> {
        prerequisites::root()?;
        let bin = Cache::from_environment()?.bin();
        let mut command = Inside::of(&self.dir, node)?.command(program);
        command.env_clear().env("PATH", format!("{}:{SYSTEM_PATH}", bin.display()));
        command.env("KUBECONFIG", self.dir.kubeconfig());
        for name in ["HOME", "TERM"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Ok(command)
    }

    async fn load_image(&self, archive: &Path) -> Result<(), ClusterError> {
        for node in Node::ALL {
            node::import(Inside::of(&self.dir, node)?, archive).await?;
        }
        Ok(())
    }

    async fn recycle_volumes(&self) -> Result<usize, ClusterError> {
        let client = cluster::client(&self.dir.kubeconfig()).await?;
        Ok(volumes::replace_released(&self.dir, &client).await?)
    }

    fn audit_log(&self) -> Result<PathBuf, ClusterError> {
        Ok(self.dir.audit_log())
    }
}
