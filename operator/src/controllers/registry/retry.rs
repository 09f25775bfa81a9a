//! When to look again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use entrepot_crds::conditions::Reason;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use super::apply::Applied;
use super::finding::Finding;
use super::validate::Validated;
use super::waits_for_address;
use crate::pki::Leaf;

/// Watches tell of every change; this is for what happens by itself, and for a watch that went wrong.
const AT_LEAST_EVERY: Duration = Duration::from_hours(1);
/// For what no watch tells of, such as a claim of the user's or an object of somebody else's that is in the way.
const PENDING: Duration = Duration::from_secs(15);
/// A write that the API server refused may pass once a quota or a policy changed, and so may a renewal that is due.
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
    let suspended = validated.hold.as_ref().is_some_and(|hold| hold.reason == Reason::Suspended);
    if !suspended && !pending.is_empty() {
        longest = longest.min(PENDING);
    }
    let expiry = validated.certificate.as_ref().map(|user| user.not_after);
    let renewal = applied.tls.as_ref().and_then(renewal);
    for moment in [expiry, renewal].into_iter().flatten() {
        // A second past the moment, for a clock that rounds. The round before did what could be done about one that
        // has passed.
        let left = Duration::try_from(moment.duration_since(now)).unwrap_or_default();
        let wait = if left.is_zero() { REFUSED } else { left + Duration::from_secs(1) };
        longest = longest.min(wait);
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

    use entrepot_crds::Registry;
    use serde_json::{Value, json};

    use super::super::build::build;
    use super::super::observe::Observed;
    use super::super::validate::validate;
    use super::*;
    use crate::context::Settings;
    use crate::pki::{Authority, San};

    fn now() -> Timestamp {
        "2026-12-01T00:00:00Z".parse().unwrap()
    }

    /// When the next look at a Registry is due that has `spec` beside its storage.
    fn next(spec: &Value, observed: Observed, applied: &Applied) -> Duration {
        let mut spec = spec.clone();
        spec["storage"] = json!({"volume": {"size": "1Gi"}});
        let registry: Registry = serde_json::from_value(json!({
            "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
            "metadata": {"name": "main", "namespace": "registries", "uid": "0000-main"}, "spec": spec,
        }))
        .unwrap();
        let settings = Settings {
            registry_image: "registry".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            node_agent_namespace: "entrepot-nodes".to_owned(),
            concurrency: 1,
        };
        let validated = validate(&registry, observed, &settings, now()).unwrap();
        let pending = build(&validated, now(), &mut rand::rng()).unwrap().pending();
        next_look(&validated, &pending, applied, now())
    }

    /// Nobody's watch tells of an object that is not labelled as ours.
    #[test]
    fn a_name_that_is_taken_is_looked_at_again_soon_and_a_suspended_registry_is_not() {
        let foreign = json!({"metadata": {"name": "main"}});
        let taken =
            Observed { service: Some(serde_json::from_value(foreign).unwrap()), ..Observed::default() };
        assert_eq!(next(&json!({}), taken, &Applied::default()), PENDING);
        let suspended = json!({"suspend": true});
        assert_eq!(next(&suspended, Observed::default(), &Applied::default()), AT_LEAST_EVERY);
    }

    #[test]
    fn a_renewal_that_is_due_and_cannot_be_done_is_not_tried_every_second() {
        let long_ago = "2026-01-01T00:00:00Z".parse().unwrap();
        let authority = Authority::generate("main", long_ago).unwrap();
        let issued = authority.issue(&[San::Dns("main".to_owned())], long_ago).unwrap();
        let tls = json!({"stringData": {}, "metadata": {"name": "main-entrepot-tls"}});
        let mut tls: Secret = serde_json::from_value(tls).unwrap();
        let chain = k8s_openapi::ByteString(issued.cert_pem.into_bytes());
        tls.data = Some([("tls.crt".to_owned(), chain)].into());
        let applied = Applied { tls: Some(tls), ..Applied::default() };
        assert_eq!(next(&json!({"suspend": true}), Observed::default(), &applied), REFUSED);
    }

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
