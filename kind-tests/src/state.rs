//! Where a running cluster keeps what it needs, and the lock that makes it the only one of this machine.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};

use crate::cluster::plan::Node;

/// The folders of the one cluster of this machine.
#[derive(Debug, Clone)]
pub struct ClusterDir {
    /// Small: keys, kubeconfigs, configuration, logs, what was created on the host. Gone after a reboot by default.
    pub state: PathBuf,
    /// Large: etcd, images, containers, volumes. Never in memory: `/run` is a small tmpfs on most machines.
    pub data: PathBuf,
}

/// A file of the cluster's state cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl ClusterDir {
    /// `$ENTREPOT_CLUSTER_DIR` for everything, else `/run/entrepot-kind` and `/var/lib/entrepot-kind`.
    pub fn locate(chosen: Option<PathBuf>) -> Self {
        // Programs are started in other working folders than this one.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        match chosen.filter(|path| !path.as_os_str().is_empty()).map(absolute) {
            Some(root) => Self { data: root.join("data"), state: root },
            None => Self { state: "/run/entrepot-kind".into(), data: "/var/lib/entrepot-kind".into() },
        }
    }

    /// The folders that this process's environment names.
    pub fn from_environment() -> Self {
        Self::locate(std::env::var_os("ENTREPOT_CLUSTER_DIR").map(PathBuf::from))
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("admin.kubeconfig")
    }

    /// The apiserver's audit log, one JSON event a line, writes only.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.log")
    }

    /// Written last by a start that succeeded.
    pub fn ready_marker(&self) -> PathBuf {
        self.state.join("ready")
    }

    /// Keys and certificates.
    pub fn pki(&self, file: &str) -> PathBuf {
        self.state.join("pki").join(file)
    }

    /// The log of one program.
    pub fn log(&self, name: &str) -> PathBuf {
        self.state.join("log").join(format!("{name}.log"))
    }

    /// A small file of one node.
    pub fn node_state(&self, node: Node, file: &str) -> PathBuf {
        self.state.join(node.name()).join(file)
    }

    /// A large folder of one node.
    pub fn node_data(&self, node: Node, folder: &str) -> PathBuf {
        self.data.join(node.name()).join(folder)
    }

    /// The list of the folders that were made on the host outside of `state` and `data`, in the order of their making.
    fn created_folders_file(&self) -> PathBuf {
        self.state.join("created-folders")
    }

    /// Those folders, to be removed again.
    pub fn created_folders(&self) -> Vec<PathBuf> {
        let text = fs::read_to_string(self.created_folders_file()).unwrap_or_default();
        text.lines().map(PathBuf::from).collect()
    }

    /// Makes a folder outside of our own and notes each level of it *before* it is made, so that a start that is
    /// killed in between leaves nothing that taking down does not know of.
    pub fn create_on_host(&self, folder: &Path) -> Result<(), StateError> {
        let mut absent: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
        absent.reverse();
        let list = self.created_folders_file();
        for path in absent {
            let failed = |source| StateError { action: "note a folder in", path: list.clone(), source };
            let mut file = File::options().create(true).append(true).open(&list).map_err(failed)?;
            writeln!(file, "{}", path.display()).map_err(failed)?;
            create_folder(path)?;
        }
        Ok(())
    }
}

/// Makes a folder and its parents.
pub fn create_folder(path: &Path) -> Result<(), StateError> {
    fs::create_dir_all(path).map_err(|source| StateError {
        action: "make the folder",
        path: path.into(),
        source,
    })
}

/// Makes a folder that only root may enter: what is in it belongs to the Pods, and its own modes are theirs.
pub fn create_private_folder(path: &Path) -> Result<(), StateError> {
    create_folder(path)?;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(path, private).map_err(|source| StateError {
        action: "close the folder",
        path: path.into(),
        source,
    })
}

/// Writes a file that only root may read: half of them hold keys.
pub fn write_private(path: &Path, content: &str) -> Result<(), StateError> {
    let write = || {
        let mut options = File::options();
        options.create(true).truncate(true).write(true).mode(0o600);
        options.open(path)?.write_all(content.as_bytes())
    };
    write().map_err(|source| StateError { action: "write", path: path.into(), source })
}

/// Waits for, and takes, the lock that every change of this machine's cluster holds.
///
/// It is a lock on the folder `/run` itself, since a lock file would be the one thing that taking down leaves behind.
pub fn lock() -> Result<Flock<File>, StateError> {
    let path = PathBuf::from("/run");
    let failed = |source: io::Error| StateError { action: "lock", path: path.clone(), source };
    let file = File::open(&path).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_made_on_the_host_are_noted_level_by_level() {
        let root = tempfile::tempdir().unwrap();
        let dir = ClusterDir::locate(Some(root.path().join("cluster")));
        create_folder(&dir.state).unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("a/b"));
        dir.create_on_host(&b).unwrap();
        dir.create_on_host(&b).unwrap();
        assert_eq!(dir.created_folders(), [a, b.clone()]);
        assert!(b.is_dir());
    }
}
