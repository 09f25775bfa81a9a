//! When there is nothing to do, nothing is done.

use std::{collections::BTreeSet, time::Duration};

use entrepot_kind_tests::{
    installation::{AGENT, OPERATOR},
    wait::{Seen, wait_until},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use crate::{
    audit, operator,
    support::{BOUND, Story, small},
    turn,
};

/// How long nothing may be written.
const OBSERVED: Duration = Duration::from_mins(1);
const AGENT_USER: &str = "system:serviceaccount:entrepot-nodes:entrepot-node-agent";

#[tokio::test]
async fn for_a_minute_the_operator_writes_its_lease_and_nothing_else_and_the_agents_write_nothing() {
    let _turn = turn().await;
    let story = Story::begin("steady-state").await;
    operator::scale(&story, 1).await;
    let names = story.create("main", small()).await;
    story.usable(&names).await;
    nothing_ends(&story).await;

    let log = story.cluster.audit_log().unwrap();
    let skipped = audit::length(&log);
    let lease = format!("update leases/{}/{}", OPERATOR.0, OPERATOR.1);
    let observed = || async {
        let writes = audit::writes(&log, skipped);
        let renewals: Vec<_> = writes.iter().filter(|write| told(write) == lease).collect();
        let first = renewals.first().map(|write| write.stage_timestamp.0);
        let last = renewals.last().map(|write| write.stage_timestamp.0);
        let span = first.zip(last).map(|(first, last)| last.duration_since(first).unsigned_abs());
        Ok::<_, std::convert::Infallible>(Seen::when(span >= Some(OBSERVED), writes.clone(), span))
    };
    // The renewals are the clock: they prove as well that the operator ran all along.
    let writes = wait_until("a minute of renewals", OBSERVED + BOUND, observed).await.unwrap();
    let ours =
        writes.iter().filter(|write| [operator::USER, AGENT_USER].contains(&write.user.username.as_str()));
    let what: BTreeSet<_> = ours.map(told).collect();
    assert_eq!(what, BTreeSet::from([lease]));
    assert_eq!(AGENT_USER, format!("system:serviceaccount:{}:{}", AGENT.0, AGENT.1));
}

fn told(write: &audit::Write) -> String {
    let object = write.object();
    let resource = [object.resource.as_str(), object.subresource.as_str()].join("/");
    format!("{} {}/{}/{}", write.verb, resource.trim_end_matches('/'), object.namespace, object.name)
}

/// Waits until no earlier story's namespace is being taken apart, which is work for operator and agents.
async fn nothing_ends(story: &Story) {
    let namespaces: Api<Namespace> = Api::all(story.client.clone());
    let look = || async {
        let all = namespaces.list(&ListParams::default()).await?;
        let ending = all.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_some());
        let names: Vec<_> = ending.map(ResourceExt::name_any).collect();
        Ok::<_, kube::Error>(Seen::when(names.is_empty(), (), names))
    };
    wait_until("earlier stories to be over", BOUND, look).await.unwrap();
}
