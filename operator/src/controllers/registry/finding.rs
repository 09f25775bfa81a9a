//! One thing worth telling a person about a Registry.

use std::fmt::Display;

use entrepot_crds::conditions::{ConditionType, Reason};

/// Something that keeps a condition from being met, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The condition it belongs to.
    pub condition: ConditionType,
    /// The reason it gives that condition.
    pub reason: Reason,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Finding {
    /// A finding of `condition`.
    pub fn new(condition: ConditionType, reason: Reason, message: impl Display) -> Self {
        Self { condition, reason, message: message.to_string() }
    }
}
