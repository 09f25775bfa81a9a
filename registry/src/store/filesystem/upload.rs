use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::SecondsFormat;
use entrepot_oci::{Algorithm, Digest, Hasher};
use futures::StreamExt as _;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::failure::{During as _, if_present};
use super::files::File;
use super::{FilesystemStore, Volume, round};
use crate::store::{BodyError, BodyStream, StoreError, UploadKey};
use crate::upload::SavedState;

/// How much of a body is gathered while the part before it is hashed and written, in bytes: an upload holds two parts.
const PART: usize = 512 * 1024;
/// How much is read at a time to hash again, in bytes.
const REREAD: usize = 1024 * 1024;
/// How often the folder may vanish under a writer, removed by whoever emptied it.
const TRIES: usize = 64;

/// The right to work on an upload, which one request has at a time.
pub(super) struct Claim {
    key: UploadKey,
    busy: Arc<Mutex<HashSet<Uuid>>>,
}

impl Claim {
    pub(super) fn take(store: &Volume, key: &UploadKey) -> Result<Self, StoreError> {
        let busy = Arc::clone(&store.busy);
        if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id) {
            return Err(StoreError::UploadBusy);
        }
        Ok(Self { key: key.clone(), busy })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key.id);
    }
}

/// The end of an upload's file. Owns the claim: a request that is given up leaves its last write running, and until that
/// is done nobody else may append.
struct Writer {
    claim: Claim,
    file: Option<Box<dyn File>>,
    size: u64,
    hasher: Hasher,
}

/// A part of a body, and how it ended if it did.
struct Part {
    pieces: Vec<Bytes>,
    end: Option<Result<(), BodyError>>,
}

pub(super) fn size(store: &Volume, key: &UploadKey) -> Result<u64, StoreError> {
    let path = store.layout.upload_data(key);
    Ok(if_present(store.files.size(&path)).during("look up", &path)?.unwrap_or(0))
}

pub(super) async fn append(
    store: &FilesystemStore,
    key: &UploadKey,
    offset: Option<u64>,
    mut body: BodyStream<'_>,
) -> Result<u64, StoreError> {
    let claim = Claim::take(&store.0, key)?;
    let mut writer = store.blocking(move |store| Writer::open(store, claim, offset)).await?;
    let mut part = gather(&mut body).await;
    loop {
        let Part { pieces, end } = part;
        let written = spawn_write(store, writer, pieces);
        if let Some(end) = end {
            writer = finished(written).await?;
            end?;
            return store.writing(move |store| writer.save(store)).await;
        }
        part = gather(&mut body).await;
        writer = finished(written).await?;
    }
}

async fn gather(body: &mut BodyStream<'_>) -> Part {
    let (mut pieces, mut length) = (Vec::new(), 0);
    while length < PART {
        match body.next().await {
            Some(Ok(piece)) => {
                length += piece.len();
                pieces.push(piece);
            }
            Some(Err(error)) => return Part { pieces, end: Some(Err(error)) },
            None => return Part { pieces, end: Some(Ok(())) },
        }
    }
    Part { pieces, end: None }
}

fn spawn_write(
    store: &FilesystemStore,
    mut writer: Writer,
    pieces: Vec<Bytes>,
) -> JoinHandle<Result<Writer, StoreError>> {
    let store = Arc::clone(&store.0);
    tokio::task::spawn_blocking(move || {
        store.gate.pass(|| pieces.iter().try_for_each(|piece| writer.write(&store, piece)))??;
        Ok(writer)
    })
}

async fn finished(written: JoinHandle<Result<Writer, StoreError>>) -> Result<Writer, StoreError> {
    written.await.unwrap_or_else(|error| Err(StoreError::Worker { reason: error.to_string() }))
}

