use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use super::layout::Layout;

/// How often a lock that another process holds is asked for.
const POLL: Duration = Duration::from_millis(200);

/// The right of this process to be the only writer of a store: an exclusive lock of the open file description on
/// `entrepot/lock`. The kernel gives it back when the process ends, however it ends.
///
/// Not a lock of the process (`F_SETLK`): those go as soon as any descriptor of the file is closed.
#[derive(Debug)]
pub struct StoreLock {
    root: PathBuf,
    file: File,
    pub(super) gate: Arc<Gate>,
}

/// Who holds a lock, as they wrote it into the file; for people only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process, as its own namespace numbers it.
    pub pid: u32,
    /// The name of its host; in a cluster, of its Pod.
    pub host: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since.format("%F %T UTC"))
    }
}

/// The outcome of one attempt.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Locked(StoreLock),
    /// Somebody else has it; who, if the file says.
    Busy(Option<Holder>),
}

impl StoreLock {
    /// Waits until the store at `root` is ours alone, making the folder if there is none. Calls `on_busy` whenever it is learned
    /// that another holder has it. Dropping the future gives up.
    pub async fn acquire(root: &Path, mut on_busy: impl FnMut(Option<&Holder>)) -> Result<Self, LockError> {
        let mut told: Option<Option<Holder>> = None;
        loop {
            match Self::try_acquire(root)? {
                Attempt::Locked(lock) => return Ok(lock),
                Attempt::Busy(holder) => {
                    if told.as_ref() != Some(&holder) {
                        on_busy(holder.as_ref());
                        told = Some(holder);
                    }
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Tries once. The lock is tested before it is trusted: on a filesystem where it excludes nobody this is
    /// [`LockError::Ineffective`].
    pub fn try_acquire(root: &Path) -> Result<Attempt, LockError> {
        let path = Layout::new(root).lock();
        let at = |source| LockError::Open { path: path.clone(), source };
        std::fs::create_dir_all(path.parent().unwrap_or(root)).map_err(at)?;
        let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open().map_err(at)?;
        let unusable = |errno| LockError::Unusable { path: path.clone(), errno };
        if !lock(&file).map_err(unusable)? {
            return Ok(Attempt::Busy(read_holder(&mut file)));
        }
        if lock(&open().map_err(at)?).map_err(unusable)? {
            return Err(LockError::Ineffective { path });
        }
        // Only people read it, and a full disk must not keep out the server that could empty it.
        if let Err(error) = write_holder(&mut file) {
            tracing::warn!(path = %path.display(), %error, "could not write into the lock file who holds it");
        }
        Ok(Attempt::Locked(Self { root: root.into(), file, gate: Arc::default() }))
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Gives the store up, for another process to write: waits for the changes that are under way, refuses later ones
    /// ([`StoreError::Released`](crate::store::StoreError::Released)), then unlocks. Reading goes on.
    pub async fn release(self) -> Result<(), LockError> {
        let Self { root, file, gate } = self;
        // Dropping the file unlocks it, should the worker die.
        let released = tokio::task::spawn_blocking(move || {
            gate.close();
            set(&file, libc::F_UNLCK)
        });
        let path = Layout::new(&root).lock();
        match released.await {
            Ok(Err(errno)) => Err(LockError::Unusable { path, errno }),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Whether the lock is ours now; `false` when somebody else has it.
fn lock(file: &File) -> Result<bool, Errno> {
    match set(file, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn set(file: &File, kind: libc::c_int) -> Result<(), Errno> {
    // Both kinds and SEEK_SET are small constants; `l_pid` must be 0 for this kind of lock (fcntl(2)).
    #[allow(clippy::cast_possible_truncation)]
    let request =
        libc::flock { l_type: kind as _, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&request)).map(drop)
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(4096).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let holder = Holder { pid: std::process::id(), host, since: Utc::now() };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&holder)?)
}

/// Why a store cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be made or written.
    #[error(
        "cannot write {}: {source}; the store's folder must be writable by the user this process runs as",
        path.display()
    )]
    Open {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The filesystem refuses to lock.
    #[error(
        "cannot lock {}: {errno}; put the store on a filesystem with working file locks, or two servers could destroy it",
        path.display()
    )]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// The filesystem lets two have the lock at once.
    #[error(
        "a lock on {} excludes nobody; put the store on a filesystem with working file locks, or two servers could \
         destroy it",
        path.display()
    )]
    Ineffective {
        /// The lock file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(root: &Path) -> StoreLock {
        match StoreLock::try_acquire(root).unwrap() {
            Attempt::Locked(lock) => lock,
            Attempt::Busy(holder) => panic!("held by {holder:?}"),
        }
    }

    #[tokio::test]
    async fn excludes_a_second_writer_until_released() {
        let root = tempfile::tempdir().unwrap();
        let first = locked(root.path());
        let Attempt::Busy(Some(holder)) = StoreLock::try_acquire(root.path()).unwrap() else {
            panic!("not busy")
        };
        assert_eq!(holder.pid, std::process::id());
        // Closing another descriptor of the file, as that attempt did, must not unlock it.
        assert!(matches!(StoreLock::try_acquire(root.path()).unwrap(), Attempt::Busy(_)));
        first.release().await.unwrap();
        locked(root.path());
    }

    #[tokio::test]
    async fn a_waiter_is_told_once_and_gets_it_in_the_end() {
        let root = tempfile::tempdir().unwrap();
        let first = locked(root.path());
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let path = root.path().to_owned();
        let waiter = tokio::spawn(async move {
            StoreLock::acquire(&path, |holder| tell.send(holder.cloned()).unwrap()).await.unwrap();
        });
        assert_eq!(told.recv().await.unwrap().unwrap().pid, std::process::id());
        first.release().await.unwrap();
        waiter.await.unwrap();
        assert_eq!(told.recv().await, None);
    }

    #[test]
    fn a_root_that_is_no_folder_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StoreLock::try_acquire(file.path()).unwrap_err();
        let path = Layout::new(file.path()).lock();
        assert!(matches!(&error, LockError::Open { path: at, .. } if *at == path), "{error}");
    }
}
