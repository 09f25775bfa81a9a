//! Every optional part of the spec can be put in and taken out again by every way in which people write objects.

use entrepot_kind_tests::kubectl::Kubectl;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{client, namespace, plane, registries};

/// The parts, each with the value that it has when it is there.
fn parts() -> Vec<(&'static str, Value)> {
    vec![
        ("tls", json!({"secretRef": {"name": "a"}})),
        ("auth", json!({"htpasswdSecretRef": {"name": "a"}})),
        ("service", json!({"type": "LoadBalancer", "port": 5000})),
        ("nodeAccess", json!({"mode": "None"})),
        ("podTemplate", json!({"spec": {"nodeSelector": {"a": "b"}}})),
        ("image", json!("registry.example.com/a:1")),
    ]
}

fn manifest(name: &str, part: Option<&(&str, Value)>) -> Value {
    let mut spec = json!({"storage": {"volume": {"size": "1Gi"}}});
    if let Some((key, value)) = part {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "entrepot.dev/v1alpha1",
        "kind": "Registry",
        "metadata": {"name": name},
        "spec": spec,
    })
}

async fn assert_part(namespace: &str, name: &str, part: &(&str, Value), is_there: bool) {
    let registry = registries(&client().await, namespace).get(name).await.unwrap();
    let spec = serde_json::to_value(&registry.spec).unwrap();
    let expected = if is_there { part.1.clone() } else { Value::Null };
    assert_eq!(spec[part.0], expected, "{name} {}", part.0);
}

#[tokio::test]
async fn client_side_apply() {
    let namespace = namespace(&client().await).await;
    let kubectl = Kubectl::new(&plane().await.kubeconfig());
    for part in &parts() {
        for wanted in [None, Some(part), None] {
            let mut text = manifest("main", wanted);
            text["metadata"]["namespace"] = json!(namespace);
            kubectl.apply_text(&text.to_string()).await.unwrap();
            assert_part(&namespace, "main", part, wanted.is_some()).await;
        }
    }
}

#[tokio::test]
async fn server_side_apply() {
    let client = client().await;
    let namespace = namespace(&client).await;
    let api = registries(&client, &namespace);
    let params = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply("somebody")
    };
    for part in &parts() {
        for wanted in [None, Some(part), None] {
            api.patch("main", &params, &Patch::Apply(manifest("main", wanted))).await.unwrap();
            assert_part(&namespace, "main", part, wanted.is_some()).await;
        }
    }
}

#[tokio::test]
async fn merge_patch() {
    let client = client().await;
    let namespace = namespace(&client).await;
    crate::world::create(&client, &namespace, "main", |_| {}).await;
    let api = registries(&client, &namespace);
    for part in &parts() {
        for wanted in [part.1.clone(), Value::Null] {
            let patch = json!({"spec": {part.0: wanted}});
            api.patch("main", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            assert_part(&namespace, "main", part, !wanted.is_null()).await;
        }
    }
}
