//! `crane`, a client that pushes OCI layouts, run on a node: what it sends to the cluster never leaves the machine.

use std::{fs, io, path::Path};

use tempfile::TempDir;

use crate::{
    Cluster, Node,
    access::{Access, Credential},
    cluster::ClusterError,
    process::{self, CommandError},
};

/// `crane` with one Registry's CA and one of its users.
pub struct Crane {
    cluster: Cluster,
    node: Node,
    address: String,
    /// Holds `config.json` and `ca.crt`; only root reads a temporary folder.
    folder: TempDir,
}

/// `crane` could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum CraneError {
    /// Its configuration cannot be written.
    #[error("cannot write crane's configuration: {0}")]
    Configure(#[from] io::Error),
    /// The node is not to be had.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It ran and failed; its own message is in here.
    #[error(transparent)]
    Failed(#[from] CommandError),
}

impl Crane {
    /// Runs on `node` as the user of `credential`. [`crate::tools::Tool::Crane`] must have been built.
    pub fn new(cluster: &Cluster, node: Node, access: &Access, credential: &Credential) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("entrepot-crane-").tempdir()?;
        fs::write(folder.path().join("config.json"), &credential.docker_config)?;
        fs::write(folder.path().join("ca.crt"), &access.ca)?;
        Ok(Self { cluster: cluster.clone(), node, address: access.address.clone(), folder })
    }

    /// `<the Service's address>/<repository>`: nodes resolve no cluster names, the address is in the certificate too.
    pub fn reference(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Runs it to the end and answers standard output.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, CraneError> {
        let mut command = self.cluster.command_on(self.node, "crane")?;
        command.args(arguments);
        command
            .env("DOCKER_CONFIG", self.folder.path())
            .env("SSL_CERT_FILE", self.folder.path().join("ca.crt"));
        Ok(process::run(&mut command.into()).await?)
    }

    /// Pushes a layout with one image or index as `<repository>:<tag>`, and answers the digest that it pushed.
    pub async fn push(&self, layout: &Path, repository: &str) -> Result<String, CraneError> {
        let reference = self.reference(repository);
        // It ends with `<repository>@<digest>`, once the registry has acknowledged everything.
        let pushed = self.run(&["push", &layout.display().to_string(), &reference]).await?;
        Ok(pushed.trim().rsplit('@').next().unwrap_or_default().to_owned())
    }

    /// The digest behind `<repository>:<tag>`, as the registry answers it.
    pub async fn digest(&self, repository: &str) -> Result<String, CraneError> {
        Ok(self.run(&["digest", &self.reference(repository)]).await?.trim().to_owned())
    }
}
