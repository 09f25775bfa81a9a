//! The controller manager: one process that serves its metrics, waits for the Lease, works while it
//! holds it, and gives it back.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use prometheus_client::registry::Registry;
use rand::distr::{Alphanumeric, SampleString as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::args::RunArgs;
use crate::context::{Context, Settings};
use crate::health::{self, Readiness};
use crate::lease::{Election, LeaseLost};
use crate::metrics::Metrics;

/// The Lease of every installation.
pub const LEASE_NAME: &str = "entrepot-operator";

/// Reconciles in flight get this long to end after SIGTERM; the Pod's grace period is longer.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// Why the manager ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// No API server could be found from the environment.
    #[error("no way to the API server: run in a Pod with a ServiceAccount, or set KUBECONFIG")]
    Client(#[source] kube::Error),
    /// The port of metrics and health is taken.
    #[error("port {port} for metrics and health cannot be listened on: choose another with --http-port")]
    Listen {
        /// The port.
        port: u16,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("SIGTERM cannot be listened for")]
    Signal(#[source] std::io::Error),
    /// Another replica leads, or may soon.
    #[error(transparent)]
    Lost(#[from] LeaseLost),
    /// A controller's stream ended, which only a bug can cause.
    #[error("the controllers ended by themselves")]
    Ended,
}

/// Runs `controllers` while this replica leads, until SIGTERM or SIGINT (Ok) or the Lease is lost (Err).
///
/// `controllers` must return soon after the token is cancelled. When the Lease is lost it is dropped
/// where it stands, so none of its steps may rely on being followed by the next one.
pub async fn run<Start, Work>(args: RunArgs, controllers: Start) -> Result<(), ManagerError>
where
    Start: FnOnce(Context, CancellationToken) -> Work,
    Work: Future<Output = ()>,
{
    let mut stop_signal = StopSignal::new().map_err(ManagerError::Signal)?;
    let client = Client::try_default().await.map_err(ManagerError::Client)?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::default();
    serve(args.http_port, registry, readiness.clone()).await?;

    let identity = identity(&args.pod_name);
    let mut election = Election::new(client.clone(), &args.namespace, LEASE_NAME, identity, Timestamp::now);
    tokio::select! {
        () = election.acquire(|| readiness.set_ready()) => {}
        () = stop_signal.received() => return Ok(()),
    }
    metrics.set_leader(true);
    let context = Context::new(client, metrics, settings(&args), &args.pod_name);
    lead(election, context, controllers, &mut stop_signal).await
}

async fn lead<Start, Work>(
    mut election: Election,
    context: Context,
    controllers: Start,
    stop_signal: &mut StopSignal,
) -> Result<(), ManagerError>
where
    Start: FnOnce(Context, CancellationToken) -> Work,
    Work: Future<Output = ()>,
{
    let stop = CancellationToken::new();
    let mut work = pin!(controllers(context, stop.clone()));
    tokio::select! {
        lost = election.hold() => return Err(lost.into()),
        () = &mut work => return Err(ManagerError::Ended),
        () = stop_signal.received() => info!("stopping"),
    }
    stop.cancel();
    if timeout(STOP_GRACE, work).await.is_ok() {
        election.release().await;
    } else {
        // Something may still be on its way to the API server: the successor waits for the term's end.
        warn!("a reconcile did not end in time; keeping the Lease until it expires");
    }
    Ok(())
}

async fn serve(port: u16, metrics: Registry, readiness: Readiness) -> Result<(), ManagerError> {
    let listener = health::listen(port).await.map_err(|source| ManagerError::Listen { port, source })?;
    let router = health::router(Arc::new(metrics), readiness);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            error!(%error, "metrics and health are not served any more");
        }
    });
    Ok(())
}

fn settings(args: &RunArgs) -> Settings {
    Settings {
        registry_image: args.registry_image.clone(),
        cluster_domain: args.cluster_domain.clone(),
        node_agent_namespace: args.node_agent_namespace.clone(),
        concurrency: args.concurrency,
    }
}

/// A Pod's name survives a restart of its container; the random part does not.
fn identity(pod_name: &str) -> String {
    format!("{pod_name}_{}", Alphanumeric.sample_string(&mut rand::rng(), 12))
}

/// SIGTERM (the kubelet's) or SIGINT (a terminal's).
pub struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// Signals count from now on, and no longer end the process by themselves.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns when one of them has come.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
