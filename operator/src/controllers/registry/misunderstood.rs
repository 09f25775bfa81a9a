//! Registries that this operator cannot read: an event tells of each version once, however often it is met.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The last version told of, by UID.
#[derive(Debug, Default)]
pub(super) struct Misunderstood(Mutex<HashMap<String, Option<String>>>);

impl Misunderstood {
    /// Whether this version has not been told of; from now on it has.
    pub(super) fn is_news(&self, meta: &ObjectMeta) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(meta.uid.clone().unwrap_or_default(), meta.resource_version.clone());
        before.as_ref() != Some(&meta.resource_version)
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, meta: &ObjectMeta) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(meta.uid.as_deref().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_news_once() {
        let version = |version: &str| ObjectMeta {
            uid: Some("a".to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        };
        let told = Misunderstood::default();
        assert!(told.is_news(&version("1")));
        assert!(!told.is_news(&version("1")));
        assert!(told.is_news(&version("2")));
        told.forget(&version("2"));
        assert!(told.is_news(&version("2")));
    }
}
