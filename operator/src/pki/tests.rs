use std::io::Write as _;
use std::process::Command;

use super::*;
use jiff::{SignedDuration, Timestamp};

fn noon() -> Timestamp {
    "2030-06-01T12:00:00Z".parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn sans() -> Vec<San> {
    vec![
        San::Dns("main.registries.svc".to_owned()),
        San::Ip("10.96.0.50".parse().unwrap()),
        San::Ip("fd00::50".parse().unwrap()),
    ]
}

#[test]
fn a_leaf_states_its_names_and_life_and_knows_its_authority() {
    let authority = Authority::generate("main.registries", noon()).unwrap();
    let other = Authority::generate("main.registries", noon()).unwrap();
    let issued = authority.issue(&sans(), noon()).unwrap();
    let leaf = Leaf::from_pem(&issued.cert_pem).unwrap();

    assert_eq!(leaf.dns_names, ["main.registries.svc"]);
    assert_eq!(leaf.ip_addresses, [sans_ip(1), sans_ip(2)]);
    assert_eq!(leaf.not_before, "2030-06-01T11:00:00Z".parse().unwrap());
    assert_eq!(leaf.not_after, noon() + days(90));
    assert!(leaf.is_signed_by(&authority));
    assert!(!leaf.is_signed_by(&other), "the same name is not the same authority");
    assert_eq!(authority.not_after(), noon() + days(3650));
}

fn sans_ip(index: usize) -> std::net::IpAddr {
    match sans()[index] {
        San::Ip(ip) => ip,
        San::Dns(_) => unreachable!("the fixture holds addresses there"),
    }
}

#[test]
fn a_leaf_is_renewed_at_two_thirds_of_its_life() {
    let authority = Authority::generate("a", noon()).unwrap();
    let leaf = Leaf::from_pem(&authority.issue(&sans(), noon()).unwrap().cert_pem).unwrap();
    assert!(!leaf.renewal_due(noon()));
    assert!(!leaf.renewal_due(noon() + days(59)));
    assert!(leaf.renewal_due(noon() + days(60)));
    assert!(leaf.renewal_due(noon() + days(200)));
    assert!(leaf.renewal_due(noon() - days(1)), "made by a clock that was ahead");
}

#[test]
fn an_authority_survives_being_stored_and_read_back() {
    let made = Authority::generate("main.registries", noon()).unwrap();
    let read = Authority::from_pem(made.cert_pem(), &made.key_pem()).unwrap();
    assert_eq!(read.cert_pem(), made.cert_pem());
    assert_eq!(read.key_pem(), made.key_pem());
    assert_eq!(read.not_after(), made.not_after());
    let leaf = Leaf::from_pem(&read.issue(&sans(), noon()).unwrap().cert_pem).unwrap();
    assert!(leaf.is_signed_by(&made));
}

#[test]
fn a_leaf_never_outlives_its_authority() {
    let authority = Authority::generate("a", noon()).unwrap();
    let late = authority.not_after() - days(10);
    let leaf = Leaf::from_pem(&authority.issue(&sans(), late).unwrap().cert_pem).unwrap();
    assert_eq!(leaf.not_after, authority.not_after());
    assert!(matches!(
        authority.issue(&sans(), authority.not_after()),
        Err(PkiError::AuthorityExpired { at }) if at == authority.not_after()
    ));
}

#[test]
fn what_cannot_be_issued_or_read_is_refused_by_name() {
    let authority = Authority::generate("a", noon()).unwrap();
    let other = Authority::generate("b", noon()).unwrap();
    let leaf = authority.issue(&sans(), noon()).unwrap();
    assert!(matches!(authority.issue(&[], noon()), Err(PkiError::NoName)));
    assert!(matches!(
        authority.issue(&[San::Dns("bücher.example".to_owned())], noon()),
        Err(PkiError::Name { name }) if name == "bücher.example"
    ));
    assert!(matches!(
        Authority::from_pem(authority.cert_pem(), &other.key_pem()),
        Err(PkiError::KeyMismatch)
    ));
    assert!(matches!(Authority::from_pem(&leaf.cert_pem, &leaf.key_pem), Err(PkiError::NotAnAuthority)));
    for garbage in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(Leaf::from_pem(garbage), Err(PkiError::Unreadable { .. })), "{garbage:?}");
        assert!(
            matches!(Authority::from_pem(garbage, &authority.key_pem()), Err(PkiError::Unreadable { .. })),
            "{garbage:?}"
        );
    }
    assert!(matches!(
        Authority::generate("a", "1960-01-01T00:00:00Z".parse().unwrap()),
        Err(PkiError::Clock { .. })
    ));
}

#[test]
fn a_long_common_name_is_cut_to_what_the_standard_allows() {
    let name = "r".repeat(40) + "." + &"n".repeat(63);
    let authority = Authority::generate(&name, noon()).unwrap();
    let subject = authority.certificate().unwrap().subject().to_string();
    assert_eq!(subject, format!("CN={}", &name[..64]));
}

#[test]
fn no_key_is_in_what_debug_prints() {
    let authority = Authority::generate("a", noon()).unwrap();
    let issued = authority.issue(&sans(), noon()).unwrap();
    for shown in [format!("{authority:?}"), format!("{issued:?}")] {
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}

/// Another implementation's verdict: chain, host name, addresses, purpose.
#[test]
fn openssl_verifies_the_chain_for_every_name() {
    let authority = Authority::generate("main.registries", noon()).unwrap();
    let read_back = Authority::from_pem(authority.cert_pem(), &authority.key_pem()).unwrap();
    let issued = read_back.issue(&sans(), noon()).unwrap();
    let at = noon().as_second().to_string();
    for (flag, name, good) in [
        ("-verify_hostname", "main.registries.svc", true),
        ("-verify_ip", "10.96.0.50", true),
        ("-verify_ip", "fd00::50", true),
        ("-verify_hostname", "other.registries.svc", false),
    ] {
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        let mut leaf = tempfile::NamedTempFile::new().unwrap();
        ca.write_all(authority.cert_pem().as_bytes()).unwrap();
        leaf.write_all(issued.cert_pem.as_bytes()).unwrap();
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-attime", &at, flag, name, "-CAfile"])
            .args([ca.path(), leaf.path()])
            .output()
            .expect("openssl is needed by this test: install the package `openssl`");
        assert_eq!(output.status.success(), good, "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
