//! What the node agents report.

use entrepot_crds::NodeAccessStatus;
use entrepot_crds::conditions::Reason;
use entrepot_crds::node_report::{NodeReport, RegistryReport};

use super::Verdict;

pub(super) fn status(uid: &str, reports: &[NodeReport]) -> NodeAccessStatus {
    let configured = reports.iter().filter(|report| is_configured(uid, report)).count();
    NodeAccessStatus { desired_nodes: number(reports.len()), configured_nodes: number(configured) }
}

pub(super) fn verdict(uid: &str, reports: &[NodeReport]) -> Verdict {
    if reports.is_empty() {
        return Verdict::no(
            Reason::NoNodeReports,
            "no node agent has reported; install its DaemonSet, or set nodeAccess.mode to None",
        );
    }
    let mut waiting: Vec<&NodeReport> = reports.iter().filter(|report| !is_configured(uid, report)).collect();
    waiting.sort_by(|left, right| left.node.cmp(&right.node));
    match waiting.first() {
        None => Verdict::yes(Reason::NodesConfigured, "every node that runs the node agent is configured"),
        Some(first) => {
            let why = match first.registries.get(uid) {
                Some(RegistryReport { message, .. }) if !message.is_empty() => message,
                _ => "its agent has not come to this Registry yet",
            };
            let message = format!(
                "{} of {} nodes are not configured; {}: {why}",
                waiting.len(),
                reports.len(),
                first.node
            );
            Verdict::no(Reason::NodesPending, message)
        }
    }
}

fn is_configured(uid: &str, report: &NodeReport) -> bool {
    report.registries.get(uid).is_some_and(|registry| registry.configured)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(node: &str, registries: &[(&str, bool, &str)]) -> NodeReport {
        let registry = |(uid, configured, message): &(&str, bool, &str)| {
            let report = RegistryReport {
                configured: *configured,
                reason: String::new(),
                message: (*message).to_owned(),
            };
            ((*uid).to_owned(), report)
        };
        NodeReport { node: node.to_owned(), registries: registries.iter().map(registry).collect() }
    }

    #[test]
    fn counts_the_nodes_and_names_the_first_that_waits() {
        let reports = [
            report("n3", &[("mine", false, "the folder is somebody else's")]),
            report("n1", &[("mine", true, "")]),
            report("n2", &[("other", true, "")]),
        ];
        assert_eq!(status("mine", &reports), NodeAccessStatus { desired_nodes: 3, configured_nodes: 1 });
        let verdict = super::verdict("mine", &reports);
        assert_eq!(verdict.reason, Reason::NodesPending);
        assert_eq!(
            verdict.message,
            "2 of 3 nodes are not configured; n2: its agent has not come to this Registry yet"
        );
        assert_eq!(super::verdict("mine", &reports[1..2]).reason, Reason::NodesConfigured);
        assert_eq!(super::verdict("mine", &[]).reason, Reason::NoNodeReports);
    }
}
