//! What a plan does over a Registry's life: what stays, what is made anew, and what never leaves a Secret.

// In a test a panic is the report, in its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use entrepot_crds::labels;
use entrepot_operator::controllers::registry::build::Child;
use entrepot_operator::controllers::registry::observe::StorageClassFacts;
use entrepot_operator::pki::Leaf;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimStatus, Secret};
use rstest::rstest;
use serde_json::{Value, json};

use support::{Cluster, Outcome, case, fixture, now};

fn later(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

fn data(secret: Option<&Secret>) -> BTreeMap<String, ByteString> {
    secret.unwrap().data.clone().unwrap()
}

fn set(secret: &mut Option<Secret>, key: &str, value: &[u8]) {
    let data = secret.as_mut().unwrap().data.as_mut().unwrap();
    data.insert(key.to_owned(), ByteString(value.to_vec()));
}

fn checksum(outcome: &Outcome) -> String {
    let Child::Present(deployment) = &outcome.plan.deployment else { panic!("no Deployment") };
    let template = deployment.spec.clone().unwrap().template.metadata.unwrap();
    template.annotations.unwrap()[labels::CHECKSUM].clone()
}

fn condition(outcome: &Outcome, kind: &str) -> (String, String) {
    let found = outcome.status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (found.status.clone(), found.reason.clone())
}

/// Every generated or referenced secret value, wherever it could have leaked to.
#[test]
fn no_secret_leaves_the_secrets() {
    let mut cluster = Cluster::of(case("everything"));
    let outcome = cluster.settle();
    let seen = &cluster.observed;
    let mut secrets: Vec<String> = Vec::new();
    let both = [&seen.references.certificate, &seen.references.htpasswd];
    for secret in
        [&seen.ca, &seen.keys, &seen.admin, &seen.pull, &seen.htpasswd, &seen.tls].into_iter().chain(both)
    {
        for (key, value) in data(secret.as_ref()) {
            if !["username", "tls.crt"].contains(&key.as_str()) {
                secrets.extend(String::from_utf8(value.0).unwrap().lines().map(str::to_owned));
            }
        }
    }
    secrets.retain(|line| line.len() > 8 && !line.starts_with("-----"));
    assert!(secrets.len() > 10);
    let open = [
        serde_json::to_string(&seen.config_map).unwrap(),
        serde_json::to_string(&seen.trust).unwrap(),
        serde_json::to_string(&seen.deployment).unwrap(),
        serde_json::to_string(&seen.service).unwrap(),
        serde_json::to_string(&seen.network_policy).unwrap(),
        serde_json::to_string(&outcome.status).unwrap(),
    ];
    for secret in &secrets {
        assert!(open.iter().all(|text| !text.contains(secret.as_str())), "a secret value is in the open");
    }
}

/// The configuration that the operator writes is one that the server reads.
#[test]
fn the_server_understands_the_configuration() {
    for name in ["minimal", "everything"] {
        let mut cluster = Cluster::of(case(name));
        cluster.settle();
        let text = cluster.observed.config_map.unwrap().data.unwrap()["config.yml"].clone();
        let (config, warnings) =
            entrepot_registry_config::Config::load(Some(&text), std::iter::empty()).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(serde_saphyr::to_string(&config).unwrap(), text);
    }
}

#[rstest]
#[case::configuration(|cluster: &mut Cluster| cluster.registry.spec.auth = None)]
#[case::user_certificate(|cluster: &mut Cluster| {
    set(&mut cluster.observed.references.certificate, "tls.crt", &fixture("ec384.crt"));
    set(&mut cluster.observed.references.certificate, "tls.key", &fixture("ec384-sec1.key"));
})]
#[case::user_htpasswd(|cluster: &mut Cluster| set(&mut cluster.observed.references.htpasswd, "auth", b"other:x"))]
#[case::generated_users(|cluster: &mut Cluster| set(&mut cluster.observed.admin, "password", b"changed by hand"))]
#[case::keys(|cluster: &mut Cluster| set(&mut cluster.observed.keys, "http-secret", b"changed by hand"))]
#[case::certificate(|cluster: &mut Cluster| cluster.observed.tls = None)]
fn every_input_of_the_server_is_in_its_checksum(#[case] change: fn(&mut Cluster)) {
    let mut cluster = Cluster::of(case("everything"));
    let before = checksum(&cluster.settle());
    assert_eq!(checksum(&cluster.settle()), before);
    change(&mut cluster);
    assert_ne!(checksum(&cluster.settle()), before);
}

