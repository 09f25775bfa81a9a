use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{client::Client, process::Process, program::package, sandbox::Sandbox};

/// One engine at a time: each takes 100 MB of memory.
static ONE: Mutex<()> = Mutex::new(());

/// Debian's docker engine inside the sandbox, with the sandbox's /var/lib, /run and certs.d.
pub(crate) struct Dockerd<'a> {
    // Before the lock, so that the engine has ended when the next one starts.
    _process: Process<'a>,
    _one: MutexGuard<'static, ()>,
}

impl<'a> Dockerd<'a> {
    /// Starts it and waits until it answers.
    pub(crate) fn start(sandbox: &'a Sandbox) -> Self {
        // A test that failed with an engine has poisoned nothing: its engine is gone.
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let path = package("/usr/sbin/dockerd", "docker.io");
        let mut process = Process::start(sandbox, "dockerd", path.to_str().unwrap(), |command| {
            command.args(["--bridge=none", "--iptables=false"]);
        });
        process.wait_until(|| Client::Docker.run(sandbox, &["version"]).status.success());
        Self { _process: process, _one: one }
    }
}
