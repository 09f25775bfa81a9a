//! What to do on a node: pure, over everything that was found out.

use std::collections::{BTreeMap, BTreeSet};

use entrepot_crds::node_report::RegistryReport;

use super::claim::{Claim, Endpoint, Want};
use super::containerd_config::ConfigPath;
use super::folder::{Content, Place};
use super::live::{Live, Owner};

/// One change of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make the folder hold exactly this; it is absent or ours.
    Write(Place, Content),
    /// Remove what is ours in it, and the folder if nothing else is.
    Remove(Place),
    /// Remove what an interrupted write left.
    RemoveLeftover(Place),
}

/// Whether a Registry answered from this node, by UID.
pub type Probes = BTreeMap<String, Result<(), String>>;

/// What to do and what to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes, in order.
    pub operations: Vec<Operation>,
    /// Registries that must be probed before their folders can be written.
    pub unprobed: BTreeMap<String, Endpoint>,
    /// What to report of each Registry, by UID.
    pub reports: BTreeMap<String, RegistryReport>,
}

/// Decides, from a complete list of `claims`, what `config` says, what is on the node and who answered.
pub fn plan(claims: &[Claim], config: &ConfigPath, live: &Live, probes: &Probes) -> Plan {
    let mut planner = Planner {
        live,
        probes,
        claimed: claims.iter().map(|claim| claim.uid.as_str()).collect(),
        expected: BTreeSet::new(),
        plan: Plan::default(),
    };
    for claim in claims {
        if let Some(report) = planner.claim(claim, config) {
            planner.plan.reports.insert(claim.uid.clone(), report);
        }
    }
    planner.removals(claims, config);
    planner.plan
}

struct Planner<'a> {
    live: &'a Live,
    probes: &'a Probes,
    claimed: BTreeSet<&'a str>,
    expected: BTreeSet<Place>,
    plan: Plan,
}

impl Planner<'_> {
    fn claim(&mut self, claim: &Claim, config: &ConfigPath) -> Option<RegistryReport> {
        let (hosts, endpoint) = match &claim.want {
            Want::Nothing => return None,
            Want::Pending { reason, message } => return Some(not_configured(reason, message)),
            Want::Unreadable { why } => return Some(not_configured("RegistryUnreadable", why)),
            Want::Hosts { hosts, endpoint } => (hosts, endpoint),
        };
        let roots = match config {
            ConfigPath::Roots(roots) => roots,
            ConfigPath::Unusable(why) => return Some(not_configured(why.reason(), &why.to_string())),
        };
        let content = Content::new(claim, endpoint);
        let mut conflict = None;
        let mut writes = Vec::new();
        for place in places(roots, hosts) {
            match self.conflict(&place, &claim.uid) {
                Some(why) => conflict = Some(why),
                None if self.live.holds(&place, &content) => {}
                None => writes.push(place.clone()),
            }
            self.expected.insert(place);
        }
        let unanswered = self.write(writes, &content, endpoint);
        Some(match (conflict, unanswered) {
            (Some(why), _) => not_configured("ForeignContent", &why),
            (None, Some(why)) => not_configured("RegistryUnreachable", &why),
            (None, None) => RegistryReport { configured: true, ..RegistryReport::default() },
        })
    }

    /// Nothing is written before the Registry answered from this very node: a file that leads nowhere
    /// makes every pull wait for a time-out.
    fn write(&mut self, writes: Vec<Place>, content: &Content, endpoint: &Endpoint) -> Option<String> {
        if writes.is_empty() {
            return None;
        }
        match self.probes.get(&content.uid) {
            Some(Ok(())) => {
                let operations = writes.into_iter().map(|place| Operation::Write(place, content.clone()));
                self.plan.operations.extend(operations);
                None
            }
            Some(Err(why)) => Some(why.clone()),
            None => {
                self.plan.unprobed.insert(content.uid.clone(), endpoint.clone());
                Some("the Registry has not been asked from this node yet".to_owned())
            }
        }
    }

    fn conflict(&self, place: &Place, uid: &str) -> Option<String> {
        if self.expected.contains(place) {
            return Some(format!("{place} is another Registry's as well"));
        }
        if let Some(shadow) = shadow(place)
            && self.live.owner(&shadow) == Some(&Owner::Foreign)
        {
            return Some(format!(
                "{shadow} is not the node agent's, and containerd reads it before {place}: remove it"
            ));
        }
        match self.live.owner(place)? {
            Owner::Foreign => Some(format!(
                "{place} is there and not the node agent's (no .entrepot file in it): remove it"
            )),
            Owner::Registry(other) if other != uid && self.claimed.contains(other.as_str()) => {
                Some(format!("{place} is the Registry's with UID {other}"))
            }
            Owner::Registry(_) | Owner::Torn => None,
        }
    }

    fn removals(&mut self, claims: &[Claim], config: &ConfigPath) {
        let keeps: BTreeSet<&str> = claims
            .iter()
            .filter(|claim| match claim.want {
                Want::Nothing => false,
                // Without a folder to write to, what is there is the best that is known.
                Want::Hosts { .. } => matches!(config, ConfigPath::Unusable(_)),
                Want::Pending { .. } | Want::Unreadable { .. } => true,
            })
            .map(|claim| claim.uid.as_str())
            .collect();
        for (place, owner) in self.live.owners() {
            let stays = match owner {
                Owner::Foreign => true,
                Owner::Registry(uid) => keeps.contains(uid.as_str()) || self.expected.contains(place),
                Owner::Torn => self.expected.contains(place),
            };
            if !stays {
                self.plan.operations.push(Operation::Remove(place.clone()));
            }
        }
        self.plan.operations.extend(self.live.leftovers().cloned().map(Operation::RemoveLeftover));
    }
}

fn places<'a>(roots: &'a [String], hosts: &'a [String]) -> impl Iterator<Item = Place> + 'a {
    roots
        .iter()
        .flat_map(move |root| hosts.iter().map(move |host| Place { root: root.clone(), host: host.clone() }))
}

/// containerd looks for `host_port_` before `host:port`.
fn shadow(place: &Place) -> Option<Place> {
    let (host, port) = place.host.rsplit_once(':')?;
    Some(Place { root: place.root.clone(), host: format!("{host}_{port}_") })
}

fn not_configured(reason: &str, message: &str) -> RegistryReport {
    RegistryReport { configured: false, reason: reason.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