/// What nobody asked to change is not what the server is restarted for.
#[test]
fn the_nodes_reports_restart_nothing() {
    let mut cluster = Cluster::of(case("everything"));
    let before = checksum(&cluster.settle());
    cluster.observed.nodes = Some(Vec::new());
    assert_eq!(checksum(&cluster.settle()), before);
}

#[test]
fn the_certificate_is_renewed_at_two_thirds_of_its_life_even_if_suspended() {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    cluster.registry.spec.suspend = true;
    let first = data(cluster.observed.tls.as_ref());
    let leaf = Leaf::from_pem(std::str::from_utf8(&first["tls.crt"].0).unwrap()).unwrap();
    cluster.round(leaf.renewal_time() - SignedDuration::from_secs(1));
    assert_eq!(data(cluster.observed.tls.as_ref()), first);
    cluster.round(leaf.renewal_time());
    let second = data(cluster.observed.tls.as_ref());
    assert_ne!(second, first);
    let renewed = Leaf::from_pem(std::str::from_utf8(&second["tls.crt"].0).unwrap()).unwrap();
    assert_eq!(renewed.dns_names, leaf.dns_names);
    assert!(renewed.not_after > leaf.not_after);
}

#[test]
fn a_certificate_that_lacks_an_address_is_made_anew() {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    let ca = data(cluster.observed.ca.as_ref());
    let spec = cluster.observed.service.as_mut().unwrap().spec.as_mut().unwrap();
    spec.cluster_ips = Some(vec!["10.96.0.18".to_owned()]);
    let Child::Present(tls) = cluster.round(now()).plan.tls else { panic!("no certificate") };
    let leaf = Leaf::from_pem(std::str::from_utf8(&tls.data.unwrap()["tls.crt"].0).unwrap()).unwrap();
    assert!(leaf.ip_addresses.contains(&"10.96.0.18".parse().unwrap()));
    assert!(!leaf.ip_addresses.contains(&"10.96.0.17".parse().unwrap()));
    assert_eq!(data(cluster.observed.ca.as_ref()), ca, "clients go on trusting the same CA");
}

/// A password that a person puts into the Secret is the one that counts.
#[test]
fn a_changed_password_reaches_the_htpasswd_file_and_the_docker_config() {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    let pull = data(cluster.observed.pull.as_ref());
    set(&mut cluster.observed.admin, "password", b"rotated-by-hand");
    cluster.settle();
    let file = String::from_utf8(data(cluster.observed.htpasswd.as_ref())["htpasswd"].0.clone()).unwrap();
    assert!(entrepot_operator::credentials::htpasswd_verifies(&file, "admin", "rotated-by-hand"));
    let docker: Value =
        serde_json::from_slice(&data(cluster.observed.admin.as_ref())[".dockerconfigjson"].0).unwrap();
    assert_eq!(docker["auths"]["main.registries.svc"]["password"], "rotated-by-hand");
    assert_eq!(data(cluster.observed.pull.as_ref()), pull);
}

/// Retain: a Registry of the same name takes up what its predecessor left, addresses included.
#[test]
fn a_new_registry_of_the_same_name_takes_up_what_was_kept() {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    let kept =
        [&cluster.observed.ca, &cluster.observed.admin, &cluster.observed.pull, &cluster.observed.keys]
            .map(|one| data(one.as_ref()));
    let claim = cluster.observed.claim.clone();
    let mut second = Cluster::of(case("minimal"));
    second.registry.metadata.uid = Some("0001-main".to_owned());
    second.observed.claim = claim;
    second.observed.ca.clone_from(&cluster.observed.ca);
    second.observed.admin.clone_from(&cluster.observed.admin);
    second.observed.pull.clone_from(&cluster.observed.pull);
    second.observed.keys.clone_from(&cluster.observed.keys);
    let Child::Present(service) = second.round(now()).plan.service else { panic!("no Service") };
    let addresses: Vec<String> = service.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.96.0.17", "fd00::17"]);
    let outcome = second.settle();
    let after = [&second.observed.ca, &second.observed.admin, &second.observed.pull, &second.observed.keys]
        .map(|one| data(one.as_ref()));
    assert_eq!(after, kept);
    assert_eq!(condition(&outcome, "Ready"), ("True".to_owned(), "AsSpecified".to_owned()));
    let relabelled = second.observed.claim.unwrap().metadata.labels.unwrap();
    assert_eq!(relabelled[labels::REGISTRY_UID], "0001-main");
}

