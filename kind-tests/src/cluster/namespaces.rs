//! The namespaces of a node: network, mounts and process ids, held by one process, the node's init.
//!
//! When the init dies the kernel kills everything that ran on the node, containers included: that is what makes a take-down
//! complete whatever state the node is in.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::plan::Node;
use crate::{
    process::{self, CommandError},
    state::{self, ClusterDir, StateError},
    wait::{Seen, TimedOut, wait_until},
};

/// Folders of the host that each node has to itself, and the name of the private folder behind each.
///
/// Also folders that no program is told about but that they fill nevertheless, or the host would be left with their traces.
const PRIVATE: [(&str, &str); 10] = [
    // First: mount(8) itself writes here.
    ("/run/mount", "run-mount"),
    ("/etc/containerd", "etc-containerd"),
    ("/etc/cni/net.d", "etc-cni"),
    ("/var/lib/kubelet", "kubelet"),
    ("/var/lib/containerd", "containerd"),
    ("/var/lib/cni", "cni"),
    ("/var/log/pods", "log-pods"),
    ("/var/log/containers", "log-containers"),
    ("/run/containerd", "run-containerd"),
    ("/run/netns", "run-netns"),
];

/// Kernel settings that the kubelet insists on. It would change them for the whole machine; each node shows it a file
/// with the value it looks for instead.
const SYSCTLS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// The namespaces could not be made or are not there.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file of the state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The init did not come up; its log says why.
    #[error("node {node} has no namespaces: {source}; see {log}")]
    Init {
        /// The node.
        node: &'static str,
        /// What was waited for.
        source: TimedOut,
        /// The init's output.
        log: PathBuf,
    },
    /// There is no such node running.
    #[error("node {0} is not running: bring the cluster up first")]
    Absent(&'static str),
}

/// The way into a node's namespaces.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    holder: u32,
}

impl Inside {
    /// Finds a running node.
    pub fn of(dir: &ClusterDir, node: Node) -> Result<Self, NamespaceError> {
        let absent = || NamespaceError::Absent(node.name());
        let text = fs::read_to_string(dir.node_state(node, "holder.pid")).map_err(|_| absent())?;
        let holder: u32 = text.trim().parse().map_err(|_| absent())?;
        // Process ids are used again: it is ours only if it sits in the node's network namespace.
        if inode(Path::new(&format!("/proc/{holder}/ns/net"))) != inode(&network_namespace(node)) {
            return Err(absent());
        }
        Ok(Self { holder })
    }

    /// A command that will run inside, with a clean environment: a proxy set on the host must not reach the node.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        let of = |kind: &str| format!("/proc/{}/ns/{kind}", self.holder);
        command.args([
            format!("--mount={}", of("mnt")),
            format!("--net={}", of("net")),
            format!("--pid={}", of("pid_for_children")),
            "--".to_owned(),
        ]);
        command.arg(program.as_ref());
        command
    }
}

/// Makes a node's namespaces and starts its init.
pub async fn create(dir: &ClusterDir, node: Node) -> Result<Inside, NamespaceError> {
    process::ip(&format!("netns add {}", node.namespace())).await?;
    let script = init_script(&prepare(dir, node)?, &dir.node_state(node, "init-ready"));
    let mut init = Command::new("nsenter");
    init.arg(format!("--net={}", network_namespace(node).display()));
    init.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    init.args(["--propagation", "private", "sh", "-euc", &script]);
    init.env("PATH", super::SYSTEM_PATH);
    let log = dir.log(&format!("{}-init", node.name()));
    let holder = process::start(&init, &log)?;
    let ready = dir.node_state(node, "init-ready");
    wait_until("the node's mounts", Duration::from_secs(20), || async {
        Ok::<_, std::convert::Infallible>(Seen::when(ready.exists(), (), "not mounted yet"))
    })
    .await
    .map_err(|source| NamespaceError::Init { node: node.name(), source, log })?;
    state::write_private(&dir.node_state(node, "holder.pid"), &format!("{holder}\n"))?;
    Inside::of(dir, node)
}

/// The file that keeps a node's network namespace.
pub fn network_namespace(node: Node) -> PathBuf {
    Path::new("/run/netns").join(node.namespace())
}

/// The number that tells namespaces apart.
pub fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Makes the private folders and files of a node, and answers what is to be mounted where.
fn prepare(dir: &ClusterDir, node: Node) -> Result<Vec<(PathBuf, PathBuf)>, StateError> {
    let mut mounts = Vec::new();
    for (target, name) in PRIVATE {
        let source = dir.node_data(node, name);
        state::create_folder(&source)?;
        dir.create_on_host(Path::new(target))?;
        mounts.push((source, target.into()));
    }
    for (name, value) in SYSCTLS {
        let target = Path::new("/proc/sys").join(name);
        let source = dir.node_state(node, &format!("sysctl-{}", name.replace('/', ".")));
        if target.exists() {
            state::write_private(&source, &format!("{value}\n"))?;
            mounts.push((source, target));
        }
    }
    Ok(mounts)
}

/// What the init does: mount, say so, then collect orphans for ever.
///
/// A shell that waits for `sleep` reaps whatever else dies meanwhile; `sleep` alone as the init would leave every finished
/// container's shim behind as a zombie.
fn init_script(mounts: &[(PathBuf, PathBuf)], ready: &Path) -> String {
    let mut script = String::new();
    for (source, target) in mounts {
        script.extend(["mount --bind ", &quoted(source), " ", &quoted(target), "\n"]);
    }
    // The kubelet's mounts must reach the containers that ask for them.
    script += "mount --make-rshared /\n";
    script += "echo 1 > /proc/sys/net/ipv4/ip_forward\n";
    script.extend([": > ", &quoted(ready), "\n"]);
    script += "while :; do sleep 3600; done\n";
    script
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_init_mounts_before_it_says_that_it_is_ready() {
        let script = init_script(&[("/a b".into(), "/it's".into())], Path::new("/ready"));
        assert_eq!(
            script,
            "mount --bind '/a b' '/it'\\''s'\nmount --make-rshared /\n\
             echo 1 > /proc/sys/net/ipv4/ip_forward\n: > '/ready'\nwhile :; do sleep 3600; done\n"
        );
    }
}
