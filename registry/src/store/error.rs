use std::io;
use std::path::PathBuf;

use entrepot_oci::Digest;

/// Why a store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space, no inode or no quota is left.
    #[error("no space left while the store was to {operation} {}", path.display())]
    Full {
        /// What was being done: a verb.
        operation: &'static str,
        /// To what. For the log, never for a client.
        path: PathBuf,
    },
    /// Any other failure beneath.
    #[error("the store could not {operation} {}: {source}", path.display())]
    Io {
        /// What was being done: a verb.
        operation: &'static str,
        /// To what. For the log, never for a client.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A blob ended before its size.
    #[error("blob {digest} ended {missing} bytes before its size")]
    ShortRead {
        /// The blob.
        digest: Digest,
        /// How much was missing.
        missing: u64,
    },
    /// A blob is larger than the caller wants in memory.
    #[error("blob {digest} has {size} bytes, more than the {limit} that are read at once")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An append that does not follow the last one.
    #[error("the upload holds {current} bytes; the next chunk must start there")]
    UploadOffset {
        /// How many bytes it holds.
        current: u64,
    },
    /// Two requests for one upload at once.
    #[error("another request is working on this upload")]
    UploadBusy,
    /// An upload whose bytes are not what their sender says.
    #[error("the uploaded content has the digest {found}, not {expected}")]
    DigestMismatch {
        /// What the client named.
        expected: Digest,
        /// What it sent.
        found: Digest,
    },
    /// The sender's fault.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// This process has given the store up to its successor.
    #[error("the store is given up to another process; nothing is written any more")]
    Released,
    /// A task that was to do the work died.
    #[error("the store's worker stopped: {reason}")]
    Worker {
        /// What it left behind.
        reason: String,
    },
}

/// Why the body of a request ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke.
    #[error("the request's body ended early: {0}")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was too slow.
    #[error("the request's body came too slowly")]
    Slow,
    /// It has another length than announced.
    #[error("the request announced {announced} bytes and its body has {found}")]
    Length {
        /// By `Content-Length` or `Content-Range`.
        announced: u64,
        /// How many came before it was given up; of a body that is too long, not all.
        found: u64,
    },
}