#[rstest]
#[case::ca(|cluster: &mut Cluster| set(&mut cluster.observed.ca, "tls.crt", b"scribble"), "CertificateReady", "AuthorityUnusable")]
#[case::password(|cluster: &mut Cluster| set(&mut cluster.observed.pull, "password", b""), "ConfigurationReady", "CredentialUnusable")]
#[case::keys(|cluster: &mut Cluster| set(&mut cluster.observed.keys, "http-secret", b""), "ConfigurationReady", "CredentialUnusable")]
fn damaged_material_is_reported_and_not_replaced(
    #[case] damage: fn(&mut Cluster),
    #[case] kind: &str,
    #[case] reason: &str,
) {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    damage(&mut cluster);
    let before =
        [&cluster.observed.ca, &cluster.observed.pull, &cluster.observed.keys].map(|one| data(one.as_ref()));
    let outcome = cluster.round(later(1));
    assert_eq!(condition(&outcome, kind), ("False".to_owned(), reason.to_owned()));
    assert_eq!(condition(&outcome, "Ready"), ("False".to_owned(), reason.to_owned()));
    assert_eq!(
        [&cluster.observed.ca, &cluster.observed.pull, &cluster.observed.keys].map(|one| data(one.as_ref())),
        before
    );
}

#[rstest]
#[case::no_names("no-san.crt", "ec-pkcs8.key", "CertificateWithoutNames")]
#[case::other_key("ec.crt", "ec384-sec1.key", "CertificateKeyMismatch")]
#[case::encrypted("ec.crt", "ec-encrypted.key", "CertificateUnreadable")]
fn a_certificate_that_cannot_be_served_is_left_out(
    #[case] chain: &str,
    #[case] key: &str,
    #[case] reason: &str,
) {
    let mut cluster = Cluster::of(case("everything"));
    set(&mut cluster.observed.references.certificate, "tls.crt", &fixture(chain));
    set(&mut cluster.observed.references.certificate, "tls.key", &fixture(key));
    let outcome = cluster.settle();
    assert_eq!(condition(&outcome, "CertificateReady"), ("False".to_owned(), reason.to_owned()));
    assert_eq!(condition(&outcome, "Available").0, "True");
    let config = cluster.observed.config_map.clone().unwrap().data.unwrap()["config.yml"].clone();
    assert!(!config.contains("tls-extra"), "{config}");
    // It heals by itself once the Secret holds a pair that can be served.
    set(&mut cluster.observed.references.certificate, "tls.crt", &fixture("ec.crt"));
    set(&mut cluster.observed.references.certificate, "tls.key", &fixture("ec-pkcs8.key"));
    assert_eq!(condition(&cluster.settle(), "CertificateReady").0, "True");
}

/// A time that changes with every round would be a write with every round.
#[test]
fn a_status_that_says_the_same_is_the_same() {
    let mut cluster = Cluster::of(case("missing-references"));
    let first = cluster.settle().status;
    assert_eq!(cluster.round(later(1)).status, first);
}

#[test]
fn the_transition_time_is_that_of_the_last_change() {
    let mut cluster = Cluster::of(case("missing-references"));
    cluster.settle();
    cluster.registry.spec.tls = None;
    cluster.registry.spec.auth = None;
    let status = cluster.round(later(1)).status;
    let time = |kind: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
        found.last_transition_time.0
    };
    assert_eq!(time("Ready"), later(1));
    assert_eq!(time("StorageReady"), now());
}

#[rstest]
#[case::default_class(json!({"phase": "Pending"}), &[("slow", true)], None, "VolumePending")]
#[case::no_class_at_all(json!({"phase": "Pending"}), &[], None, "NoDefaultStorageClass")]
#[case::no_default(json!({"phase": "Pending"}), &[("slow", false)], None, "NoDefaultStorageClass")]
#[case::named(json!({"phase": "Pending"}), &[("fast", false)], Some("fast"), "VolumePending")]
#[case::misspelt(json!({"phase": "Pending"}), &[("fast", true)], Some("fsat"), "StorageClassNotFound")]
#[case::without_a_class(json!({"phase": "Pending"}), &[], Some(""), "VolumePending")]
#[case::lost(json!({"phase": "Lost"}), &[], None, "VolumeLost")]
#[case::growing(json!({"phase": "Bound", "capacity": {"storage": "10Gi"}}), &[], None, "VolumeResizing")]
#[case::larger(json!({"phase": "Bound", "capacity": {"storage": "21Gi"}}), &[], None, "VolumeBound")]
fn what_is_told_of_the_volume(
    #[case] claim: Value,
    #[case] classes: &[(&str, bool)],
    #[case] class: Option<&str>,
    #[case] reason: &str,
) {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.claim_status = Some(serde_json::from_value(claim).unwrap());
    let facts = |(name, is_default): &(&str, bool)| StorageClassFacts {
        name: (*name).to_owned(),
        is_default: *is_default,
    };
    cluster.observed.references.storage_classes = Some(classes.iter().map(facts).collect());
    cluster.registry.spec.storage.volume.as_mut().unwrap().storage_class_name = class.map(str::to_owned);
    let outcome = cluster.settle();
    let bound = if reason == "VolumeBound" { "True" } else { "False" };
    assert_eq!(condition(&outcome, "StorageReady"), (bound.to_owned(), reason.to_owned()));
    assert_eq!(condition(&outcome, "Stalled").0, "False", "a volume may still come");
}

