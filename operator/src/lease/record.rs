//! The decisions of an election: pure, over what was seen and when.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

/// The live Lease and when, by this process's own monotonic clock, it last changed.
///
/// The times inside the Lease are another machine's and are never compared with ours: a clock that is
/// minutes off must not end a term.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    lease: Lease,
    changed: Instant,
}

impl Observation {
    /// What is known after `lease` was read at `now`.
    pub(super) fn new(previous: Option<Self>, lease: Lease, now: Instant) -> Self {
        let changed = match previous {
            Some(previous) if previous.lease.spec == lease.spec => previous.changed,
            _ => now,
        };
        Self { lease, changed }
    }

    /// Who holds it; empty when nobody does.
    pub(super) fn holder(&self) -> &str {
        self.lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
    }

    /// The same Lease without a holder, if `identity` is the holder.
    pub(super) fn released(&self, identity: &str, wall: Timestamp) -> Option<Lease> {
        if self.holder() != identity {
            return None;
        }
        let mut lease = self.lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(wall));
        Some(lease)
    }

    fn expired(&self, now: Instant) -> bool {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        now >= self.changed + Duration::from_secs(seconds.try_into().unwrap_or(0))
    }
}

/// What to write, if anything. Both writes fail with a conflict when somebody else was faster.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Create(Lease),
    /// Carries the resourceVersion that was read.
    Update(Lease),
    /// It is another replica's.
    Wait,
}

/// What a replica called `identity` does about what it sees.
pub(super) fn next(
    observation: Option<&Observation>,
    name: &str,
    identity: &str,
    duration: Duration,
    now: Instant,
    wall: Timestamp,
) -> Step {
    let mut spec = LeaseSpec {
        acquire_time: Some(MicroTime(wall)),
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        lease_transitions: Some(0),
        renew_time: Some(MicroTime(wall)),
        ..LeaseSpec::default()
    };
    let Some(seen) = observation else {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        return Step::Create(Lease { metadata, spec: Some(spec) });
    };
    let live = seen.lease.spec.clone().unwrap_or_default();
    let ours = seen.holder() == identity;
    if !ours && !seen.holder().is_empty() && !seen.expired(now) {
        return Step::Wait;
    }
    spec.lease_transitions = Some(live.lease_transitions.unwrap_or(0).saturating_add(i32::from(!ours)));
    if ours {
        spec.acquire_time = live.acquire_time;
    }
    Step::Update(Lease { metadata: seen.lease.metadata.clone(), spec: Some(spec) })
}
