//! The running server: what happens between its start and its end.
//!
//! ```text
//! inputs read ─> debug listener (live) ─> store locked ─> store open ─> data listener (ready)
//! SIGTERM ─> no new changes ─> changes under way end ─> store unlocked ─> answers under way end ─> exit
//! ```

mod accept;
mod connection;
mod debug;
mod files;
mod inputs;
mod listener;
mod patience;
mod reload;
mod signals;
mod tls;

use std::{sync::Arc, time::Instant};

use axum::Router;
use entrepot_registry_config::Config;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::task::TaskTracker;

pub use connection::{Speaker, Timeouts};
pub use debug::router as debug_router;
pub use inputs::InputError;
pub use listener::ListenError;
pub use signals::Signals;
pub use tls::{Certificates, CurrentCertificates, TlsError};

use self::{inputs::Inputs, reload::Reloader};
use crate::{
    domain::Registry,
    gate::WriteGate,
    health::Health,
    http::{AccessLog, App, Locations},
    metrics::Metrics,
    store::filesystem::{FilesystemStore, LockError, MarkError, OpenError, RunningMark, StoreLock},
};

/// Why a server could not start, or ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file that the configuration names.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The store's lock.
    #[error("{source} (this process runs as uid {uid})")]
    Lock {
        /// As whom.
        uid: nix::unistd::Uid,
        /// What failed.
        source: LockError,
    },
    /// The store's mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The store.
    #[error("{source} (this process runs as uid {uid})")]
    Open {
        /// As whom.
        uid: nix::unistd::Uid,
        /// What failed.
        source: OpenError,
    },
    /// The thread that was to open the store died.
    #[error("the store could not be opened: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was asked has been answered.
    Drained,
    /// Time was up before that.
    OutOfTime,
    /// A signal came before it was ready.
    BeforeReady,
}

/// Serves until the first signal, and then until everything is answered or `http.draintimeout` is over.
pub async fn serve(config: Config, mut signals: Signals) -> Result<Ended, ServeError> {
    let health = Arc::new(Health::default());
    let metrics = Metrics::new();
    files::raise_limit();
    let inputs = Inputs::load(&config)?;
    health.hold("startup", "the server is starting");
    serve_debug(&config, &health, &metrics).await?;
    let lock = tokio::select! {
        locked = lock(&config, &health) => locked?,
        () = signals.next() => return Ok(Ended::BeforeReady),
    };
    let store = Opened::open(lock).await?;
    let running = match Running::start(&config, inputs, &store.store, metrics).await {
        Ok(running) => running,
        Err(error) => {
            // Nothing was answered: the next start need not take this end for a crash.
            store.mark.clear()?;
            return Err(error);
        }
    };
    health.clear("startup");
    signals.next().await;
    health.hold("stopping", "the server is stopping");
    tokio::spawn(async move {
        signals.next().await;
        // Whoever asks twice does not want to wait. The kernel gives the lock back; nothing acknowledged is in memory only.
        std::process::exit(1);
    });
    Ok(running.stop(store, config.http.draintimeout.0).await)
}

async fn serve_debug(
    config: &Config,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
) -> Result<(), ListenError> {
    let Some(debug) = &config.http.debug else { return Ok(()) };
    let router = debug::router(Arc::clone(health), Arc::clone(metrics), &debug.prometheus);
    let listener = listener::listen(&debug.addr).await?;
    announce(&listener, "health and metrics");
    let speaker = Speaker { router, tls: None, timeouts: Timeouts::default() };
    // Nobody tells it to stop: it says that the server is stopping until there is no server.
    let (_, never) = watch::channel(false);
    tokio::spawn(accept::accept(listener, speaker, TaskTracker::new(), never));
    Ok(())
}

fn announce(listener: &TcpListener, what: &str) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening for {what}");
    }
}