/// An operator that has just started has not read the reports yet; that is no reason to say that there are none.
#[test]
fn what_nodes_reported_stands_until_their_reports_are_read_again() {
    let mut cluster = Cluster::of(case("everything"));
    let before = cluster.settle().status;
    cluster.observed.nodes = None;
    assert_eq!(cluster.round(later(1)).status, before);
}

/// Classes that nobody has read are not classes that are missing.
#[rstest]
#[case::of_the_registry("minimal")]
#[case::of_the_user("existing-claim")]
fn a_claim_that_waits_says_nothing_of_classes_that_were_not_read(#[case] name: &str) {
    let mut cluster = Cluster::of(case(name));
    let pending: PersistentVolumeClaimStatus = serde_json::from_value(json!({"phase": "Pending"})).unwrap();
    cluster.claim_status = Some(pending.clone());
    if let Some(claim) = &mut cluster.observed.references.existing_claim {
        claim.status = Some(pending);
        claim.spec.get_or_insert_default().storage_class_name = Some("fast".to_owned());
    }
    let outcome = cluster.settle();
    assert_eq!(condition(&outcome, "StorageReady"), ("False".to_owned(), "VolumePending".to_owned()));
}

/// A name that the spec does not need stands in nobody's way.
#[test]
fn a_foreign_claim_is_no_conflict_beside_an_existing_one() {
    let mut cluster = Cluster::of(case("existing-claim"));
    let foreign = json!({
        "metadata": {"name": "main-entrepot-data"},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}},
    });
    cluster.observed.claim = Some(serde_json::from_value(foreign).unwrap());
    let outcome = cluster.settle();
    assert_eq!(condition(&outcome, "Stalled"), ("False".to_owned(), "AsSpecified".to_owned()));
    assert_eq!(outcome.plan.claim, Child::Absent);
}

/// People keep a certificate and its key in one file; only the certificate is for everybody.
#[test]
fn a_key_beside_the_authoritys_certificate_stays_in_its_secret() {
    let mut cluster = Cluster::of(case("minimal"));
    let certificate = cluster.settle().status.trust_bundle.unwrap().pem;
    let ca = data(cluster.observed.ca.as_ref());
    let both = [ca["tls.key"].0.as_slice(), ca["tls.crt"].0.as_slice(), b"a note\n"].concat();
    set(&mut cluster.observed.ca, "tls.crt", &both);
    let outcome = cluster.settle();
    assert_eq!(outcome.status.trust_bundle.unwrap().pem, certificate);
    let Child::Present(trust) = outcome.plan.trust else { panic!("no trust bundle") };
    assert_eq!(trust.data.unwrap()["ca.crt"], certificate);
}

/// A new certificate that lives no longer than the one in use would only restart the server.
#[test]
fn a_certificate_that_ends_with_its_authority_is_not_renewed() {
    let mut cluster = Cluster::of(case("minimal"));
    cluster.settle();
    let ca = data(cluster.observed.ca.as_ref());
    let end = Leaf::from_pem(std::str::from_utf8(&ca["tls.crt"].0).unwrap()).unwrap().not_after;
    cluster.round(end - SignedDuration::from_mins(20));
    let last = data(cluster.observed.tls.as_ref());
    let leaf = Leaf::from_pem(std::str::from_utf8(&last["tls.crt"].0).unwrap()).unwrap();
    assert_eq!(leaf.not_after, end);
    cluster.round(end - SignedDuration::from_mins(19));
    assert_eq!(data(cluster.observed.tls.as_ref()), last);
    let outcome = cluster.round(end + SignedDuration::from_secs(1));
    assert_eq!(condition(&outcome, "CertificateReady"), ("False".to_owned(), "AuthorityUnusable".to_owned()));
}
