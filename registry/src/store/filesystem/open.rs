use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::During as _;
use super::files::Files;
use super::gate::Gate;
use super::layout::Layout;
use super::lock::StoreLock;
use super::os::OsFiles;
use super::tree::Tree;
use super::{FilesystemStore, Volume, round};
use crate::store::StoreError;

impl FilesystemStore {
    /// Opens the store whose lock is held: makes the folders, syncs what an earlier process may have left unsynced, and
    /// makes sure that files can be written, moved and removed. Blocks. Reads no repository: a start takes as long on
    /// a full volume as on an empty one.
    pub fn open(lock: &StoreLock) -> Result<Self, OpenError> {
        let path = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(path).map_err(|source| OpenError::Boot { source })?;
        let store = Self::over(Arc::new(OsFiles), lock.root(), Arc::clone(&lock.gate), boot.trim())?;
        one_filesystem(&store.0.layout)?;
        Ok(store)
    }

    /// As [`FilesystemStore::open`], over any files.
    pub(super) fn over(
        files: Arc<dyn Files>,
        root: &Path,
        gate: Arc<Gate>,
        boot: &str,
    ) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        let tree = Tree::new(Arc::clone(&files), root.into());
        let busy = Arc::default();
        let volume = Volume { files, layout, tree, gate, busy, boot: boot.into() };
        volume.prepare().map_err(|source| OpenError::Prepare { root: root.into(), source })?;
        Ok(Self(Arc::new(volume)))
    }
}

impl Volume {
    fn prepare(&self) -> Result<(), StoreError> {
        let Self { layout, tree, files, .. } = self;
        // What an earlier process made visible and never synced would otherwise be relied upon as if it had.
        files.sync_all(layout.root()).during("sync", layout.root())?;
        for folder in
            [layout.repositories(), layout.temp_dir(), layout.quarantine_dir(), layout.upload_states()]
        {
            tree.make_dirs(&folder)?;
            tree.settle(&folder)?;
        }
        self.clear_temp();
        match self.probe() {
            // Reading and deleting go on, or nobody could ever make space.
            Err(error @ StoreError::Full { .. }) => {
                tracing::error!(%error, "the store has no space left; pushes will be refused");
                Ok(())
            }
            probed => probed,
        }
    }

    fn probe(&self) -> Result<(), StoreError> {
        let (probe, base) = (round::write_temp(self, b"probe")?, self.layout.base());
        let moved = base.join(probe.file_name().unwrap_or_default());
        self.files.rename(&probe, &moved).during("move a file to", &moved)?;
        self.tree.remove(&moved, &base)
    }

    /// Files of writes that never came to their end.
    fn clear_temp(&self) {
        let folder = self.layout.temp_dir();
        let mut left = Vec::new();
        let listed = self.files.each(&folder, &mut |name, is_dir| {
            left.extend((!is_dir).then(|| folder.join(name)));
            ControlFlow::Continue(())
        });
        if let Err(error) = listed {
            tracing::warn!(%error, "could not list the temporary files that earlier processes left");
        }
        for path in left {
            self.tree.tidy_file(&path);
        }
    }
}

/// A rename does not reach from one filesystem to another, nor does one sync cover both.
fn one_filesystem(layout: &Layout) -> Result<(), OpenError> {
    let device = |path: &Path| {
        let found = fs::metadata(path).map_err(|source| OpenError::LookUp { path: path.into(), source })?;
        Ok(found.dev())
    };
    let (own, base) = (layout.own(), layout.base());
    let expected = device(&own)?;
    for path in [base.clone(), base.join("blobs"), layout.repositories()] {
        if path.exists() && device(&path)? != expected {
            return Err(OpenError::TwoFilesystems { own, other: path });
        }
    }
    Ok(())
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel does not say which run of it this is.
    #[error("cannot read /proc/sys/kernel/random/boot_id: {source}; /proc must be mounted")]
    Boot {
        /// Why.
        source: io::Error,
    },
    /// The folder cannot be used.
    #[error("the store in {} cannot be used: {source}; its folder must be writable by the user this process runs as", root.display())]
    Prepare {
        /// The store's folder.
        root: PathBuf,
        /// What failed.
        source: StoreError,
    },
    /// A folder that was there a moment ago cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    LookUp {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Parts of the store are mounted from elsewhere.
    #[error("{} and {} are on two filesystems; a store must be on one", own.display(), other.display())]
    TwoFilesystems {
        /// Ours.
        own: PathBuf,
        /// The other one.
        other: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use nix::libc::{EACCES, ENOSPC};

    use super::super::crash::{CrashFiles, Fault};
    use super::*;

    fn reopen(fault: Fault) -> Result<FilesystemStore, OpenError> {
        let disk = CrashFiles::new();
        drop(disk.store());
        disk.arm(Some(fault));
        FilesystemStore::over(Arc::new(disk), Path::new("/store"), Arc::default(), "one boot")
    }

    #[test]
    fn a_full_disk_is_opened_and_one_that_refuses_writes_is_not() {
        // The steps of opening a store that was there before: 0 syncs, 1 creates the probe, 2 writes it.
        for step in [1, 2] {
            assert!(reopen(Fault::Error(step, ENOSPC)).is_ok());
            let refused = reopen(Fault::Error(step, EACCES)).map(drop).unwrap_err();
            assert!(matches!(refused, OpenError::Prepare { .. }), "{refused}");
        }
    }

    #[test]
    fn what_a_crash_left_in_temp_is_removed_at_the_next_start() {
        let root = tempfile::tempdir().unwrap();
        let Ok(super::super::Attempt::Locked(lock)) = StoreLock::try_acquire(root.path()) else {
            panic!("locked")
        };
        let left = root.path().join("entrepot/temp/left");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, b"half a manif").unwrap();
        FilesystemStore::open(&lock).unwrap();
        assert!(!left.exists());
    }
}
