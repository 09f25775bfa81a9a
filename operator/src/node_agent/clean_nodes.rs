//! The step before an uninstall: has the agents of every node remove what they wrote.

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::args::CleanNodesArgs;

const POLL: Duration = Duration::from_secs(1);

/// The agent's flag.
const CLEANUP: &str = "--cleanup";

/// Why nodes were not even asked.
#[derive(Debug, thiserror::Error)]
pub enum CleanNodesError {
    /// No API server could be found from the environment.
    #[error("no way to the API server: run in a Pod with a ServiceAccount, or set KUBECONFIG")]
    Client(#[source] kube::Error),
    /// The DaemonSet cannot be read or changed.
    #[error("the DaemonSet {name} cannot be told to clean up")]
    Patch {
        /// Its name.
        name: String,
        /// What the API server answered.
        source: kube::Error,
    },
}

/// Restarts the DaemonSet's Pods with `--cleanup` and waits until each has done it, or the time is over.
///
/// A node that does not answer in time is no error: an uninstall must not depend on a dead machine. What
/// is left there leads nowhere, and the log says what removes it.
pub async fn run(args: CleanNodesArgs) -> Result<(), CleanNodesError> {
    let client = Client::try_default().await.map_err(CleanNodesError::Client)?;
    run_with(args, client).await
}

/// The same, as whoever `client` is.
pub async fn run_with(args: CleanNodesArgs, client: Client) -> Result<(), CleanNodesError> {
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client, &args.namespace);
    let failed = |source| CleanNodesError::Patch { name: args.daemon_set.clone(), source };
    let Some(live) = daemon_sets.get_opt(&args.daemon_set).await.map_err(failed)? else {
        info!(daemon_set = args.daemon_set, "there is no node agent, so there is nothing to clean");
        return Ok(());
    };
    if let Some(patch) = cleanup_patch(&live) {
        let params = PatchParams::default();
        daemon_sets.patch(&args.daemon_set, &params, &Patch::Merge(patch)).await.map_err(failed)?;
    }
    let deadline = Instant::now() + args.timeout;
    loop {
        match daemon_sets.get(&args.daemon_set).await {
            Ok(daemon_set) if is_done(&daemon_set) => {
                info!("every node is clean");
                return Ok(());
            }
            Ok(daemon_set) => info!(remaining = remaining(&daemon_set), "waiting for nodes"),
            Err(error) => warn!(%error, "the DaemonSet cannot be read"),
        }
        if Instant::now() >= deadline {
            warn!(
                "some nodes did not answer in time: remove every folder beneath /etc/containerd that holds a file named .entrepot from them"
            );
            return Ok(());
        }
        sleep(POLL).await;
    }
}

/// The agents' containers with the flag added; None when they have it. The resourceVersion makes the API
/// server refuse it if the DaemonSet changed since it was read, for a merge patch replaces the whole list.
fn cleanup_patch(live: &DaemonSet) -> Option<Value> {
    let mut containers = live.spec.as_ref()?.template.spec.as_ref()?.containers.clone();
    let mut changed = false;
    for container in &mut containers {
        let args = container.args.get_or_insert_default();
        if !args.iter().any(|arg| arg == CLEANUP) {
            args.push(CLEANUP.to_owned());
            changed = true;
        }
    }
    changed.then(|| {
        json!({
            "metadata": {"resourceVersion": live.metadata.resource_version},
            // All at once: nodes are not needed one after the other when there is nothing left to serve.
            "spec": {
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}},
                "template": {"spec": {"containers": containers}},
            },
        })
    })
}

/// An agent that could not remove something ends, so that its Pod is not available for `minReadySeconds`.
fn is_done(daemon_set: &DaemonSet) -> bool {
    let observed = daemon_set.status.as_ref().and_then(|status| status.observed_generation);
    observed >= daemon_set.metadata.generation && remaining(daemon_set) == 0
}

fn remaining(daemon_set: &DaemonSet) -> i32 {
    daemon_set.status.as_ref().map_or(0, |status| {
        let updated = status.updated_number_scheduled.unwrap_or(0);
        status.desired_number_scheduled - updated.min(status.number_available.unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon_set(args: &[&str], status: &Value) -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": {"name": "entrepot-node-agent", "resourceVersion": "7", "generation": 2},
            "spec": {
                "selector": {},
                "template": {"spec": {"containers": [{"name": "agent", "image": "i", "args": args}]}},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn status(observed: i64, desired: i32, updated: i32, available: i32) -> Value {
        json!({"observedGeneration": observed, "desiredNumberScheduled": desired, "currentNumberScheduled": desired,
            "numberMisscheduled": 0, "numberReady": available, "updatedNumberScheduled": updated,
            "numberAvailable": available})
    }

    #[test]
    fn the_flag_is_added_once_and_nothing_else_changes() {
        let patch = cleanup_patch(&daemon_set(&["node-agent"], &status(2, 1, 1, 1))).unwrap();
        assert_eq!(patch["metadata"], json!({"resourceVersion": "7"}));
        assert_eq!(
            patch["spec"]["template"]["spec"]["containers"],
            json!([{"name": "agent", "image": "i", "args": ["node-agent", "--cleanup"]}])
        );
        assert_eq!(cleanup_patch(&daemon_set(&["node-agent", "--cleanup"], &status(2, 1, 1, 1))), None);
    }

    #[test]
    fn it_is_done_when_every_node_runs_the_new_agent() {
        for (status, done) in [
            (status(1, 2, 2, 2), false),
            (status(2, 2, 1, 2), false),
            (status(2, 2, 2, 1), false),
            (status(2, 2, 2, 2), true),
            (status(2, 0, 0, 0), true),
        ] {
            assert_eq!(is_done(&daemon_set(&["node-agent"], &status)), done, "{status}");
        }
    }
}
