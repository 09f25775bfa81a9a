use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::layout::Layout;
use super::lock::StoreLock;

/// A file in `entrepot/running` that says that a process may still be answering requests. Set after the lock is had,
/// removed only after the last answer, so later than the lock: what was answered in between is unknown to a successor,
/// which tells by the mark it finds that it does not know everything that clients were told.
#[derive(Debug)]
pub struct RunningMark {
    own: PathBuf,
    earlier: Vec<PathBuf>,
}

impl RunningMark {
    /// Marks this process as running; durable on return.
    pub fn set(lock: &StoreLock) -> Result<Self, MarkError> {
        let folder = Layout::new(lock.root()).running();
        let own = folder.join(Uuid::new_v4().to_string());
        let failed = |source| MarkError { path: own.clone(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        let earlier = marks(&folder).map_err(failed)?;
        fs::File::create_new(&own).map_err(failed)?;
        sync(&folder).map_err(failed)?;
        Ok(Self { own, earlier })
    }

    /// Whether another process had not come to its end when this one started: it crashed, was killed, or is still draining.
    pub fn found_earlier(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Ends the mark, and those found at the start, after the last answer; durable on return. Without it the next start
    /// knows that this process came to no clean end.
    pub fn clear(self) -> Result<(), MarkError> {
        for path in self.earlier.iter().chain([&self.own]) {
            match fs::remove_file(path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(MarkError { path: path.clone(), source });
                }
                _ => {}
            }
        }
        let folder = self.own.parent().unwrap_or(&self.own);
        sync(folder).map_err(|source| MarkError { path: folder.into(), source })
    }
}

fn marks(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn sync(folder: &Path) -> io::Result<()> {
    let above = folder.parent().unwrap_or(folder);
    [folder, above].into_iter().try_for_each(|folder| fs::File::open(folder)?.sync_all())
}

/// A mark could not be set or ended.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the running mark {}: {source}", path.display())]
pub struct MarkError {
    /// The mark.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::super::lock::Attempt;
    use super::*;

    #[test]
    fn tells_a_clean_end_from_any_other() {
        let root = tempfile::tempdir().unwrap();
        let Attempt::Locked(lock) = StoreLock::try_acquire(root.path()).unwrap() else { panic!("busy") };
        let first = RunningMark::set(&lock).unwrap();
        assert!(!first.found_earlier());
        first.clear().unwrap();
        let killed = RunningMark::set(&lock).unwrap();
        assert!(!killed.found_earlier());
        let successor = RunningMark::set(&lock).unwrap();
        assert!(successor.found_earlier());
        // The one before it may only have been draining.
        killed.clear().unwrap();
        successor.clear().unwrap();
        assert!(!RunningMark::set(&lock).unwrap().found_earlier());
    }
}
