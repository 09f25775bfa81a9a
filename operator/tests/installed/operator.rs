use entrepot_crds::{Registry, labels};
use entrepot_kind_tests::wait::{Seen, wait_until};
use entrepot_operator::context::{Context, Settings};
use entrepot_operator::controllers::registry;
use entrepot_operator::lease::Election;
use entrepot_operator::manager::LEASE_NAME;
use entrepot_operator::metrics::Metrics;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{BOUND, installed, namespace, service_account};

fn context(client: Client) -> Context {
    let settings = Settings {
        registry_image: "localhost/entrepot/registry:test".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        node_agent_namespace: "entrepot-nodes".to_owned(),
        concurrency: 4,
    };
    let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
    Context::new(client, metrics, settings, "test")
}

async fn names<K>(client: &Client, namespace: &str) -> Result<Vec<String>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let ours = ListParams::default().labels(labels::REGISTRY);
    let listed = Api::<K>::namespaced(client.clone(), namespace).list(&ours).await?;
    Ok(listed.iter().map(ResourceExt::name_any).collect())
}

async fn children(client: &Client, namespace: &str) -> Result<Vec<String>, kube::Error> {
    let mut all = names::<Deployment>(client, namespace).await?;
    all.extend(names::<Service>(client, namespace).await?);
    all.extend(names::<NetworkPolicy>(client, namespace).await?);
    all.extend(names::<ConfigMap>(client, namespace).await?);
    all.extend(names::<Secret>(client, namespace).await?);
    all.extend(names::<PersistentVolumeClaim>(client, namespace).await?);
    Ok(all)
}

#[tokio::test]
async fn the_operator_makes_repairs_and_deletes_a_registry() {
    let plane = installed().await;
    let admin = plane.client();
    namespace(&admin, "registries").await;
    let work = tokio::spawn(registry::run(
        context(service_account(&plane, "entrepot-system", "entrepot-operator").await),
        std::future::pending(),
    ));
    let registries = Api::<Registry>::namespaced(admin.clone(), "registries");
    let registry = serde_json::from_value(json!({
        "apiVersion": "entrepot.dev/v1alpha1", "kind": "Registry",
        "metadata": {"name": "main"},
        "spec": {"deletionPolicy": "Delete", "storage": {"volume": {"size": "1Gi"}}},
    }))
    .unwrap();
    registries.create(&PostParams::default(), &registry).await.unwrap();
    wait_until("the children and the status", BOUND, || async {
        let children = children(&admin, "registries").await?;
        let status = registries.get("main").await?.status.unwrap_or_default();
        let done = children.iter().any(|name| name == "main") && status.trust_bundle.is_some();
        Ok::<_, kube::Error>(Seen::when(done, (), (children, status)))
    })
    .await
    .unwrap();

    // Drift of something that is applied, and of something that is only ever made.
    let services = Api::<Service>::namespaced(admin.clone(), "registries");
    let drift = json!({"spec": {"ports": [{"name": "https", "port": 443, "targetPort": 1}]}});
    services.patch("main", &PatchParams::default(), &Patch::Strategic(drift)).await.unwrap();
    let secrets = Api::<Secret>::namespaced(admin.clone(), "registries");
    secrets.delete("main-entrepot-tls", &DeleteParams::default()).await.unwrap();
    wait_until("the repair", BOUND, || async {
        let ports = services.get("main").await?.spec.unwrap_or_default().ports.unwrap_or_default();
        let repaired = ports.iter().all(|port| port.target_port != Some(IntOrString::Int(1)));
        let remade = secrets.get_opt("main-entrepot-tls").await?.is_some();
        Ok::<_, kube::Error>(Seen::when(repaired && remade, (), (ports, remade)))
    })
    .await
    .unwrap();
    wait_until("an event", BOUND, || async {
        let events =
            Api::<Event>::namespaced(admin.clone(), "registries").list(&ListParams::default()).await?;
        let ours = events
            .iter()
            .any(|event| event.reporting_controller.as_deref().is_some_and(|name| name.contains("entrepot")));
        Ok::<_, kube::Error>(Seen::when(ours, (), events.items.len()))
    })
    .await
    .unwrap();

    let claims = Api::<PersistentVolumeClaim>::namespaced(admin.clone(), "registries");
    registries.delete("main", &DeleteParams::default()).await.unwrap();
    // What has an owner is left to the garbage collector; this is what the operator deletes itself.
    wait_until("the Registry and what it kept to be gone", BOUND, || async {
        let kept = ["main-entrepot-ca", "main-entrepot-admin", "main-entrepot-pull", "main-entrepot-keys"];
        let mut left = names::<Secret>(&admin, "registries").await?;
        left.retain(|name| kept.contains(&name.as_str()));
        let claim = claims.get_opt("main-entrepot-data").await?;
        let claim_lives = claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_none());
        let gone = left.is_empty() && !claim_lives && registries.get_opt("main").await?.is_none();
        Ok::<_, kube::Error>(Seen::when(gone, (), (left, claim_lives)))
    })
    .await
    .unwrap();
    work.abort();
}

#[tokio::test]
async fn the_lease_is_taken_renewed_and_given_back() {
    let plane = installed().await;
    let client = service_account(&plane, "entrepot-system", "entrepot-operator").await;
    let election = |identity: &str| {
        Election::new(client.clone(), "entrepot-system", LEASE_NAME, identity.to_owned(), Timestamp::now)
    };
    let leases = Api::<Lease>::namespaced(plane.client(), "entrepot-system");

    let mut first = election("first");
    first.acquire(|| {}).await;
    let taken = spec_of(&leases).await.unwrap();
    assert_eq!(taken.holder_identity.as_deref(), Some("first"));
    let renewed = wait_until("a renewal", BOUND, || async {
        let spec = spec_of(&leases).await?;
        Ok::<_, kube::Error>(Seen::when(spec != taken, (), spec))
    });
    tokio::select! {
        lost = first.hold() => panic!("{lost}"),
        renewed = renewed => renewed.unwrap(),
    }
    first.release().await;

    election("second").acquire(|| {}).await;
    let spec = spec_of(&leases).await.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("second"), Some(1)));
}

async fn spec_of(leases: &Api<Lease>) -> Result<LeaseSpec, kube::Error> {
    Ok(leases.get(LEASE_NAME).await?.spec.unwrap_or_default())
}
