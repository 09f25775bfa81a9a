//! An apiserver that stands alone: what the operator's tests lean on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;

use entrepot_kind_tests::{
    ControlPlane, ControlPlaneOptions,
    wait::{Seen, wait_until},
};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use std::time::Duration;

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

#[tokio::test]
async fn two_at_once_know_nothing_of_each_other() {
    let start = || ControlPlane::start(ControlPlaneOptions::default());
    let (one, other) = futures::future::try_join(start(), start()).await.unwrap();
    for (plane, name) in [(&one, "of-one"), (&other, "of-other")] {
        let api: Api<ConfigMap> = Api::namespaced(plane.client(), "default");
        api.create(&PostParams::default(), &config_map(name)).await.unwrap();
        let names: BTreeSet<_> = api
            .list(&ListParams::default())
            .await
            .unwrap()
            .into_iter()
            .filter_map(|m| m.metadata.name)
            .collect();
        assert_eq!(names, BTreeSet::from([name.to_owned()]));
    }
    let folder = one.kubeconfig().parent().unwrap().to_owned();
    drop(one);
    assert!(!folder.exists());
    other.client().apiserver_version().await.unwrap();
}

#[tokio::test]
async fn the_audit_log_holds_writes_and_a_plain_user_may_do_nothing() {
    let plane =
        ControlPlane::start(ControlPlaneOptions { audit_log: true, ..Default::default() }).await.unwrap();
    let nobody = plane.client_as("nobody", &["nobodies"]).await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(nobody, "default");
    let refused = api.create(&PostParams::default(), &config_map("mine")).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");

    let log = plane.audit_log();
    let event = wait_until("the refusal in the audit log", Duration::from_secs(20), || async {
        let text = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
        let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut ours = events.filter(|event| event["impersonatedUser"]["username"] == "nobody");
        Ok::<_, String>(ours.next().map_or_else(|| Seen::NotYet(text.len().to_string()), Seen::Ready))
    });
    let event = event.await.unwrap();
    assert_eq!((event["verb"].as_str(), event["level"].as_str()), (Some("create"), Some("Metadata")));
    assert_eq!(event["responseStatus"]["code"], 403);
}

#[tokio::test]
async fn with_controllers_a_namespace_goes_when_deleted() {
    let plane =
        ControlPlane::start(ControlPlaneOptions { controllers: true, ..Default::default() }).await.unwrap();
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(plane.client());
    let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": "short-lived"}})).unwrap();
    api.create(&PostParams::default(), &namespace).await.unwrap();
    api.delete("short-lived", &kube::api::DeleteParams::default()).await.unwrap();
    wait_until("the namespace to go", Duration::from_mins(1), || async {
        api.get_opt("short-lived").await.map(|found| Seen::when(found.is_none(), (), found))
    })
    .await
    .unwrap();
}
