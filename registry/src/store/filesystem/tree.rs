use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::{During as _, if_present};
use super::files::Files;
use crate::store::StoreError;

/// How often a folder may vanish under a writer, removed by whoever emptied it, before the writer gives up.
const TRIES: usize = 64;

/// The folders beneath a root, and which of their entries may not be durable yet.
///
/// A rename, a mkdir or a removal is visible at once and durable only after its folder is synced. Who finds it so in
/// between and relies on it ("this blob is here", "this folder exists", "this tag is gone") would acknowledge what a
/// power loss still undoes. So an entry is listed as unsettled in the same critical section that changes it, and everybody
/// settles what they rely on. In memory only: a start syncs the whole filesystem.
pub(super) struct Tree {
    files: Arc<dyn Files>,
    root: PathBuf,
    unsettled: Mutex<Unsettled>,
}

#[derive(Default)]
struct Unsettled {
    /// Given to each change, so that a sync clears only what came before it.
    clock: u64,
    entries: HashMap<PathBuf, u64>,
}

impl Unsettled {
    fn add(&mut self, path: &Path) {
        self.clock += 1;
        self.entries.insert(path.into(), self.clock);
    }
}

impl Tree {
    pub(super) fn new(files: Arc<dyn Files>, root: PathBuf) -> Self {
        Self { files, root, unsettled: Mutex::default() }
    }

    /// Moves a file whose bytes are durable to `to`, making the folders it needs. Not durable before
    /// [`Tree::settle`].
    pub(super) fn publish(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        let folder = parent(to);
        let mut tries = 0;
        loop {
            let moved = self.changing(to, || self.files.rename(from, to));
            tries += 1;
            match moved {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                    self.make_dirs(folder)?;
                }
                moved => return moved.during("publish", to),
            }
        }
    }

    /// Makes `folder` and what is missing above it.
    pub(super) fn make_dirs(&self, folder: &Path) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let made = self.make_missing(folder);
            tries += 1;
            match made {
                // A deleter removed an empty folder above just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                made => return made.during("make the folder", folder),
            }
        }
    }

    /// Makes durable every entry on the way from the root to `path`, that of `path` included.
    pub(super) fn settle(&self, path: &Path) -> Result<(), StoreError> {
        for (entry, clock) in self.unsettled_towards(path) {
            // The folder itself may be gone by now, and the entry with it; then that is a change in the folder above.
            if_present(self.files.sync_dir(parent(&entry))).during("sync the folder of", &entry)?;
            let mut unsettled = self.lock();
            if unsettled.entries.get(&entry) == Some(&clock) {
                unsettled.entries.remove(&entry);
            }
        }
        Ok(())
    }

    /// Removes a file, and the folders above it that this leaves empty, up to but without `keep`; durable on return.
    pub(super) fn remove(&self, path: &Path, keep: &Path) -> Result<(), StoreError> {
        self.unlink(path)?;
        let mut folder = parent(path);
        while folder != keep && folder.starts_with(keep) {
            if self.changing(folder, || self.files.remove_dir(folder)).is_err() && self.files.is_dir(folder) {
                break;
            }
            folder = parent(folder);
        }
        self.settle(path)
    }

    /// Removes a file, if it is there. Not durable before [`Tree::settle`].
    pub(super) fn unlink(&self, path: &Path) -> Result<(), StoreError> {
        if_present(self.changing(path, || self.files.remove_file(path))).during("remove", path).map(drop)
    }

    /// Removes an empty folder, if it is one; nobody relies on its being gone.
    pub(super) fn tidy_dir(&self, folder: &Path) {
        // Not empty or not there: either is fine.
        let _ = self.forgetting(folder, || self.files.remove_dir(folder));
    }

    /// Removes a file, if it is there; nobody relies on its being gone.
    pub(super) fn tidy_file(&self, path: &Path) {
        if let Err(error) = if_present(self.forgetting(path, || self.files.remove_file(path))) {
            tracing::warn!(path = %path.display(), %error, "could not remove a file that is no longer needed");
        }
    }

    fn make_missing(&self, folder: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut next = folder;
        while next != self.root && !self.files.is_dir(next) {
            missing.push(next);
            next = parent(next);
        }
        for folder in missing.into_iter().rev() {
            match self.changing(folder, || self.files.make_dir(folder)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts an entry on the list together with its change.
    fn changing(&self, path: &Path, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut unsettled = self.lock();
        change().inspect(|()| unsettled.add(path))
    }

    /// Takes an entry off the list together with its removal: what is gone needs no syncing.
    fn forgetting(&self, path: &Path, remove: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut unsettled = self.lock();
        remove().inspect(|()| {
            unsettled.entries.remove(path);
        })
    }

    /// Outermost first: an inner folder's entry is worth nothing without the outer one's.
    fn unsettled_towards(&self, path: &Path) -> Vec<(PathBuf, u64)> {
        let unsettled = self.lock();
        if unsettled.entries.is_empty() {
            return Vec::new();
        }
        let steps = path.ancestors().take_while(|step| *step != self.root);
        let mut found: Vec<_> = steps
            .filter_map(|step| unsettled.entries.get_key_value(step))
            .map(|(entry, clock)| (entry.clone(), *clock))
            .collect();
        found.reverse();
        found
    }

    fn lock(&self) -> MutexGuard<'_, Unsettled> {
        // Every change under the lock is a single call: a panic leaves the list whole.
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every path of ours lies beneath a root, so that the fallback is never used.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
