use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{ADDRESS, HOST, REGISTRY, authority, outcome::Outcome};

/// No command of a test takes longer.
const BOUND_SECONDS: &str = "120";

/// Makes the namespaces look like a machine of its own, then keeps them.
const SETUP: &str = "
ip link set lo up
ip address add $ADDRESS/32 dev lo
mount --bind $BOX/hosts /etc/hosts
mount --bind $BOX/etc-docker /etc/docker
mount --bind $BOX/var-lib /var/lib
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
echo ready
while :; do sleep 3600; done
";

/// A small machine for one test: network, mount and process namespaces, and a folder.
///
/// Ports, credentials and image stores of two tests never meet, nothing on the host changes, and nothing sent can
/// leave the machine: there is only loopback. The kernel ends all that runs in it when its first process ends, which
/// dies with the test's thread.
pub(crate) struct Sandbox {
    folder: TempDir,
    init: Child,
}

impl Sandbox {
    /// A new one, with the registry's certificate made and trusted: by docker, podman and skopeo through certs.d.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("entrepot-clients-").tempdir().unwrap();
        let path = folder.path();
        for name in ["etc-docker", "var-lib", "home", "tmp"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        fs::write(path.join("hosts"), format!("127.0.0.1 localhost\n{ADDRESS} {HOST}\n")).unwrap();
        authority::issue(path);
        let trusted = path.join("etc-docker/certs.d").join(REGISTRY);
        fs::create_dir_all(&trusted).unwrap();
        fs::copy(path.join("ca.crt"), trusted.join("ca.crt")).unwrap();
        let init = start_init(path);
        Self { folder, init }
    }

    /// A path in the sandbox's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command inside, with nothing of the caller's environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let namespaces = format!("/proc/{}/ns", self.init.id());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount={namespaces}/mnt"))
            .arg(format!("--net={namespaces}/net"))
            .arg(format!("--pid={namespaces}/pid_for_children"))
            // Resolved inside: outside it would be a folder of another mount tree, which has no path there.
            .arg(format!("--wdns={}", self.folder.path().display()))
            .arg("--")
            .arg(program.as_ref())
            .env_clear()
            // Without /usr/local: a newer docker there would not be Debian's.
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Outcome {
        self.run_with(program, arguments, &[], &[])
    }

    /// Runs a program to its end with more environment and something to read.
    pub(crate) fn run_with(
        &self,
        program: impl AsRef<Path>,
        arguments: &[&str],
        environment: &[(&str, &Path)],
        input: &[u8],
    ) -> Outcome {
        let mut child = self
            .command("timeout")
            .args(["--kill-after=5", BOUND_SECONDS])
            .arg(program.as_ref())
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Written before anything is read: all inputs are smaller than a pipe. A program may end without reading.
        assert!(input.len() <= 65536, "this input could fill the pipe while the program fills another");
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Outcome {
            command: format!("{} {}", program.as_ref().display(), arguments.join(" ")),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The sandbox's first process, once all is set up.
fn start_init(folder: &Path) -> Child {
    let mut init = Command::new("setpriv")
        // Without it a test program that is killed would leave everything running.
        .args(["--pdeathsig", "KILL", "--"])
        .args(["unshare", "--net", "--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euc", SETUP])
        .env("BOX", folder)
        .env("ADDRESS", ADDRESS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setpriv and unshare of util-linux");
    let mut line = String::new();
    BufReader::new(init.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line != "ready\n" {
        let mut reason = String::new();
        init.stderr.take().unwrap().read_to_string(&mut reason).unwrap();
        let _ = init.wait();
        panic!("no sandbox: these tests make namespaces and mounts, for which they need root: {reason}");
    }
    init
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Ends everything inside; the folder is removed afterwards, with nobody left to write into it.
        let _ = self.init.kill();
        let _ = self.init.wait();
    }
}
