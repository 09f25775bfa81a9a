//! The three conditions that sum up the others, by the rules that kstatus and its users read.

use entrepot_crds::conditions::{ConditionType, Reason};

use super::super::apply::Refusal;
use super::super::finding::Finding;
use super::{Verdict, VerdictStatus};

/// `Ready`, `Reconciling` and `Stalled`, in this order.
///
/// Ready never waits for nodes: the registry is. Stalled is for what a person must undo; a reference that is missing
/// may still appear.
pub(super) fn verdicts(
    parts: &[(ConditionType, Verdict)],
    findings: &[Finding],
    hold: Option<&Finding>,
) -> Vec<(ConditionType, Verdict)> {
    let suspended = hold.filter(|hold| hold.reason == Reason::Suspended);
    let stalled = findings.iter().find(|finding| finding.condition == ConditionType::Stalled);
    let unmet = parts.iter().map(|(_, verdict)| verdict).find(|part| part.status == VerdictStatus::False);
    let waiting = findings
        .iter()
        .find(|one| one.condition == ConditionType::Reconciling && one.reason != Reason::Suspended);
    let refused = waiting.filter(|finding| finding.reason == Reason::WriteRefused);
    let worst = stalled.or(refused).map(Verdict::of).or_else(|| unmet.cloned()).or(waiting.map(Verdict::of));
    let ready =
        worst.unwrap_or_else(|| Verdict::yes(Reason::AsSpecified, "the registry serves as the spec asks"));
    let reconciling = match (suspended, stalled, ready.status) {
        (Some(hold), _, _) => Verdict::of(hold),
        (None, Some(finding), _) => Verdict::no(finding.reason, "waits for a person; see Stalled"),
        (None, None, VerdictStatus::True) => Verdict::no(Reason::AsSpecified, "there is nothing to do"),
        (None, None, VerdictStatus::False) => Verdict::yes(ready.reason, ready.message.clone()),
    };
    let stalled = match stalled {
        Some(finding) => Verdict::yes(finding.reason, finding.message.clone()),
        None => Verdict::no(Reason::AsSpecified, "nothing stands in the way"),
    };
    vec![
        (ConditionType::Ready, ready),
        (ConditionType::Reconciling, reconciling),
        (ConditionType::Stalled, stalled),
    ]
}

/// What a refused write means for the Registry. A claim that is there is only ever written to enlarge it.
pub(super) fn refusal(refusal: &Refusal, claim_is_there: bool) -> Finding {
    let Refusal { kind, name, message } = refusal;
    let message = format!("the API server refused {kind} {name}: {message}");
    match (kind.as_str(), claim_is_there) {
        ("PersistentVolumeClaim", true) => {
            let message = format!(
                "{message}. The volume stays as it is; set allowVolumeExpansion in its StorageClass, or set the size back"
            );
            Finding::new(ConditionType::StorageReady, Reason::VolumeResizeRefused, message)
        }
        ("PersistentVolumeClaim", false) => {
            Finding::new(ConditionType::StorageReady, Reason::WriteRefused, message)
        }
        _ => Finding::new(ConditionType::Reconciling, Reason::WriteRefused, message),
    }
}
