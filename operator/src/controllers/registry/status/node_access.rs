//! What the node agents report.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::{NodeAccessStatus, RegistryStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::super::nodes::OnNode;
use super::Verdict;

pub(super) fn status(nodes: &[OnNode]) -> NodeAccessStatus {
    let configured = nodes.iter().filter(|node| is_configured(node)).count();
    NodeAccessStatus { desired_nodes: number(nodes.len()), configured_nodes: number(configured) }
}

/// The condition as it was.
pub(super) fn condition(previous: &RegistryStatus) -> Option<Condition> {
    let kind = ConditionType::NodeAccessReady.as_str();
    previous.conditions.iter().find(|condition| condition.type_ == kind).cloned()
}

pub(super) fn verdict(nodes: &[OnNode]) -> Verdict {
    if nodes.is_empty() {
        return Verdict::no(
            Reason::NoNodeReports,
            "no node agent has reported; install its DaemonSet, or set nodeAccess.mode to None",
        );
    }
    let mut waiting: Vec<&OnNode> = nodes.iter().filter(|node| !is_configured(node)).collect();
    waiting.sort_by(|left, right| left.node.cmp(&right.node));
    let Some(first) = waiting.first() else {
        return Verdict::yes(Reason::NodesConfigured, "every node that runs the node agent is configured");
    };
    let why = match &first.report {
        Some(report) if !report.message.is_empty() => &report.message,
        _ => "its agent has not come to this Registry yet",
    };
    let message =
        format!("{} of {} nodes are not configured; {}: {why}", waiting.len(), nodes.len(), first.node);
    Verdict::no(Reason::NodesPending, message)
}

fn is_configured(node: &OnNode) -> bool {
    node.report.as_ref().is_some_and(|report| report.configured)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use entrepot_crds::node_report::RegistryReport;

    use super::*;

    fn on(node: &str, report: Option<(bool, &str)>) -> OnNode {
        let report = report.map(|(configured, message)| RegistryReport {
            configured,
            reason: String::new(),
            message: message.to_owned(),
        });
        OnNode { node: node.to_owned(), report }
    }

    #[test]
    fn counts_the_nodes_and_names_the_first_that_waits() {
        let nodes = [
            on("n3", Some((false, "the folder is somebody else's"))),
            on("n1", Some((true, ""))),
            on("n2", None),
        ];
        assert_eq!(status(&nodes), NodeAccessStatus { desired_nodes: 3, configured_nodes: 1 });
        let verdict = super::verdict(&nodes);
        assert_eq!(verdict.reason, Reason::NodesPending);
        assert_eq!(
            verdict.message,
            "2 of 3 nodes are not configured; n2: its agent has not come to this Registry yet"
        );
        assert_eq!(super::verdict(&nodes[1..2]).reason, Reason::NodesConfigured);
        assert_eq!(super::verdict(&[]).reason, Reason::NoNodeReports);
    }
}
