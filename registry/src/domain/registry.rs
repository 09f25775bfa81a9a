use std::fmt;
use std::sync::Arc;

use crate::domain::DomainError;
use crate::domain::locks::Locks;
use crate::store::{Store, StoreError};
use crate::upload::{ClosedUploads, Sessions};

/// The registry: every verb that a client has, in its own file of this module. Cheap to clone.
///
/// Who may do what is decided before a verb is called.
#[derive(Clone)]
pub struct Registry {
    pub(super) store: Arc<dyn Store>,
    pub(super) locks: Arc<Locks>,
    pub(super) sessions: Sessions,
    pub(super) closed: Arc<ClosedUploads>,
}

impl Registry {
    /// Over `store`, of which this process must be the only writer, and with `secret` to sign upload sessions, which
    /// should be the same after a restart.
    pub fn new(store: Arc<dyn Store>, secret: &[u8]) -> Self {
        Self { store, locks: Arc::default(), sessions: Sessions::new(secret), closed: Arc::default() }
    }
}

/// Runs a verb to its end even if whoever asked for it hangs up: dropped halfway it would let go of its locks while the
/// store, on another thread, still writes.
pub(super) async fn to_the_end<T: Send + 'static>(
    verb: impl Future<Output = Result<T, DomainError>> + Send + 'static,
) -> Result<T, DomainError> {
    let joined = tokio::spawn(verb).await;
    joined.unwrap_or_else(|error| Err(StoreError::Worker { reason: error.to_string() }.into()))
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}
