use std::sync::Arc;

use super::{access_log::AccessLog, location::Locations};
use crate::{auth::Authenticator, domain::Registry, gate::WriteGate, metrics::Metrics};

/// What every request needs. Built once; shared.
pub struct App {
    /// The verbs.
    pub registry: Registry,
    /// Who asks.
    pub authenticator: Arc<Authenticator>,
    /// Shuts out changes while the server stops.
    pub gate: Arc<WriteGate>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether requests are logged.
    pub access_log: AccessLog,
    /// Makes URLs.
    pub locations: Locations,
    /// Whether anything may be deleted.
    pub delete_enabled: bool,
}
