//! One watch for each Secret that a Registry refers to: the operator learns of the users' Secrets that it was pointed
//! at, and of no others.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use entrepot_crds::Registry;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinHandle;

use super::observe::{certificate_name, htpasswd_name};

type Target = ObjectRef<DeserializeGuard<Registry>>;

/// The watches of all Registries.
pub(super) struct SecretWatches {
    client: Client,
    changed: UnboundedSender<Target>,
    running: Mutex<HashMap<Target, HashMap<String, Watch>>>,
}

/// A running watch; it ends when this is dropped.
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SecretWatches {
    /// No watches yet, and the stream of Registries whose Secrets change.
    pub(super) fn new(client: Client) -> (Self, UnboundedReceiver<Target>) {
        let (changed, receiver) = unbounded();
        (Self { client, changed, running: Mutex::default() }, receiver)
    }

    /// Watches the Secrets that `registry` refers to now, and no longer those that it referred to before.
    pub(super) fn watch(&self, registry: &Registry) {
        let spec = &registry.spec;
        let names: BTreeSet<&str> =
            [certificate_name(spec), htpasswd_name(spec)].into_iter().flatten().collect();
        let target = target(&registry.namespace().unwrap_or_default(), &registry.name_any());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_empty() {
            running.remove(&target);
            return;
        }
        let watches = running.entry(target.clone()).or_default();
        watches.retain(|name, _| names.contains(name.as_str()));
        for name in names {
            watches.entry(name.to_owned()).or_insert_with(|| self.start(target.clone(), name));
        }
    }

    /// Ends the watches of a Registry that is gone.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&target(namespace, name));
    }

    /// How many Registries have watches.
    #[cfg(test)]
    pub(super) fn registries(&self) -> usize {
        self.running.lock().unwrap().len()
    }

    fn start(&self, target: Target, name: &str) -> Watch {
        let namespace = target.namespace.clone().unwrap_or_default();
        let api = Api::<PartialObjectMeta<Secret>>::namespaced(self.client.clone(), &namespace);
        let changed = self.changed.clone();
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let name = name.to_owned();
        Watch(tokio::spawn(async move {
            let mut events = watcher(api, config).default_backoff().touched_objects().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(_) => {
                        // The receiver goes only with the controller, and then nobody wants to know.
                        let _ = changed.unbounded_send(target.clone());
                    }
                    Err(error) => {
                        tracing::warn!(namespace, name, %error, "watching a Secret failed; it is tried again");
                    }
                }
            }
        }))
    }
}

fn target(namespace: &str, name: &str) -> Target {
    ObjectRef::new(name).within(namespace)
}
