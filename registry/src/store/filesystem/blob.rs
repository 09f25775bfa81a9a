use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use entrepot_oci::Digest;
use futures::{StreamExt as _, stream};

use super::failure::{During as _, if_present};
use super::files::File;
use super::{Volume, off_the_reactor};
use crate::store::{ByteStream, OpenBlob, StoreError};

/// How much of a blob is read at a time, in bytes: enough that the hop to another thread does not show.
const CHUNK: u64 = 256 * 1024;

/// A blob's open file.
pub(super) struct BlobFile {
    digest: Digest,
    size: u64,
    file: Arc<dyn File>,
}

pub(super) fn stat(store: &Volume, digest: &Digest) -> Result<Option<u64>, StoreError> {
    let path = store.layout.blob(digest);
    let size = if_present(store.files.size(&path)).during("look up", &path)?;
    let Some(size) = size.filter(|size| is_plausible(digest, *size)) else { return Ok(None) };
    store.tree.settle(&path)?;
    Ok(Some(size))
}

pub(super) fn open(store: &Volume, digest: &Digest) -> Result<Option<BlobFile>, StoreError> {
    let path = store.layout.blob(digest);
    let Some(file) = if_present(store.files.open(&path)).during("open", &path)? else { return Ok(None) };
    let size = file.size().during("look up", &path)?;
    Ok(is_plausible(digest, size).then(|| BlobFile { digest: digest.clone(), size, file: file.into() }))
}

pub(super) fn read(store: &Volume, digest: &Digest, limit: u64) -> Result<Option<Bytes>, StoreError> {
    let Some(blob) = open(store, digest)? else { return Ok(None) };
    if blob.size > limit {
        return Err(StoreError::TooLarge { digest: digest.clone(), size: blob.size, limit });
    }
    blob.read_at(0, blob.size).map(Some)
}

/// A file of no bytes under another digest is what a power loss leaves of a file that was never flushed.
fn is_plausible(digest: &Digest, size: u64) -> bool {
    size > 0 || *digest == Digest::of(digest.algorithm(), b"")
}

impl BlobFile {
    fn read_at(&self, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        let short = |missing| StoreError::ShortRead { digest: self.digest.clone(), missing };
        // At most the limit of `read` or a chunk.
        let length = usize::try_from(length).map_err(|_| short(length))?;
        let mut bytes = vec![0; length];
        let read = self.file.read_at(&mut bytes, offset).map_err(|source| StoreError::Io {
            operation: "read blob",
            path: self.digest.to_string().into(),
            source,
        })?;
        if read < length { Err(short((length - read) as u64)) } else { Ok(bytes.into()) }
    }
}

impl OpenBlob for BlobFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn stream(self: Box<Self>, range: Range<u64>) -> ByteStream {
        let blob = Arc::new(*self);
        let chunks = stream::try_unfold((blob, range), |(blob, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let length = CHUNK.min(range.end - range.start);
            let reader = Arc::clone(&blob);
            let bytes = off_the_reactor(move || reader.read_at(range.start, length)).await?;
            Ok(Some((bytes, (blob, range.start + length..range.end))))
        });
        chunks.boxed()
    }
}