impl Writer {
    fn open(store: &Volume, claim: Claim, offset: Option<u64>) -> Result<Self, StoreError> {
        let path = store.layout.upload_data(&claim.key);
        let file = if_present(store.files.open_to_write(&path)).during("open", &path)?;
        let size = file.as_ref().map_or(Ok(0), |file| file.size()).during("look up", &path)?;
        if offset.is_some_and(|offset| offset != size) {
            return Err(StoreError::UploadOffset { current: size });
        }
        let hasher = match &file {
            Some(file) => hash_so_far(store, &claim.key, file.as_ref(), size, Algorithm::Sha256)?,
            None => Hasher::new(Algorithm::Sha256),
        };
        Ok(Self { claim, file, size, hasher })
    }

    fn write(&mut self, store: &Volume, piece: &[u8]) -> Result<(), StoreError> {
        if piece.is_empty() {
            return Ok(());
        }
        let path = store.layout.upload_data(&self.claim.key);
        let file = match self.file.take() {
            Some(file) => file,
            None => create(store, &self.claim.key)?,
        };
        file.write_at(piece, self.size).during("write", &path)?;
        self.file = Some(file);
        self.hasher.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// Flushes, and only then records the digest so far: a record must never know more than the disk.
    fn save(self, store: &Volume) -> Result<u64, StoreError> {
        let Some(file) = &self.file else { return Ok(self.size) };
        flush(store, &self.claim.key, file.as_ref())?;
        let state = SavedState { offset: self.size, hasher: self.hasher };
        let path = store.layout.upload_state(&self.claim.key);
        store.tree.tidy_file(&path);
        // Without the record the next request reads the bytes again.
        let recorded =
            store.files.create(&path).and_then(|record| record.write_at(&state.encode(&store.boot), 0));
        if let Err(error) = recorded {
            tracing::warn!(path = %path.display(), %error, "could not record the digest of an upload so far");
        }
        Ok(self.size)
    }
}

/// Makes the upload `digest`, whose bytes are hashed from the record if it fits and from the file otherwise.
pub(super) fn commit(store: &Volume, claim: &Claim, digest: &Digest) -> Result<u64, StoreError> {
    let path = store.layout.upload_data(&claim.key);
    let blob = store.layout.blob(digest);
    let file = if_present(store.files.open_to_write(&path)).during("open", &path)?;
    let size = file.as_ref().map_or(Ok(0), |file| file.size()).during("look up", &path)?;
    let hasher = match &file {
        Some(file) => hash_so_far(store, &claim.key, file.as_ref(), size, digest.algorithm())?,
        None => Hasher::new(digest.algorithm()),
    };
    let found = hasher.finish();
    if found != *digest {
        discard(store, claim)?;
        return Err(StoreError::DigestMismatch { expected: digest.clone(), found });
    }
    if let Some(file) = file {
        flush(store, &claim.key, file.as_ref())?;
        store.tree.publish(&path, &blob)?;
    } else {
        let temp = round::write_temp(store, b"")?;
        store.tree.publish(&temp, &blob).inspect_err(|_| store.tree.tidy_file(&temp))?;
    }
    store.tree.settle(&blob)?;
    discard(store, claim)?;
    Ok(size)
}

/// Drops whatever is left of an upload.
pub(super) fn discard(store: &Volume, claim: &Claim) -> Result<(), StoreError> {
    let path = store.layout.upload_data(&claim.key);
    if_present(store.files.remove_file(&path)).during("remove", &path)?;
    store.tree.tidy_file(&store.layout.upload_started(&claim.key));
    store.tree.tidy_file(&store.layout.upload_state(&claim.key));
    store.tree.tidy_dir(&store.layout.upload(&claim.key));
    Ok(())
}

fn flush(store: &Volume, key: &UploadKey, file: &dyn File) -> Result<(), StoreError> {
    let path = store.layout.upload_data(key);
    file.sync_data().during("sync", &path).inspect_err(|_| {
        let put_away = store.layout.temp(Uuid::new_v4());
        // All uploads' files have one name; in quarantine each needs its own.
        match store.files.rename(&path, &put_away) {
            Ok(()) => round::quarantine(store, &put_away),
            Err(_) => store.tree.tidy_file(&path),
        }
        store.tree.tidy_file(&store.layout.upload_state(key));
    })
}

fn hash_so_far(
    store: &Volume,
    key: &UploadKey,
    file: &dyn File,
    size: u64,
    algorithm: Algorithm,
) -> Result<Hasher, StoreError> {
    let recorded = recorded(store, key).filter(|state| state.offset == size);
    if let Some(state) = recorded.filter(|state| state.hasher.algorithm() == algorithm) {
        return Ok(state.hasher);
    }
    let path = store.layout.upload_data(key);
    let buffer = usize::try_from(size).map_or(REREAD, |size| size.min(REREAD));
    let (mut hasher, mut at, mut buffer) = (Hasher::new(algorithm), 0, vec![0; buffer]);
    while at < size {
        let read = file.read_at(&mut buffer, at).during("read", &path)?;
        if read == 0 {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read");
            return Err(StoreError::Io { operation: "read", path, source });
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(hasher)
}

fn recorded(store: &Volume, key: &UploadKey) -> Option<SavedState> {
    let file = store.files.open(&store.layout.upload_state(key)).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().ok()?.min(64 * 1024)).ok()?];
    let read = file.read_at(&mut bytes, 0).ok()?;
    SavedState::decode(bytes.get(..read)?, &store.boot)
}

/// Makes the upload's folder and its empty file, which need not survive a power loss.
fn create(store: &Volume, key: &UploadKey) -> Result<Box<dyn File>, StoreError> {
    forget_digest(store, key)?;
    let folder = store.layout.upload(key);
    let mut tries = 0;
    loop {
        store.tree.make_dirs(&store.layout.repository(&key.repository))?;
        let created = create_in(store, key, &folder);
        tries += 1;
        match created {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            created => return created.during("create", &store.layout.upload_data(key)),
        }
    }
}

/// What is recorded is of bytes that are gone, by a crash or by whoever removed their folder. Once the new file is as
/// long, it would be believed, and a blob would have the name of other bytes.
fn forget_digest(store: &Volume, key: &UploadKey) -> Result<(), StoreError> {
    let path = store.layout.upload_state(key);
    if_present(store.files.remove_file(&path)).during("remove", &path).map(drop)
}

fn create_in(store: &Volume, key: &UploadKey, folder: &Path) -> io::Result<Box<dyn File>> {
    for folder in folder.parent().into_iter().chain([folder]) {
        match store.files.make_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    match store.files.create(&store.layout.upload_started(key)) {
        Ok(file) => file.write_at(key.started.to_rfc3339_opts(SecondsFormat::Secs, true).as_bytes(), 0)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    store.files.create(&store.layout.upload_data(key))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::super::{Attempt, StoreLock};
    use super::*;
    use crate::store::Store as _;

    fn body(pieces: Vec<Result<&'static [u8], BodyError>>) -> BodyStream<'static> {
        stream::iter(pieces).map(|piece| piece.map(Bytes::from_static)).boxed()
    }

    #[tokio::test]
    async fn the_digest_of_bytes_that_somebody_removed_is_not_taken_for_that_of_others() {
        let root = tempfile::tempdir().unwrap();
        let Attempt::Locked(lock) = StoreLock::try_acquire(root.path()).unwrap() else { panic!("busy") };
        let store = FilesystemStore::open(&lock).unwrap();
        let (repository, started) = ("team/app".parse().unwrap(), chrono::DateTime::UNIX_EPOCH);
        let key = UploadKey { repository, id: Uuid::from_u128(1), started };
        store.append(&key, None, body(vec![Ok(b"good")])).await.unwrap();
        std::fs::remove_dir_all(store.0.layout.repository(&key.repository)).unwrap();
        // As many bytes, and an end that leaves no record of their digest.
        store.append(&key, None, body(vec![Ok(b"evil"), Err(BodyError::Slow)])).await.unwrap_err();
        let good = Digest::of(Algorithm::Sha256, b"good");
        let committed = store.commit(&key, &good).await;
        assert!(matches!(committed, Err(StoreError::DigestMismatch { .. })), "{committed:?}");
        assert_eq!(store.stat_blob(&good).await.unwrap(), None);
    }
}
