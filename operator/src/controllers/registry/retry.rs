//! When to look again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::apply::Applied;
use super::finding::Finding;
use super::validate::Validated;
use super::waits_for_address;
use crate::pki::Leaf;

/// Watches tell of every change; this is for what happens by itself, and for a watch that went wrong.
const AT_LEAST_EVERY: Duration = Duration::from_hours(1);
/// For what no watch tells of, such as a claim of the user's.
const PENDING: Duration = Duration::from_secs(15);
/// A write that the API server refused may pass once a quota or a policy changed.
const REFUSED: Duration = Duration::from_mins(1);
/// The Service has just been made and its address is there to be read.
const ADDRESS: Duration = Duration::from_millis(50);

/// How long a finished round holds.
pub(super) fn next_look(
    validated: &Validated,
    pending: &[Finding],
    applied: &Applied,
    now: Timestamp,
) -> Duration {
    if waits_for_address(pending) && applied.service.is_some() {
        return ADDRESS;
    }
    let mut longest = AT_LEAST_EVERY;
    if !applied.refusals.is_empty() {
        longest = longest.min(REFUSED);
    }
    if validated.hold.is_none() && !pending.is_empty() {
        longest = longest.min(PENDING);
    }
    let expiry = validated.certificate.as_ref().map(|user| user.not_after);
    let renewal = applied.tls.as_ref().and_then(renewal);
    for moment in [expiry, renewal].into_iter().flatten() {
        // A second past the moment, for a clock that rounds; and never at once again.
        let left = Duration::try_from(moment.duration_since(now)).unwrap_or_default();
        longest = longest.min(left + Duration::from_secs(1));
    }
    longest
}

fn renewal(tls: &Secret) -> Option<Timestamp> {
    let chain = std::str::from_utf8(&tls.data.as_ref()?.get("tls.crt")?.0).ok()?;
    Some(Leaf::from_pem(chain).ok()?.renewal_time())
}

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_mins(1);

/// How often each object has failed in a row.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// Counts one more failure of `object` and says how long to wait: twice as long each time, up to a minute.
    pub(super) fn again(&self, object: &str) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(object.to_owned()).or_default();
        let wait = FIRST.saturating_mul(1 << (*count).min(16));
        *count = count.saturating_add(1);
        wait.min(LAST)
    }

    /// Forgets the failures of `object`: it succeeded, or it is gone.
    pub(super) fn forget(&self, object: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Failures;

    #[test]
    fn waits_twice_as_long_each_time_up_to_a_minute() {
        let failures = Failures::default();
        let waits: Vec<u128> = (0..12).map(|_| failures.again("a").as_millis()).collect();
        assert_eq!(waits[..4], [250, 500, 1000, 2000]);
        assert_eq!(waits[11], 60_000);
        assert_eq!(failures.again("b"), Duration::from_millis(250));
        failures.forget("a");
        assert_eq!(failures.again("a"), Duration::from_millis(250));
    }
}
