//! What the node agents report, as the watch tells it. It is kept in memory: a hundred nodes that report on a thousand
//! Registries are not to be read again for each round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entrepot_crds::node_report::{DATA_KEY, NodeReport, RegistryReport};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// What one node says of one Registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnNode {
    /// The node's name.
    pub node: String,
    /// What its agent did; absent: it has not come to this Registry yet.
    pub report: Option<RegistryReport>,
}

impl OnNode {
    /// What `report` says of the Registry with this UID.
    pub fn of(report: &NodeReport, uid: &str) -> Self {
        Self { node: report.node.clone(), report: report.registries.get(uid).cloned() }
    }
}

/// Whose rounds are due after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// A node came or went, which is a matter of every Registry.
    Everybody,
    /// The Registries with these UIDs; possibly none.
    These(BTreeSet<String>),
}

/// Every node's last report.
#[derive(Debug, Default)]
pub struct NodeReports(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the `ConfigMap`'s name; absent until the first list is complete.
    known: Option<BTreeMap<String, NodeReport>>,
    /// A list that is being received.
    listing: BTreeMap<String, NodeReport>,
}

impl NodeReports {
    /// What each node says of the Registry with this UID; nothing as long as no list has been read.
    pub fn of(&self, uid: &str) -> Option<Vec<OnNode>> {
        let state = self.lock();
        Some(state.known.as_ref()?.values().map(|report| OnNode::of(report, uid)).collect())
    }

    /// Takes in one event of the watch.
    pub fn observe(&self, event: Event<ConfigMap>) -> Affected {
        let nobody = Affected::These(BTreeSet::new());
        let mut state = self.lock();
        match event {
            Event::Init => state.listing.clear(),
            Event::InitApply(map) => {
                state.listing.insert(map.name_any(), parse(&map));
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut state.listing);
                return match state.known.replace(listed.clone()) {
                    None => Affected::Everybody,
                    Some(before) => difference(&before, &listed),
                };
            }
            Event::Apply(map) => {
                let report = parse(&map);
                let before = state.known.get_or_insert_default().insert(map.name_any(), report.clone());
                return before.map_or(Affected::Everybody, |before| changes(&before, &report));
            }
            Event::Delete(map) => {
                if state.known.as_mut().is_some_and(|known| known.remove(&map.name_any()).is_some()) {
                    return Affected::Everybody;
                }
            }
        }
        nobody
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn difference(before: &BTreeMap<String, NodeReport>, after: &BTreeMap<String, NodeReport>) -> Affected {
    if !before.keys().eq(after.keys()) {
        return Affected::Everybody;
    }
    let mut these = BTreeSet::new();
    for (before, after) in before.values().zip(after.values()) {
        match changes(before, after) {
            Affected::Everybody => return Affected::Everybody,
            Affected::These(more) => these.extend(more),
        }
    }
    Affected::These(these)
}

fn changes(before: &NodeReport, after: &NodeReport) -> Affected {
    if before.node != after.node {
        return Affected::Everybody;
    }
    let uids = before.registries.keys().chain(after.registries.keys());
    let changed = uids.filter(|uid| before.registries.get(*uid) != after.registries.get(*uid));
    Affected::These(changed.cloned().collect())
}

/// A report that cannot be read is that of a node which is not configured as far as anybody knows.
fn parse(map: &ConfigMap) -> NodeReport {
    let name = map.name_any();
    let text = map.data.as_ref().and_then(|data| data.get(DATA_KEY)).map_or("", String::as_str);
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(config_map = name, %error, "a node's report cannot be read");
        NodeReport { node: name, ..NodeReport::default() }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(node: &str, configured: &[(&str, bool)]) -> ConfigMap {
        let registries: BTreeMap<&str, _> =
            configured.iter().map(|(uid, configured)| (*uid, json!({"configured": configured}))).collect();
        let report = json!({"node": node, "registries": registries}).to_string();
        serde_json::from_value(
            json!({"metadata": {"name": format!("node-{node}")}, "data": {DATA_KEY: report}}),
        )
        .unwrap()
    }

    fn listed(reports: &NodeReports, maps: Vec<ConfigMap>) -> Affected {
        reports.observe(Event::Init);
        for map in maps {
            assert_eq!(reports.observe(Event::InitApply(map)), these(&[]));
        }
        reports.observe(Event::InitDone)
    }

    fn these(uids: &[&str]) -> Affected {
        Affected::These(uids.iter().map(|uid| (*uid).to_owned()).collect())
    }

    #[test]
    fn nothing_is_known_before_the_first_list_is_complete() {
        let reports = NodeReports::default();
        reports.observe(Event::Init);
        reports.observe(Event::InitApply(map("n1", &[("a", true)])));
        assert_eq!(reports.of("a"), None);
        assert_eq!(reports.observe(Event::InitDone), Affected::Everybody);
        let report = RegistryReport { configured: true, ..RegistryReport::default() };
        assert_eq!(reports.of("a"), Some(vec![OnNode { node: "n1".to_owned(), report: Some(report) }]));
        assert_eq!(reports.of("b"), Some(vec![OnNode { node: "n1".to_owned(), report: None }]));
    }

    #[test]
    fn only_those_are_affected_of_whom_something_else_is_said() {
        let reports = NodeReports::default();
        listed(&reports, vec![map("n1", &[("a", true), ("b", false)]), map("n2", &[])]);
        let changed = map("n1", &[("a", true), ("b", true), ("c", false)]);
        assert_eq!(reports.observe(Event::Apply(changed.clone())), these(&["b", "c"]));
        assert_eq!(reports.observe(Event::Apply(changed.clone())), these(&[]));
        // After a gap in the watch the list tells what was missed.
        assert_eq!(listed(&reports, vec![changed, map("n2", &[("a", true)])]), these(&["a"]));
    }

    #[test]
    fn a_node_that_comes_or_goes_affects_everybody() {
        let reports = NodeReports::default();
        listed(&reports, vec![map("n1", &[])]);
        assert_eq!(reports.observe(Event::Apply(map("n2", &[]))), Affected::Everybody);
        assert_eq!(reports.observe(Event::Delete(map("n2", &[]))), Affected::Everybody);
        assert_eq!(reports.observe(Event::Delete(map("n2", &[]))), these(&[]));
        assert_eq!(listed(&reports, vec![]), Affected::Everybody);
    }

    #[test]
    fn a_report_that_cannot_be_read_is_a_node_that_says_nothing() {
        let reports = NodeReports::default();
        let mut broken = map("n1", &[("a", true)]);
        broken.data = Some([(DATA_KEY.to_owned(), "{".to_owned())].into());
        listed(&reports, vec![broken]);
        assert_eq!(reports.of("a"), Some(vec![OnNode { node: "node-n1".to_owned(), report: None }]));
    }
}
