//! `kubectl`, for what people do with it: apply a file, forward a port, run a command in a Pod.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cache::Cache,
    cluster::SYSTEM_PATH,
    process::{self, CommandError},
};

/// `kubectl` as the administrator of one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// The one that the cache holds, else the one in `PATH`.
    pub fn new(kubeconfig: &Path) -> Self {
        let built = Cache::from_environment().map(|cache| cache.bin().join("kubectl"));
        let program = built.ok().filter(|path| path.exists()).unwrap_or_else(|| "kubectl".into());
        Self { program, kubeconfig: kubeconfig.into() }
    }

    /// A command not yet run, for one that stays: a port-forward.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // A proxy meant for the outside must not see the cluster.
        command.env_clear().env("PATH", SYSTEM_PATH);
        // It caches what the apiserver offers, and a cluster that was replaced a moment ago offers something else.
        command.env("HOME", "/nonexistent").env("KUBECONFIG", &self.kubeconfig);
        command.args(arguments);
        command
    }

    /// Runs to the end and answers standard output.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, CommandError> {
        process::run(&mut self.command(arguments).into()).await
    }

    /// Applies the objects of a file as a person does, by client-side apply.
    pub async fn apply(&self, file: &Path) -> Result<String, CommandError> {
        self.run(&["apply", "--filename", &file.display().to_string()]).await
    }

    /// Applies the objects of a file by server-side apply, which has no limit on their size.
    pub async fn apply_server_side(&self, file: &Path) -> Result<String, CommandError> {
        self.run(&["apply", "--server-side", "--force-conflicts", "--filename", &file.display().to_string()])
            .await
    }

    /// Applies objects that are written in YAML or JSON, by client-side apply.
    pub async fn apply_text(&self, text: &str) -> Result<String, CommandError> {
        let scratch = tempfile::tempdir();
        let written = scratch.and_then(|folder| {
            let file = folder.path().join("objects.yaml");
            fs::write(&file, text).map(|()| (folder, file))
        });
        let command = || "kubectl apply".to_owned();
        let (_folder, file) = written.map_err(|source| CommandError::Start { command: command(), source })?;
        self.apply(&file).await
    }
}
