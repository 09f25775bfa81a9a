//! Whether a live object has everything that is wanted of it.

use serde_json::{Map, Value};

use crate::controllers::quantity::Quantity;

/// Whether `wanted` says something that `live` does not. What `live` has beyond that (defaults, status, what other
/// controllers add) is no difference.
pub(super) fn differs(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().any(|(key, value)| match live.get(key) {
                Some(live) => differs(value, live),
                None => !is_empty(value),
            })
        }
        (Value::Array(wanted), Value::Array(live)) => lists_differ(wanted, live),
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            wanted != live && !same_quantity(wanted, live)
        }
        _ => wanted != live && !(is_empty(wanted) && is_empty(live)),
    }
}

/// The API server drops what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Lists of named things are sets to which others may add; all others are compared item by item.
fn lists_differ(wanted: &[Value], live: &[Value]) -> bool {
    match merge_key(wanted) {
        Some(key) => wanted.iter().any(|item| {
            let same = |other: &&Value| other.get(key) == item.get(key);
            live.iter().find(same).is_none_or(|other| differs(item, other))
        }),
        None => {
            wanted.len() != live.len() || wanted.iter().zip(live).any(|(wanted, live)| differs(wanted, live))
        }
    }
}

/// The member by which the items of a list are told apart, as Kubernetes' own schemas have it.
fn merge_key(items: &[Value]) -> Option<&'static str> {
    ["uid", "mountPath", "name"].into_iter().find(|key| {
        !items.is_empty() && items.iter().all(|item| item.as_object().is_some_and(|item| has(item, key)))
    })
}

fn has(item: &Map<String, Value>, key: &str) -> bool {
    item.get(key).is_some_and(Value::is_string)
}

/// The API server writes `0.5` as `500m`.
fn same_quantity(wanted: &Value, live: &Value) -> bool {
    let quantity = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.parse::<Quantity>().ok()
    };
    quantity(wanted).is_some_and(|wanted| quantity(live) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::differs;

    #[rstest]
    #[case::equal(json!({"a": 1}), json!({"a": 1}), false)]
    #[case::defaults_are_none(json!({"a": 1}), json!({"a": 1, "b": 2}), false)]
    #[case::changed(json!({"a": 1}), json!({"a": 2}), true)]
    #[case::missing(json!({"a": 1}), json!({}), true)]
    #[case::empty_is_missing(json!({"a": {}, "b": [], "c": null}), json!({}), false)]
    #[case::nested(json!({"a": {"b": {"c": true}}}), json!({"a": {"b": {"c": false}}}), true)]
    #[case::quantity(json!({"cpu": "0.5"}), json!({"cpu": "500m"}), false)]
    #[case::other_quantity(json!({"cpu": "0.5"}), json!({"cpu": "501m"}), true)]
    #[case::other_text(json!({"a": "main"}), json!({"a": "other"}), true)]
    #[case::a_sidecar(json!([{"name": "a", "x": 1}]), json!([{"name": "b"}, {"name": "a", "x": 1}]), false)]
    #[case::a_lost_one(json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "b"}]), true)]
    #[case::an_extra_argument(json!(["serve"]), json!(["serve", "--insecure"]), true)]
    #[case::another_type(json!({"a": [1]}), json!({"a": {"b": 1}}), true)]
    #[case::an_extra_peer(json!([{"ports": [1]}]), json!([{"ports": [1]}, {}]), true)]
    fn table(#[case] wanted: Value, #[case] live: Value, #[case] expected: bool) {
        assert_eq!(differs(&wanted, &live), expected);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z0-9]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]|name|uid", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Two items of one name are not a list that the API server keeps; every other object equals itself.
        #[test]
        fn nothing_differs_from_itself(value in any_json().prop_filter("unique names", unique_names)) {
            prop_assert!(!differs(&value, &value));
        }
    }

    fn unique_names(value: &Value) -> bool {
        match value {
            Value::Array(items) => {
                let unique = |key: &str| {
                    let mut seen: Vec<&Value> = items.iter().filter_map(|item| item.get(key)).collect();
                    let all = seen.len();
                    seen.sort_by_key(ToString::to_string);
                    seen.dedup();
                    seen.len() == all
                };
                unique("name") && unique("uid") && items.iter().all(unique_names)
            }
            Value::Object(members) => members.values().all(unique_names),
            _ => true,
        }
    }
}
