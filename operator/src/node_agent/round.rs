//! One round: observe, plan, probe, act, report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use entrepot_crds::Registry;
use entrepot_crds::node_report::{NodeReport, RegistryReport};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use tracing::{debug, info, warn};

use super::act::act;
use super::claim::{Claim, Endpoint, claims};
use super::containerd_config::{self, ConfigPath, Runtime};
use super::containerd_files;
use super::live::Live;
use super::plan::{Operation, Plan, Probes, plan};
use super::probe::probe;
use super::report::Reporter;
use crate::args::NodeAgentArgs;

/// Registries that are asked at the same time.
const PROBES_AT_ONCE: usize = 16;

/// What rounds need, and nothing that one leaves for the next but what was last reported.
pub(super) struct Round {
    containerd_dir: PathBuf,
    cluster_domain: String,
    node: Node,
    reporter: Reporter,
}

/// Why a round could not be planned: everything stays as it is.
#[derive(Debug, thiserror::Error)]
#[error("this node's folders cannot be read: {0}")]
struct ScanError(#[from] std::io::Error);

impl Round {
    pub(super) fn new(args: &NodeAgentArgs, reporter: Reporter, node: Node) -> Self {
        Self {
            containerd_dir: args.containerd_dir.clone(),
            cluster_domain: args.cluster_domain.clone(),
            node,
            reporter,
        }
    }

    /// Whether nothing is left to do: false asks for another round soon.
    pub(super) async fn run(&mut self, registries: &[Arc<DeserializeGuard<Registry>>]) -> bool {
        let claims = claims(registries.iter().map(Arc::as_ref), &self.cluster_domain);
        let reports = match self.settle(&claims).await {
            Ok(reports) => reports,
            Err(error) => {
                warn!(%error, "nothing was changed");
                all_failed(&claims, &error)
            }
        };
        let settled = reports.values().all(|report| report.configured);
        let report = NodeReport { node: self.node.name_any(), registries: reports };
        match self.reporter.publish(&self.node, &report).await {
            Ok(()) => settled,
            Err(error) => {
                warn!(%error, "the report was not published");
                false
            }
        }
    }

    /// Takes a Node that was just read, and looks at the published report again.
    pub(super) fn refresh(&mut self, node: Node) {
        self.node = node;
        self.reporter.forget();
    }

    async fn settle(&self, claims: &[Claim]) -> Result<BTreeMap<String, RegistryReport>, ScanError> {
        let mounted = self.containerd_dir.to_string_lossy();
        let config = match containerd_files::read(&self.containerd_dir) {
            Ok(files) => containerd_config::config_path(&files, &self.runtime(), &mounted),
            Err(why) => ConfigPath::Unusable(why),
        };
        let live = scan(&config, &mounted)?;
        let draft = plan(claims, &config, &live, &Probes::new());
        let probes = ask(&draft.unprobed).await;
        let plan = plan(claims, &config, &live, &probes);
        Ok(carry_out(plan))
    }

    fn runtime(&self) -> Runtime {
        let info = self.node.status.as_ref().and_then(|status| status.node_info.as_ref());
        Runtime::parse(info.map_or("", |info| info.container_runtime_version.as_str()))
    }
}

fn scan(config: &ConfigPath, mounted: &str) -> Result<Live, ScanError> {
    let mut roots = containerd_config::default_roots(mounted);
    if let ConfigPath::Roots(configured) = config {
        roots.extend(configured.iter().cloned());
    }
    roots.sort();
    roots.dedup();
    Ok(Live::scan(roots.iter().map(String::as_str))?)
}

async fn ask(endpoints: &BTreeMap<String, Endpoint>) -> Probes {
    futures::stream::iter(endpoints.clone())
        .map(|(uid, endpoint)| async move { (uid, probe(&endpoint).await) })
        .buffer_unordered(PROBES_AT_ONCE)
        .collect()
        .await
}

/// A handful of small files: not worth a thread of their own in a program that does nothing else.
fn carry_out(plan: Plan) -> BTreeMap<String, RegistryReport> {
    let mut reports = plan.reports;
    for operation in &plan.operations {
        match (act(operation), operation) {
            (Ok(()), Operation::Write(place, content)) => {
                info!(%place, registry = content.registry, "wrote the folder");
            }
            (Ok(()), Operation::Remove(place)) => info!(%place, "removed the folder"),
            (Ok(()), Operation::RemoveLeftover(place)) => debug!(%place, "removed a leftover"),
            (Err(error), Operation::Write(place, content)) => {
                warn!(%place, %error, "the folder was not written");
                reports.insert(content.uid.clone(), failed("WriteFailed", error.to_string()));
            }
            (Err(error), Operation::Remove(place) | Operation::RemoveLeftover(place)) => {
                warn!(%place, %error, "the folder was not removed");
            }
        }
    }
    reports
}

fn all_failed(claims: &[Claim], error: &ScanError) -> BTreeMap<String, RegistryReport> {
    claims.iter().map(|claim| (claim.uid.clone(), failed("NodeUnreadable", error.to_string()))).collect()
}

fn failed(reason: &str, message: String) -> RegistryReport {
    RegistryReport { configured: false, reason: reason.to_owned(), message }
}

/// Says that this node is configured for no Registry; a failure is logged, for nobody depends on it.
pub(super) async fn report_nothing(reporter: &mut Reporter, node: &Node) {
    let report = NodeReport { node: node.name_any(), registries: BTreeMap::new() };
    if let Err(error) = reporter.publish(node, &report).await {
        warn!(%error, "the report was not published");
    }
}

#[cfg(test)]
mod tests;
