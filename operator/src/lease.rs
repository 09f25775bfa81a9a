//! Leader election on a `coordination.k8s.io/v1` Lease, as client-go does it.
//!
//! The Lease keeps two replicas from doing the same work at once; it does not make one safe from the
//! other, for a paused process wakes up believing that it still leads. Every write of the controllers
//! is therefore correct with two leaders.

mod record;
#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::context::Clock;
use record::{Observation, Step};

/// Another replica takes over when it has seen no renewal for this long.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// The holder gives up when it could not renew for this long; the difference to [`LEASE_DURATION`] is its
/// time to stop working.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two attempts, of the holder and of those who wait.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// One attempt is two requests; a hung connection must not eat the whole deadline.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The Lease is no longer ours: stop working at once.
#[derive(Debug, thiserror::Error)]
pub enum LeaseLost {
    /// No renewal succeeded in time.
    #[error("the Lease {name} could not be renewed for {} seconds", RENEW_DEADLINE.as_secs())]
    NotRenewed {
        /// The Lease's name.
        name: String,
    },
    /// Somebody else wrote their name into it.
    #[error("the Lease {name} was taken by {holder}")]
    Taken {
        /// The Lease's name.
        name: String,
        /// Who holds it now.
        holder: String,
    },
}

/// One replica's part in an election.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
    observation: Option<Observation>,
}

/// What an attempt came to.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Held,
    /// Another replica's, or one was faster.
    NotHeld,
}

impl Election {
    /// `identity` must be this process's alone: with a Pod's name only, a restarted container would take
    /// its predecessor's unfinished term for its own.
    pub fn new(client: Client, namespace: &str, name: &str, identity: String, clock: Clock) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            clock,
            observation: None,
        }
    }

    /// Returns once this replica holds the Lease; failures are logged and tried again for ever.
    ///
    /// `answered` is called whenever the API server gave an answer.
    pub async fn acquire(&mut self, answered: impl Fn()) {
        info!(lease = self.name, identity = self.identity, "waiting for the Lease");
        loop {
            match timeout(ATTEMPT_TIMEOUT, self.attempt()).await {
                Ok(Ok(attempt)) => {
                    answered();
                    if attempt == Attempt::Held {
                        info!(lease = self.name, identity = self.identity, "holding the Lease");
                        return;
                    }
                    debug!(lease = self.name, holder = self.holder(), "another replica holds the Lease");
                }
                Ok(Err(error)) => warn!(lease = self.name, %error, "the Lease could not be acquired"),
                Err(_) => warn!(lease = self.name, "the API server did not answer in time"),
            }
            sleep(RETRY_PERIOD).await;
        }
    }

    /// Renews what [`Self::acquire`] got, until it is lost.
    pub async fn hold(&mut self) -> LeaseLost {
        // Rivals count from when they saw the last renewal, which is later than this.
        let mut renewed = Instant::now();
        loop {
            sleep(RETRY_PERIOD).await;
            let started = Instant::now();
            let deadline = renewed + RENEW_DEADLINE;
            match timeout_at(deadline.min(started + ATTEMPT_TIMEOUT), self.attempt()).await {
                Ok(Ok(Attempt::Held)) => renewed = started,
                Ok(Ok(Attempt::NotHeld)) => {
                    let holder = self.holder();
                    if holder != self.identity && !holder.is_empty() {
                        return LeaseLost::Taken { name: self.name.clone(), holder: holder.to_owned() };
                    }
                }
                Ok(Err(error)) => warn!(lease = self.name, %error, "the Lease could not be renewed"),
                Err(_) => warn!(lease = self.name, "the API server did not answer in time"),
            }
            if Instant::now() >= deadline && renewed != started {
                return LeaseLost::NotRenewed { name: self.name.clone() };
            }
        }
    }

    /// Gives the Lease up so that another replica need not wait for its end. Call it only after all
    /// work has stopped. A failure costs the successor that wait and nothing else.
    pub async fn release(mut self) {
        let Some(lease) =
            self.observation.as_ref().and_then(|seen| seen.released(&self.identity, (self.clock)()))
        else {
            return;
        };
        let params = PostParams::default();
        let release = self.leases.replace(&self.name, &params, &lease);
        match timeout(ATTEMPT_TIMEOUT, release).await {
            Ok(Ok(_)) => info!(lease = self.name, "released the Lease"),
            Ok(Err(error)) => warn!(lease = self.name, %error, "the Lease could not be released"),
            Err(_) => warn!(lease = self.name, "the API server did not answer in time"),
        }
        self.observation = None;
    }

    fn holder(&self) -> &str {
        self.observation.as_ref().map_or("", Observation::holder)
    }

    async fn attempt(&mut self) -> Result<Attempt, kube::Error> {
        let live = self.leases.get_opt(&self.name).await?;
        self.observation = live.map(|lease| Observation::new(self.observation.take(), lease, Instant::now()));
        let step = record::next(
            self.observation.as_ref(),
            &self.name,
            &self.identity,
            LEASE_DURATION,
            Instant::now(),
            (self.clock)(),
        );
        let written = match step {
            Step::Wait => return Ok(Attempt::NotHeld),
            Step::Create(lease) => self.leases.create(&PostParams::default(), &lease).await,
            Step::Update(lease) => self.leases.replace(&self.name, &PostParams::default(), &lease).await,
        };
        match written {
            Ok(lease) => {
                self.observation = Some(Observation::new(self.observation.take(), lease, Instant::now()));
                Ok(Attempt::Held)
            }
            // Another replica wrote between our two requests.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::NotHeld),
            Err(error) => Err(error),
        }
    }
}