async fn lock(config: &Config, health: &Health) -> Result<StoreLock, ServeError> {
    let root = &config.storage.filesystem.rootdirectory;
    let locked = StoreLock::acquire(root, |holder| {
        let who = holder.map_or_else(|| "another process".into(), ToString::to_string);
        tracing::info!(root = %root.display(), "waiting: the store is in use by {who}");
        health.hold("store", format!("waiting for the store, which is in use by {who}"));
    });
    let lock = locked.await.map_err(|source| ServeError::Lock { uid: nix::unistd::geteuid(), source })?;
    health.clear("store");
    Ok(lock)
}

/// A store that is this process's alone.
struct Opened {
    lock: StoreLock,
    mark: RunningMark,
    store: FilesystemStore,
}

impl Opened {
    async fn open(lock: StoreLock) -> Result<Self, ServeError> {
        let opened = tokio::task::spawn_blocking(move || {
            let store = FilesystemStore::open(&lock)
                .map_err(|source| ServeError::Open { uid: nix::unistd::geteuid(), source })?;
            // Not before: a store that cannot be opened answers nobody, and each try would leave a mark.
            let mark = RunningMark::set(&lock)?;
            Ok::<_, ServeError>(Self { lock, mark, store })
        });
        opened.await?
    }
}

/// A server that accepts connections.
struct Running {
    gate: Arc<WriteGate>,
    connections: TaskTracker,
    stopping: watch::Sender<bool>,
}

impl Running {
    async fn start(
        config: &Config,
        inputs: Inputs,
        store: &FilesystemStore,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let gate = Arc::new(WriteGate::default());
        let Inputs { authenticator, certificates, secret } = inputs;
        let tls = certificates.as_ref().map(CurrentCertificates::server_config).transpose();
        let tls = tls.map_err(InputError::from)?;
        let reloader = Reloader::new(config.clone(), Arc::clone(&authenticator), certificates);
        tokio::spawn(reloader.run());
        let host = config.http.host.as_ref().filter(|_| !config.http.relativeurls);
        let disabled = config.log.accesslog.disabled;
        let app = App {
            registry: Registry::new(Arc::new(store.clone()), &secret),
            authenticator,
            gate: Arc::clone(&gate),
            metrics,
            access_log: if disabled { AccessLog::Disabled } else { AccessLog::Enabled },
            locations: Locations::new(host),
            delete_enabled: config.storage.delete.enabled,
        };
        let router: Router = crate::app(app);
        let listener = listener::listen(&config.http.addr).await?;
        announce(&listener, if tls.is_some() { "HTTPS" } else { "HTTP" });
        let (connections, (stopping, stop)) = (TaskTracker::new(), watch::channel(false));
        let speaker = Speaker { router, tls, timeouts: Timeouts::default() };
        tokio::spawn(accept::accept(listener, speaker, connections.clone(), stop));
        Ok(Self { gate, connections, stopping })
    }

    /// Ends changes, gives the store up, then ends everything.
    async fn stop(self, store: Opened, patience: std::time::Duration) -> Ended {
        let start = Instant::now();
        // Connections end after the answer under way; new ones are still accepted, for reading.
        self.stopping.send_replace(true);
        tracing::info!("stopping; a second signal ends the server at once");
        let Opened { lock, mark, store: _store } = store;
        let drain = async {
            self.gate.shut().await;
            if let Err(error) = lock.release().await {
                tracing::error!(%error, "the store's lock could not be given up before the end");
            }
            self.connections.close();
            self.connections.wait().await;
        };
        if tokio::time::timeout(patience, drain).await.is_err() {
            tracing::warn!(?patience, "not everything was answered in time; what is left is cut off");
            return Ended::OutOfTime;
        }
        if let Err(error) = mark.clear() {
            tracing::warn!(%error, "the next start will take this end for a crash");
        }
        tracing::info!(took = ?start.elapsed(), "everything is answered");
        Ended::Drained
    }
}
