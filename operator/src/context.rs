//! What every controller is given.

use jiff::Timestamp;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::metrics::Metrics;

/// The clock, so that tests can set it.
pub type Clock = fn() -> Timestamp;

/// What an administrator decided for the whole installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The image of the registry server, for Registries that name none.
    pub registry_image: String,
    /// The cluster's DNS domain, without a final dot.
    pub cluster_domain: String,
    /// Where the node agents report.
    pub node_agent_namespace: String,
    /// How many objects of one kind are reconciled at a time.
    pub concurrency: u16,
}

/// The outside world as controllers see it. Clones share one client, one recorder and one set of metrics.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Events; shared, because it folds repetitions into one.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// The installation's settings.
    pub settings: Settings,
}

impl Context {
    /// `instance` is this replica's name, as it stands in events.
    pub fn new(client: Client, metrics: Metrics, settings: Settings, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "entrepot-operator".to_owned(), instance: Some(instance.to_owned()) };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            metrics,
            clock: Timestamp::now,
            settings,
        }
    }
}
