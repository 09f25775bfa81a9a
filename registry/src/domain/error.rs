use entrepot_oci::{Digest, ManifestError, Reference, RepositoryName};

use crate::domain::put_plan::Violation;
use crate::store::{BodyError, StoreError};

/// Why a verb was refused or failed. Each variant is one answer to the client.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// Absent, or without a link in this repository: the two are not told apart.
    #[error("repository {repository} has no blob {digest}")]
    BlobUnknown {
        /// Where it was looked for.
        repository: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// A blob that is in use cannot be deleted.
    #[error("blob {digest} is referenced by manifest {manifest} of this repository; delete that first")]
    BlobReferenced {
        /// The blob.
        digest: Digest,
        /// One of the manifests that need it.
        manifest: Digest,
    },
    /// No such tag, or no such digest, in this repository.
    #[error("repository {repository} has no manifest {reference}")]
    ManifestUnknown {
        /// Where it was looked for.
        repository: RepositoryName,
        /// The tag or digest.
        reference: Reference,
    },
    /// No manifest was ever pushed here, or the last one was deleted.
    #[error("there is no repository {repository}")]
    RepositoryUnknown {
        /// The name.
        repository: RepositoryName,
    },
    /// The manifest itself is wrong.
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    /// The manifest is over [`MANIFEST_LIMIT`](crate::domain::MANIFEST_LIMIT).
    #[error("the manifest has {size} bytes; at most {limit} are accepted")]
    ManifestTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifest names what is not here, or not of that size. Never empty.
    #[error("the manifest refers to {} that this repository does not have as described", count(.0.len()))]
    ManifestUnverified(Vec<Violation>),
    /// Content does not have the digest that its sender names.
    #[error("the content has the digest {found}, not {expected}")]
    DigestMismatch {
        /// What was named.
        expected: Digest,
        /// What was found.
        found: Digest,
    },
    /// No such upload for this user in this repository: made up, ended, too old, somebody else's.
    #[error("there is no such upload here; start a new one")]
    UploadUnknown,
    /// Another request is working on the same upload.
    #[error("another request is working on this upload; wait for it to end")]
    UploadBusy,
    /// A chunk that does not follow the last one.
    #[error("the upload holds {current} bytes; the next chunk must start at {current}")]
    RangeInvalid {
        /// How many bytes the upload holds.
        current: u64,
    },
    /// The body broke off, was too slow, or has another length than announced.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The volume is full.
    #[error("the registry has no space left")]
    Full,
    /// This server is on its way out and writes no more; another one takes over.
    #[error("this server is shutting down; try again in a moment")]
    ShuttingDown,
    /// The store failed: a fault of ours, whose text is for the log only.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for DomainError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::Full,
            StoreError::UploadOffset { current } => Self::RangeInvalid { current },
            StoreError::UploadBusy => Self::UploadBusy,
            StoreError::DigestMismatch { expected, found } => Self::DigestMismatch { expected, found },
            StoreError::Released => Self::ShuttingDown,
            StoreError::Body(body) => Self::Body(body),
            other @ (StoreError::Io { .. }
            | StoreError::ShortRead { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Worker { .. }) => Self::Store(other),
        }
    }
}

fn count(violations: usize) -> String {
    if violations == 1 { "a blob".into() } else { format!("{violations} blobs") }
}
