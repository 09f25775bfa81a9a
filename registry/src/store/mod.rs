//! What a registry keeps, in nouns: blobs, links, tags, repositories and uploads. Nothing here says path, rename,
//! append to a file or touch, so that a bucket can stand behind it as well as a folder.
//!
//! **Durability.** Whatever a call of [`Store::write`] or [`Store::commit`] changed survives power loss once the call has
//! returned `Ok`; an unfinished upload need only survive the process. When it returns an error nothing, some or all of it may be visible, and none of it is
//! promised. Between two calls the order is kept: what an earlier one acknowledged is never lost while the
//! effect of a later one survives.
//!
//! **Exclusion.** The store makes each mutation atomic by itself: a reader sees all of a blob, link or tag or none of it.
//! What must hold *between* objects (a manifest's links exist) is the domain's, which holds its locks meanwhile.

#[cfg(test)]
mod contract;
mod error;
pub mod filesystem;
mod mutation;
mod page;
mod upload_key;

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use entrepot_oci::{Digest, RepositoryName, Tag};
use futures::stream::BoxStream;

pub use error::{BodyError, StoreError};
pub use filesystem::{FilesystemStore, RunningMark, StoreLock};
pub use mutation::{LinkKind, Mutation};
pub use page::Page;
pub use upload_key::UploadKey;

/// The bytes of a blob on their way out. An error ends it: what was promised and cannot be read is never padded.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// The bytes of a request's body on their way in.
pub type BodyStream<'a> = BoxStream<'a, Result<Bytes, BodyError>>;

/// Everything a registry keeps. One contract suite holds for every implementation.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The size in bytes of a blob; `None` when it is absent. What is found may be relied upon: should it have been
    /// published by a call that has not returned yet, it is made durable first.
    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>, StoreError>;

    /// Opens a blob. The handle goes on reading the same bytes even if the blob is replaced or deleted meanwhile.
    async fn open_blob(&self, digest: &Digest) -> Result<Option<Box<dyn OpenBlob>>, StoreError>;

    /// All of a blob of at most `limit` bytes; [`StoreError::TooLarge`] when it has more. Not verified.
    async fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, StoreError>;

    /// The digest of the stored bytes that `repository` may use under the name `digest`. It is usually the same; a volume
    /// may map a `sha512` name to bytes that are stored as `sha256`. A link that cannot be understood is absent, so that
    /// a client's own push repairs it. Relied upon as in [`Store::stat_blob`].
    async fn link(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        digest: &Digest,
    ) -> Result<Option<Digest>, StoreError>;

    /// The digests that have a link of `kind` in `repository`, in the order of their text, after `after`.
    async fn links(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>, StoreError>;

    /// The digest that a tag names.
    async fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, StoreError>;

    /// The tags of `repository` in byte order, after the text `after`, which need not be a tag. Empty when the repository
    /// is absent.
    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>, StoreError>;

    /// Whether `repository` has at least one manifest.
    async fn has_manifests(&self, repository: &RepositoryName) -> Result<bool, StoreError>;

    /// The repositories that have at least one manifest, in byte order, after the text `after`, which need not be a name.
    async fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RepositoryName>, StoreError>;

    /// One round: carries out all of `mutations`, in no promised order, and returns when all are durable.
    /// What must be there before something else goes into an earlier round.
    async fn write(&self, mutations: Vec<Mutation>) -> Result<(), StoreError>;

    /// The number of bytes that an upload holds; 0 when nothing was ever appended.
    async fn upload_size(&self, upload: &UploadKey) -> Result<u64, StoreError>;

    /// Adds `body` to an upload that holds `offset` bytes (`None`: however many), and answers how many it holds then.
    ///
    /// [`StoreError::UploadOffset`] when it holds another number, before any byte of `body` is taken;
    /// [`StoreError::UploadBusy`] while another call works on the same upload. When `body` ends with an error, the bytes
    /// before it stay and [`Store::upload_size`] counts them.
    async fn append(
        &self,
        upload: &UploadKey,
        offset: Option<u64>,
        body: BodyStream<'_>,
    ) -> Result<u64, StoreError>;

    /// Makes the bytes of an upload the blob `digest` and ends the upload; answers the blob's size. Replaces a stored file,
    /// for these bytes were hashed and that file may be damaged. Never appended to, the upload is empty.
    ///
    /// [`StoreError::DigestMismatch`] when the bytes have another digest: the upload is gone then, too.
    async fn commit(&self, upload: &UploadKey, digest: &Digest) -> Result<u64, StoreError>;

    /// Drops an upload and its bytes. Absent is fine.
    async fn cancel(&self, upload: &UploadKey) -> Result<(), StoreError>;
}

/// An open blob.
pub trait OpenBlob: Send {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Its bytes in `range`, which must lie within the size; a file that has become shorter ends the stream with
    /// [`StoreError::ShortRead`].
    fn stream(self: Box<Self>, range: Range<u64>) -> ByteStream;
}
