//! A Registry's YAML in, every child and the status out, through the real steps. `INSTA_UPDATE=always` accepts changes.

// In a test a panic is the report, in its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entrepot_operator::controllers::registry::build::{Child, Plan};
use entrepot_operator::pki::Leaf;
use rstest::rstest;
use serde::Serialize;
use serde_json::{Map, Value, json};

use support::{Cluster, Outcome, case};

#[rstest]
#[case::minimal("minimal")]
#[case::everything("everything")]
#[case::existing_claim("existing-claim")]
#[case::missing_references("missing-references")]
#[case::missing_claim("missing-claim")]
#[case::certificate_without_names("certificate-without-names")]
#[case::name_conflict("name-conflict")]
#[case::suspended("suspended")]
fn children(#[case] name: &str) {
    let outcome = Cluster::of(case(name)).settle();
    insta::with_settings!({snapshot_path => "golden/children", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, render(&outcome));
    });
}

/// The first round of a new Registry: what can be made before the Service has an address, and nothing else.
#[test]
fn first_round() {
    let outcome = Cluster::of(case("minimal")).round(support::now());
    insta::with_settings!({snapshot_path => "golden/children", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("first-round", render(&outcome));
    });
}

/// Every case file is used.
#[test]
fn every_case_is_tested() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = |folder: &str, suffix: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.filter_map(|file| file.strip_suffix(suffix).map(str::to_owned)).collect()
    };
    let cases = names(&folder.join("cases").display().to_string(), ".yaml");
    let mut children = names(&folder.join("children").display().to_string(), ".snap");
    children.remove("first-round");
    assert_eq!(cases, children);
}

fn render(outcome: &Outcome) -> String {
    let Plan {
        claim,
        ca,
        keys,
        admin,
        pull,
        htpasswd,
        tls,
        service,
        internal_service,
        network_policy,
        config_map,
        trust,
        deployment,
    } = &outcome.plan;
    let service = match service {
        Child::Present(planned) => Child::Present(planned.service.clone()),
        Child::Absent => Child::Absent,
        Child::NotYet(finding) => Child::NotYet(finding.clone()),
    };
    let mut text = String::new();
    for part in [
        one("claim", claim),
        one("ca", ca),
        one("keys", keys),
        one("admin", admin),
        one("pull", pull),
        one("htpasswd", htpasswd),
        one("tls", tls),
        one("service", &service),
        one("internal service", internal_service),
        one("network policy", network_policy),
        one("config", config_map),
        one("trust", trust),
        one("deployment", deployment),
        format!("# status\n{}", yaml(&redacted(&outcome.status))),
    ] {
        text.push_str(&part);
        text.push('\n');
    }
    text
}

fn one<T: Serialize>(name: &str, child: &Child<T>) -> String {
    match child {
        Child::Present(object) => format!("# {name}\n{}", yaml(&redacted(object))),
        Child::Absent => format!("# {name}: absent\n"),
        Child::NotYet(finding) => {
            format!("# {name}: not yet, {}: {}\n", finding.reason.as_str(), finding.message)
        }
    }
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap()
}

/// The object with what is random or made from it replaced by what is known of it.
fn redacted(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    let is_secret = value["kind"] == "Secret";
    if let Some(data) = value.get_mut("data").and_then(Value::as_object_mut) {
        for (key, content) in data.iter_mut() {
            *content = if is_secret { secret_value(key, content) } else { text_value(key, content) };
        }
    }
    if let Some(bundle) = value.get_mut("trustBundle").and_then(Value::as_object_mut) {
        for key in ["pem", "sha256"] {
            bundle.insert(key.to_owned(), json!("<generated>"));
        }
    }
    if let Some(annotations) = value.pointer_mut("/spec/template/metadata/annotations") {
        let checksum = annotations["entrepot.dev/checksum"].as_str().unwrap();
        assert_eq!(checksum.len(), 64);
        annotations["entrepot.dev/checksum"] = json!("<sha256>");
    }
    value
}

fn text_value(key: &str, content: &Value) -> Value {
    if key == "ca.crt" { json!("<generated>") } else { content.clone() }
}

fn secret_value(key: &str, content: &Value) -> Value {
    let bytes = STANDARD.decode(content.as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    match key {
        "username" => json!(text),
        "tls.crt" => {
            let leaf = Leaf::from_pem(&text).unwrap();
            json!({"dns": leaf.dns_names, "ip": leaf.ip_addresses, "notAfter": leaf.not_after.to_string()})
        }
        ".dockerconfigjson" => {
            let config: Map<String, Value> = serde_json::from_str(&text).unwrap();
            json!({"auths": config["auths"].as_object().unwrap().keys().collect::<Vec<_>>()})
        }
        "htpasswd" => json!(text.lines().map(|line| line.split(':').next().unwrap()).collect::<Vec<_>>()),
        _ => json!("<generated>"),
    }
}
