//! The committed definitions are those that the types give, and small enough for `kubectl apply`.

use std::path::Path;

use entrepot_crds::crd;
use serde_json::Value;

#[test]
fn committed_yaml_is_current() {
    for definition in crd::all() {
        let name = format!("{}.yaml", definition.spec.names.plural);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let current = crd::to_yaml(&definition).unwrap();
        assert!(committed == current, "crds/{name} is stale: run `cargo run -p entrepot-crds --bin crdgen`");
    }
}

/// Client-side apply stores the whole object in an annotation, which may hold 256 KiB.
#[test]
fn definitions_fit_an_annotation() {
    for definition in crd::all() {
        assert!(crd::to_yaml(&definition).unwrap().len() < 200_000);
    }
}

/// A default on an object is persisted with it: a default member of a union locks the user out of the other members.
#[test]
fn only_scalars_and_the_status_have_defaults() {
    for definition in crd::all() {
        let mut found = Vec::new();
        collect_defaults(&serde_json::to_value(&definition).unwrap(), "", &mut found);
        let objects: Vec<&(String, Value)> = found.iter().filter(|(_, value)| value.is_object()).collect();
        let paths: Vec<&str> = objects.iter().map(|(path, _)| path.rsplit('.').next().unwrap()).collect();
        assert_eq!(paths, ["status"], "{objects:?}");
    }
}

fn collect_defaults(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "default" && members.contains_key("type") {
                    found.push((path.to_owned(), member.clone()));
                } else {
                    collect_defaults(member, &format!("{path}.{key}"), found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_defaults(item, path, found)),
        _ => {}
    }
}
