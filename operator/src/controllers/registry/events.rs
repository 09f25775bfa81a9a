//! Events: one for each change that a person wants to hear of, none for what stays as it is.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::{Registry, RegistryStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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
        note: Some(condition.message.chars().take(1000).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

/// Publishes `events`. One that is lost is told by the status all the same, so nothing is tried again for it.
pub async fn publish(context: &Context, registry: &Registry, events: Vec<Event>) {
    let reference = registry.object_ref(&());
    for event in events {
        if let Err(error) = context.recorder.publish(&event, &reference).await {
            tracing::warn!(registry = registry.name_any(), %error, "an event was not published");
        }
    }
}
