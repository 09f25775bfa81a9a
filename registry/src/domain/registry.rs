use std::fmt;
use std::sync::Arc;

use crate::domain::locks::Locks;
use crate::store::Store;
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

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}
