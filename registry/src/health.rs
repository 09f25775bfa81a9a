//! Whether the server is ready, and why not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// What keeps the server from being ready, each under a name. Ready when there is nothing.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<&'static str, String>>);

impl Health {
    /// `name` keeps the server from being ready, because of `reason`, which people read.
    pub fn hold(&self, name: &'static str, reason: impl Into<String>) {
        self.reasons_mut().insert(name, reason.into());
    }

    /// `name` does so no more.
    pub fn clear(&self, name: &'static str) {
        self.reasons_mut().remove(name);
    }

    /// Why the server is not ready, by name; empty when it is.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.reasons_mut().clone()
    }

    fn reasons_mut(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
