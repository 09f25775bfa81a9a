//! Takes the cluster down and leaves the host as it was, from whatever state a start or an earlier take-down left.
//!
//! Nothing here depends on what a start managed to write down, except the folders that it made outside of its own: processes
//! are found by the namespaces and control groups that they are in.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    cgroups,
    namespaces::{inode, network_namespace},
    network,
    plan::Node,
};
use crate::{
    process::{self, CommandError, MARK},
    state::ClusterDir,
    wait::{Seen, TimedOut, wait_until},
};

const NETNS_FOLDER: &str = "/run/netns";

/// Something could not be taken down. Running it again continues where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    /// Processes survive SIGKILL, or keep coming back.
    #[error("cannot end the cluster's processes: {0}")]
    Processes(TimedOut),
    /// Control groups stay busy.
    #[error("cannot remove the cluster's control groups: {0}")]
    Cgroups(TimedOut),
    /// A network namespace cannot be deleted.
    #[error("cannot delete a network namespace: {0}")]
    Namespace(#[from] CommandError),
    /// A folder cannot be removed.
    #[error("cannot remove {path}: {source}")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Is there anything of a cluster on this machine?
pub fn anything_left(dir: &ClusterDir) -> bool {
    dir.state.exists()
        || dir.data.exists()
        || Node::ALL.iter().any(|node| network_namespace(*node).exists())
        || !cgroups::members().is_empty()
}

/// Takes everything down.
pub async fn down(dir: &ClusterDir) -> Result<(), TeardownError> {
    end_processes().await?;
    for node in Node::ALL.into_iter().filter(|node| network_namespace(*node).exists()) {
        delete_namespace(node).await?;
    }
    network::disconnect().await;
    remove_cgroups(dir).await?;
    let created = dir.created_folders();
    unmount_below(&[&dir.data, &dir.state]);
    remove(&dir.data)?;
    remove_created(&created);
    // Last, since it holds the list of the others.
    remove(&dir.state)
}

/// Kills until a look finds nobody: what is killed may have started something a moment earlier.
async fn end_processes() -> Result<(), TeardownError> {
    let look = || async {
        let found = processes();
        for pid in &found {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        Ok::<_, Infallible>(Seen::when(found.is_empty(), (), describe(&found)))
    };
    wait_until("the cluster's processes to end", Duration::from_secs(30), look)
        .await
        .map_err(TeardownError::Processes)
}

/// Every process in a node's network namespace or control group or with the cluster's mark, except this one.
fn processes() -> BTreeSet<i32> {
    let namespaces: Vec<_> = Node::ALL.iter().filter_map(|node| inode(&network_namespace(*node))).collect();
    let mut found = cgroups::members();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let inside = inode(&entry.path().join("ns/net")).is_some_and(|network| namespaces.contains(&network));
        if inside || is_marked(&entry.path()) {
            found.insert(pid);
        }
    }
    found.remove(&(i32::try_from(std::process::id()).unwrap_or_default()));
    found
}

fn is_marked(process: &Path) -> bool {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == format!("{MARK}=1").as_bytes())
}

fn describe(processes: &BTreeSet<i32>) -> Vec<String> {
    let name = |pid: &i32| {
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{} ({pid})", command.trim())
    };
    processes.iter().take(10).map(name).collect()
}

/// `ip netns delete` fails on a file that a killed `ip netns add` made but did not mount yet.
async fn delete_namespace(node: Node) -> Result<(), TeardownError> {
    let path = network_namespace(node);
    let Err(error) = process::ip(&format!("netns delete {}", node.namespace())).await else { return Ok(()) };
    let _ = umount2(&path, MntFlags::MNT_DETACH);
    if fs::remove_file(&path).is_err() && path.exists() { Err(error.into()) } else { Ok(()) }
}

/// A group stays busy for a moment after its last process was killed.
async fn remove_cgroups(dir: &ClusterDir) -> Result<(), TeardownError> {
    let look = || async {
        let left = cgroups::remove(dir);
        Ok::<_, Infallible>(Seen::when(left.is_empty(), (), left))
    };
    wait_until("the control groups to empty", Duration::from_secs(20), look)
        .await
        .map_err(TeardownError::Cgroups)
}

/// Nothing of ours is mounted in the host's own namespace; should something be, removing must not go through it.
fn unmount_below(folders: &[&Path]) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    points.reverse();
    for point in
        points.into_iter().filter(|point| folders.iter().any(|folder| Path::new(point).starts_with(folder)))
    {
        let _ = umount2(point, MntFlags::MNT_DETACH);
    }
}

/// Removes the folders that a start made for its mounts, deepest first, unless somebody else uses them by now.
fn remove_created(created: &[PathBuf]) {
    for path in created.iter().rev() {
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if is_empty && path == Path::new(NETNS_FOLDER) {
            // `ip netns` mounts the folder on itself.
            let _ = umount2(path, MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir(path);
    }
}

fn remove(folder: &Path) -> Result<(), TeardownError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(TeardownError::Remove { path: folder.into(), source })
        }
        _ => Ok(()),
    }
}
