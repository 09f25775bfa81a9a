//! Events: one for each change that a person wants to hear of, none for what stays as it is.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::{Registry, RegistryStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};

use crate::context::Context;

/// Reasons of a condition that is on its way: nobody needs to be told.
const PASSING: [Reason; 8] = [
    Reason::Progressing,
    Reason::Suspended,
    Reason::VolumePending,
    Reason::VolumeResizing,
    Reason::ServiceAddressPending,
    Reason::ServerStarting,
    Reason::NodesPending,
    Reason::NoNodeReports,
];

/// The longest note that the events API accepts, in characters of a byte each.
const MAX_NOTE: usize = 1000;

/// The events of the step from `previous` to `next`.
pub fn transitions(previous: Option<&RegistryStatus>, next: &RegistryStatus) -> Vec<Event> {
    let before = previous.map(|status| status.conditions.as_slice()).unwrap_or_default();
    next.conditions.iter().filter(|condition| is_news(before, condition)).filter_map(event).collect()
}

fn is_news(before: &[Condition], condition: &Condition) -> bool {
    before.iter().find(|old| old.type_ == condition.type_).is_none_or(|old| {
        (old.status.as_str(), old.reason.as_str()) != (condition.status.as_str(), condition.reason.as_str())
    })
}

fn event(condition: &Condition) -> Option<Event> {
    let ready = ConditionType::Ready.as_str();
    let summaries = [ready, ConditionType::Reconciling.as_str()];
    let stalled = ConditionType::Stalled.as_str();
    let type_ = match (condition.type_.as_str(), condition.status.as_str()) {
        (kind, "True") if kind == ready => EventType::Normal,
        (kind, "True") if kind == stalled => EventType::Warning,
        // What Ready and Reconciling sum up has an event of its own.
        (kind, "False") if kind != stalled && !summaries.contains(&kind) => {
            let passing = PASSING.iter().any(|reason| reason.as_str() == condition.reason);
            (!passing).then_some(EventType::Warning)?
        }
        _ => return None,
    };
    let reason = if type_ == EventType::Normal { ready } else { condition.reason.as_str() };
    Some(Event {
        type_,
        reason: reason.to_owned(),
        note: Some(condition.message.chars().take(MAX_NOTE).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

/// Publishes `events`. One that is lost is told by the status all the same, so nothing is tried again for it.
pub async fn publish(context: &Context, registry: &Registry, events: Vec<Event>) {
    for event in events {
        send(context, registry, &event).await;
    }
}

/// Tells of a Registry whose status cannot be written, because it cannot be read.
pub async fn not_understood(context: &Context, registry: &DeserializeGuard<Registry>, why: &str) {
    tracing::warn!(registry = registry.name_any(), %why, "a Registry cannot be understood and is left alone");
    let note = format!("this operator cannot understand the Registry and leaves it alone: {why}");
    let event = Event {
        type_: EventType::Warning,
        reason: Reason::InvalidSpec.as_str().to_owned(),
        note: Some(note.chars().take(MAX_NOTE).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    send(context, registry, &event).await;
}

async fn send(context: &Context, registry: &impl Resource<DynamicType = ()>, event: &Event) {
    if let Err(error) = context.recorder.publish(event, &registry.object_ref(&())).await {
        tracing::warn!(registry = registry.name_any(), %error, "an event was not published");
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn status(conditions: &[(&str, &str, &str)]) -> RegistryStatus {
        let condition = |(kind, status, reason): &(&str, &str, &str)| Condition {
            type_: (*kind).to_owned(),
            status: (*status).to_owned(),
            reason: (*reason).to_owned(),
            message: "why".to_owned(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        };
        RegistryStatus { conditions: conditions.iter().map(condition).collect(), ..RegistryStatus::default() }
    }

    fn told(previous: Option<&RegistryStatus>, next: &RegistryStatus) -> Vec<(EventType, String)> {
        transitions(previous, next).into_iter().map(|event| (event.type_, event.reason)).collect()
    }

    #[test]
    fn a_new_registry_is_told_of_once_it_is_ready() {
        let starting = status(&[
            ("Ready", "False", "ServerStarting"),
            ("Reconciling", "True", "ServerStarting"),
            ("Stalled", "False", "AsSpecified"),
            ("StorageReady", "False", "VolumePending"),
        ]);
        assert_eq!(told(None, &starting), []);
        let ready = status(&[
            ("Ready", "True", "AsSpecified"),
            ("Reconciling", "False", "AsSpecified"),
            ("Stalled", "False", "AsSpecified"),
            ("StorageReady", "True", "VolumeBound"),
        ]);
        assert_eq!(told(Some(&starting), &ready), [(EventType::Normal, "Ready".to_owned())]);
        assert_eq!(told(Some(&ready), &ready), []);
    }

    #[test]
    fn each_problem_is_told_once_and_by_its_own_condition() {
        let one = status(&[
            ("Ready", "False", "TlsSecretNotFound"),
            ("Reconciling", "True", "TlsSecretNotFound"),
            ("CertificateReady", "False", "TlsSecretNotFound"),
        ]);
        assert_eq!(told(None, &one), [(EventType::Warning, "TlsSecretNotFound".to_owned())]);
        let other = status(&[
            ("Ready", "False", "CertificateExpired"),
            ("Reconciling", "True", "CertificateExpired"),
            ("CertificateReady", "False", "CertificateExpired"),
        ]);
        assert_eq!(told(Some(&one), &other), [(EventType::Warning, "CertificateExpired".to_owned())]);
    }

    #[test]
    fn a_conflict_is_a_warning() {
        let stalled = status(&[("Ready", "False", "NameConflict"), ("Stalled", "True", "NameConflict")]);
        assert_eq!(told(None, &stalled), [(EventType::Warning, "NameConflict".to_owned())]);
    }
}
