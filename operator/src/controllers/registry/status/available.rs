//! Whether the server answers.

use entrepot_crds::conditions::Reason;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use kube::ResourceExt;

use super::Verdict;

/// What the Deployment says. An older Pod that answers while its replacement is due is not the server that was asked
/// for.
pub(super) fn verdict(deployment: Option<&Deployment>) -> Verdict {
    let Some(deployment) = deployment else {
        return Verdict::no(Reason::Progressing, "the server's Deployment has not been made yet");
    };
    let name = deployment.name_any();
    let status = deployment.status.clone().unwrap_or_default();
    let current = status.observed_generation >= deployment.metadata.generation;
    let updated = status.updated_replicas.unwrap_or_default() >= 1;
    if current && updated && status.available_replicas.unwrap_or_default() >= 1 {
        return Verdict::yes(Reason::ServerAvailable, "the server answers");
    }
    let conditions = status.conditions.unwrap_or_default();
    if let Some(failed) = failure(&conditions).filter(|_| current) {
        let message = format!(
            "the server's Pod does not become ready: {failed}; `kubectl describe deployment {name}` and the Pod's log say more"
        );
        return Verdict::no(Reason::ServerUnavailable, message);
    }
    Verdict::no(Reason::ServerStarting, "the server's Pod is starting")
}

/// Pods that cannot be made, or that do not become ready in time.
fn failure(conditions: &[DeploymentCondition]) -> Option<String> {
    let failed = conditions.iter().find(|condition| {
        matches!(
            (condition.type_.as_str(), condition.status.as_str()),
            ("ReplicaFailure", "True") | ("Progressing", "False")
        )
    })?;
    failed.message.clone().or_else(|| failed.reason.clone())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::registry::status::VerdictStatus;

    #[rstest]
    #[case::new(json!({}), Reason::ServerStarting)]
    #[case::answers(
        json!({"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1}), Reason::ServerAvailable)]
    #[case::an_old_pod_answers(
        json!({"observedGeneration": 2, "updatedReplicas": 0, "availableReplicas": 1}), Reason::ServerStarting)]
    #[case::an_old_generation_is_seen(
        json!({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}), Reason::ServerStarting)]
    #[case::too_late(
        json!({"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}), Reason::ServerUnavailable)]
    #[case::quota(
        json!({"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "status": "True"},
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}), Reason::ServerUnavailable)]
    #[case::too_late_for_an_earlier_generation(
        json!({"observedGeneration": 1, "conditions": [
            {"type": "Progressing", "status": "False"}]}), Reason::ServerStarting)]
    fn table(#[case] status: Value, #[case] expected: Reason) {
        let deployment: Deployment =
            serde_json::from_value(json!({"metadata": {"name": "main", "generation": 2}, "status": status}))
                .unwrap();
        let verdict = verdict(Some(&deployment));
        assert_eq!(verdict.reason, expected, "{}", verdict.message);
        assert_eq!(verdict.status == VerdictStatus::True, expected == Reason::ServerAvailable);
    }
}
