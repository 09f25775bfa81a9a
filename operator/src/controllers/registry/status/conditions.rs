//! Verdicts, and how they become conditions that change only when something does.

use entrepot_crds::RegistryStatus;
use entrepot_crds::conditions::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::super::finding::Finding;

/// Whether a condition is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictStatus {
    /// It is.
    True,
    /// It is not.
    False,
}

impl VerdictStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
        }
    }
}

/// What one condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is met.
    pub status: VerdictStatus,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl Verdict {
    /// It is met.
    pub fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: VerdictStatus::True, reason, message: message.into() }
    }

    /// It is not met.
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: VerdictStatus::False, reason, message: message.into() }
    }

    /// It is not met because of `finding`.
    pub fn of(finding: &Finding) -> Self {
        Self::no(finding.reason, &finding.message)
    }
}

/// The longest message that the API's own schema of a condition accepts.
const MAX_MESSAGE: usize = 32_768;

/// The conditions of `verdicts`. The transition time is that of the last change of a condition's status.
pub(super) fn merge(
    previous: Option<&RegistryStatus>,
    verdicts: Vec<(ConditionType, Verdict)>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let before = previous.map(|status| status.conditions.as_slice()).unwrap_or_default();
    verdicts
        .into_iter()
        .map(|(kind, Verdict { status, reason, message })| {
            let unchanged =
                before.iter().find(|old| old.type_ == kind.as_str() && old.status == status.as_str());
            Condition {
                type_: kind.as_str().to_owned(),
                status: status.as_str().to_owned(),
                reason: reason.as_str().to_owned(),
                message: message.chars().take(MAX_MESSAGE).collect(),
                observed_generation: generation,
                // The API server keeps whole seconds: a finer time would differ from what is read back.
                last_transition_time: unchanged
                    .map_or_else(|| Time(whole_seconds(now)), |old| old.last_transition_time.clone()),
            }
        })
        .collect()
}

fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
