//! Who wrote what, as the API server's audit log has it.

use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

/// One write that the API server answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Write {
    pub(crate) verb: String,
    pub(crate) user: User,
    pub(crate) object_ref: Option<ObjectRef>,
    pub(crate) response_status: Option<Status>,
    pub(crate) stage_timestamp: MicroTime,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct User {
    pub(crate) username: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectRef {
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Status {
    pub(crate) code: u16,
}

/// Every write in the log beyond its first `skipped` bytes. A line that is being written is left out.
pub(crate) fn writes(log: &Path, skipped: usize) -> Vec<Write> {
    let text = std::fs::read(log).unwrap();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let new = &text[skipped.min(whole)..whole];
    let lines = new.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The length of the log, to be skipped later.
pub(crate) fn length(log: &Path) -> usize {
    usize::try_from(std::fs::metadata(log).unwrap().len()).unwrap()
}

impl Write {
    /// Did the API server do it?
    pub(crate) fn succeeded(&self) -> bool {
        self.response_status.as_ref().is_some_and(|status| status.code < 300)
    }

    /// What it was done to.
    pub(crate) fn object(&self) -> ObjectRef {
        self.object_ref.clone().unwrap_or_default()
    }
}
