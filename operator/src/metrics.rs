//! What the operator counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Seconds; a reconcile is a handful of requests to the API server.
const DURATIONS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do.
    Success,
    /// It will be tried again.
    Error,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Counters and gauges; clones count into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciliations: Family<ReconcileLabels, Counter<u64, AtomicU64>>,
    durations: Family<KindLabels, Histogram>,
    leader: Gauge,
}

impl Metrics {
    /// New metrics, all of them named in `registry` under `entrepot_operator_`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("entrepot_operator");
        let metrics = Self {
            reconciliations: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            leader: Gauge::default(),
        };
        registry.register(
            "reconciliations",
            "Reconciles by kind and outcome",
            metrics.reconciliations.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that one reconcile took",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("leader", "1 while this replica holds the Lease", metrics.leader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release that runs", build);
        metrics
    }

    /// Counts one reconcile of an object of `kind` (as in its YAML).
    pub fn reconciled(&self, kind: &'static str, outcome: Outcome, took: Duration) {
        self.reconciliations.get_or_create(&ReconcileLabels { kind, outcome: outcome.as_str() }).inc();
        self.durations.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// Whether this replica holds the Lease.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(i64::from(leader));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_named_as_documented() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.reconciled("Registry", Outcome::Success, Duration::from_millis(20));
        metrics.reconciled("Registry", Outcome::Error, Duration::from_millis(20));
        metrics.set_leader(true);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"entrepot_operator_reconciliations_total{kind="Registry",outcome="success"} 1"#,
            r#"entrepot_operator_reconciliations_total{kind="Registry",outcome="error"} 1"#,
            r#"entrepot_operator_reconcile_duration_seconds_count{kind="Registry"} 2"#,
            "entrepot_operator_leader 1",
            &format!(r#"entrepot_operator_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line} is not in\n{text}");
        }
    }
}
