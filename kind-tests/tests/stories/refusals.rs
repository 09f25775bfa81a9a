//! What the API server refuses, as `kubectl apply` shows it to the person who asked.

use serde_json::{Value, json};

use crate::support::{Story, small};

#[tokio::test]
async fn kubectl_says_what_is_wrong_with_a_registry_and_what_to_do() {
    let story = Story::begin("refusals").await;
    let long = "a".repeat(41);
    let volume = |volume: Value| json!({"storage": {"volume": volume}});
    let refused = [
        ("kubernetes", small(), "metadata.name must not be 'kubernetes'"),
        (&long, small(), "use at most 40 characters"),
        ("9lives", small(), "starting with a letter"),
        ("main-entrepot", small(), "must not end in '-entrepot'"),
        ("main", json!({"storage": {}}), "set storage.volume"),
        ("main", volume(json!({})), "set either size, for a new volume, or existingClaim"),
        ("main", volume(json!({"size": "1Gi", "existingClaim": "mine"})), "set either size"),
        ("main", volume(json!({"size": "-1Gi"})), "size must be a positive quantity such as 20Gi"),
        (
            "main",
            json!({"storage": small()["storage"], "deletionPolicy": "Keep"}),
            "supported values: \"Retain\", \"Delete\"",
        ),
    ];
    for (name, spec, said) in refused {
        let error = story.apply(name, &spec).await.unwrap_err();
        assert!(error.contains(said), "{name} {spec}: {error}");
    }

    story.apply("main", &volume(json!({"size": "2Gi"}))).await.unwrap();
    let changed = [
        (volume(json!({"size": "1Gi"})), "size may grow but not shrink"),
        (volume(json!({"size": "2Gi", "storageClassName": "other"})), "storageClassName cannot be changed"),
        (volume(json!({"existingClaim": "mine"})), "existingClaim cannot be set, changed or removed later"),
    ];
    for (spec, said) in changed {
        let error = story.apply("main", &spec).await.unwrap_err();
        assert!(error.contains(said), "{spec}: {error}");
    }
}
