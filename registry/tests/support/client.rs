use std::path::{Path, PathBuf};

use super::{
    REGISTRY, User,
    outcome::Outcome,
    program::{package, tool},
    sandbox::Sandbox,
};

/// A program that people push and pull with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// Debian's; wants a [`super::dockerd::Dockerd`].
    Docker,
    Podman,
    Skopeo,
    /// Of `$ENTREPOT_TOOLS`.
    Crane,
}

impl Client {
    fn program(self) -> PathBuf {
        match self {
            Self::Docker => package("/usr/bin/docker", "docker.io"),
            Self::Podman => package("/usr/bin/podman", "podman"),
            Self::Skopeo => package("/usr/bin/skopeo", "skopeo"),
            Self::Crane => tool("crane"),
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(self, sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
        self.run_with(sandbox, arguments, &[])
    }

    /// Logs in as `user`, and stays so until the next login.
    pub(crate) fn login(self, sandbox: &Sandbox, user: User) -> Outcome {
        let words: &[&str] = if matches!(self, Self::Crane) { &["auth", "login"] } else { &["login"] };
        let options = ["--username", user.name, "--password-stdin", REGISTRY];
        self.run_with(sandbox, &[words, &options].concat(), user.password.as_bytes())
    }

    fn run_with(self, sandbox: &Sandbox, arguments: &[&str], input: &[u8]) -> Outcome {
        let authority = sandbox.path("ca.crt");
        // The others find the authority in certs.d, as on a user's machine.
        let environment: &[(&str, &Path)] = match self {
            Self::Crane => &[("SSL_CERT_FILE", &authority)],
            // overlay on overlay is refused in many places; vfs works in all.
            Self::Podman => &[("STORAGE_DRIVER", Path::new("vfs"))],
            Self::Docker | Self::Skopeo => &[],
        };
        sandbox.run_with(self.program(), arguments, environment, input)
    }
}
