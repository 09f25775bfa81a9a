//! The control group that each node's Pods live in, on hierarchies of version 1 (one per controller) and 2 (one for all).

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::plan::Node;
use crate::state::{self, ClusterDir};

/// A control group could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No hierarchy is mounted.
    #[error("no control groups are mounted under /sys/fs/cgroup: the kubelet cannot work without them")]
    None,
    /// A file or folder of the hierarchy refuses.
    #[error("cannot prepare the control group {path}: {source}")]
    Prepare {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of enabled controllers cannot be kept.
    #[error(transparent)]
    State(#[from] state::StateError),
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    path: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One { cpuset: bool },
    Two,
}

/// Makes the group of every node in every hierarchy.
pub fn create(dir: &ClusterDir) -> Result<(), CgroupError> {
    let hierarchies = mounted();
    if hierarchies.is_empty() {
        return Err(CgroupError::None);
    }
    // Version 2 beside version 1 holds no controllers: nothing to delegate there.
    let unified_only = hierarchies.iter().all(|hierarchy| hierarchy.version == Version::Two);
    for hierarchy in &hierarchies {
        if unified_only {
            delegate(dir, &hierarchy.path)?;
        }
        for node in Node::ALL {
            create_group(hierarchy, node)?;
        }
    }
    Ok(())
}

fn create_group(hierarchy: &Hierarchy, node: Node) -> Result<(), CgroupError> {
    let group = hierarchy.path.join(node.namespace());
    let failed = |path: &Path, source| CgroupError::Prepare { path: path.into(), source };
    fs::create_dir_all(&group).map_err(|source| failed(&group, source))?;
    if hierarchy.version == (Version::One { cpuset: true }) {
        // A new cpuset of version 1 is empty, and a process cannot enter an empty one.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let target = group.join(file);
            fs::read(hierarchy.path.join(file))
                .and_then(|value| fs::write(&target, value))
                .map_err(|source| failed(&target, source))?;
        }
    }
    Ok(())
}

/// Passes every controller of the root on to its children, and notes those that were not passed on before.
fn delegate(dir: &ClusterDir, root: &Path) -> Result<(), CgroupError> {
    let file = root.join("cgroup.subtree_control");
    let failed = |source| CgroupError::Prepare { path: file.clone(), source };
    let words = |path: &Path| -> Result<BTreeSet<String>, CgroupError> {
        let text = fs::read_to_string(path).map_err(failed)?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let (available, enabled) = (words(&root.join("cgroup.controllers"))?, words(&file)?);
    let added: Vec<String> = available.difference(&enabled).cloned().collect();
    state::write_private(&delegated_file(dir), &added.join(" "))?;
    added.iter().try_for_each(|controller| fs::write(&file, format!("+{controller}"))).map_err(failed)
}

/// The processes in the nodes' groups.
pub fn members() -> BTreeSet<i32> {
    let mut members = BTreeSet::new();
    for group in node_groups() {
        for folder in descendants(&group) {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            members.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 1));
        }
    }
    members
}

/// Removes the nodes' groups; answers those that are still in use.
pub fn remove(dir: &ClusterDir) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for group in node_groups() {
        for folder in descendants(&group).into_iter().rev() {
            if fs::remove_dir(&folder).is_err() && folder.exists() {
                left.push(folder);
            }
        }
    }
    if left.is_empty() {
        withdraw(dir);
    }
    left
}

/// Takes back what [`delegate`] passed on. Another program may rely on it by now: then it stays, which harms nobody.
fn withdraw(dir: &ClusterDir) {
    let added = fs::read_to_string(delegated_file(dir)).unwrap_or_default();
    for hierarchy in mounted().iter().filter(|hierarchy| hierarchy.version == Version::Two) {
        for controller in added.split_whitespace() {
            let _ = fs::write(hierarchy.path.join("cgroup.subtree_control"), format!("-{controller}"));
        }
    }
}

fn delegated_file(dir: &ClusterDir) -> PathBuf {
    dir.state.join("delegated-controllers")
}

fn node_groups() -> Vec<PathBuf> {
    let hierarchies = mounted();
    let groups = hierarchies.iter().flat_map(|h| Node::ALL.map(|node| h.path.join(node.namespace())));
    groups.filter(|group| group.is_dir()).collect()
}

/// A group and everything beneath it, parents first.
fn descendants(group: &Path) -> Vec<PathBuf> {
    let mut found = vec![group.to_path_buf()];
    let mut next = 0;
    while let Some(folder) = found.get(next) {
        let children: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

fn mounted() -> Vec<Hierarchy> {
    hierarchies(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let parse = |line: &str| {
        let mut fields = line.split(' ');
        let (path, kind, options) = (fields.nth(1)?, fields.next()?, fields.next()?);
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" => Version::One { cpuset: options.split(',').any(|option| option == "cpuset") },
            _ => return None,
        };
        path.starts_with("/sys/fs/cgroup").then(|| Hierarchy { path: path.into(), version })
    };
    mounts.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told_apart() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n\
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cgroup2 /elsewhere cgroup2 rw 0 0\n";
        let one = |path: &str, cpuset| Hierarchy { path: path.into(), version: Version::One { cpuset } };
        assert_eq!(
            hierarchies(mounts),
            [
                one("/sys/fs/cgroup/cpuset", true),
                one("/sys/fs/cgroup/cpu,cpuacct", false),
                Hierarchy { path: "/sys/fs/cgroup/unified".into(), version: Version::Two },
            ]
        );
    }
}
