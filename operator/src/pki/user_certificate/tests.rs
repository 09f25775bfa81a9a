use super::*;
use rstest::rstest;

/// The fixtures are openssl's, valid from November 2026 for a century.
fn now() -> Timestamp {
    "2030-06-01T12:00:00Z".parse().unwrap()
}

fn fixture(name: &str) -> String {
    let path = format!("{}/src/pki/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[rstest]
#[case("rsa4096.crt", "rsa4096-pkcs1.key")]
#[case("rsa4096.crt", "rsa4096-pkcs8.key")]
#[case("ec.crt", "ec-sec1.key")]
#[case("ec.crt", "ec-pkcs8.key")]
#[case("ec384.crt", "ec384-sec1.key")]
#[case("ed25519.crt", "ed25519.key")]
fn every_usual_key_format_loads(#[case] certificate: &str, #[case] key: &str) {
    let facts = check(&fixture(certificate), &fixture(key), now()).unwrap();
    assert_eq!(facts.dns_names, ["registry.example.com"]);
    assert_eq!(facts.ip_addresses, ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse::<IpAddr>().unwrap()));
}

#[test]
fn a_chain_loads_and_speaks_of_its_leaf() {
    let facts = check(&fixture("chain.crt"), &fixture("ec-sec1.key"), now()).unwrap();
    let expected = UserCertificate {
        dns_names: vec!["registry.example.com".to_owned()],
        ip_addresses: vec![],
        not_after: "2126-10-28T07:54:43Z".parse().unwrap(),
    };
    assert_eq!(facts, expected);
}

#[rstest]
#[case::no_san("no-san.crt", "ec-sec1.key", UserCertificateError::NoSubjectAltName)]
#[case::version_1("v1.crt", "ec-sec1.key", UserCertificateError::NoSubjectAltName)]
#[case::only_an_email_address("email-san.crt", "ec-sec1.key", UserCertificateError::NoSubjectAltName)]
#[case::other_key("ec.crt", "rsa4096-pkcs8.key", UserCertificateError::KeyMismatch)]
#[case::other_key_of_the_kind("ec.crt", "ec384-sec1.key", UserCertificateError::KeyMismatch)]
#[case::chain_upside_down("chain-reversed.crt", "ec-sec1.key", UserCertificateError::KeyMismatch)]
#[case::swapped("ec-sec1.key", "ec.crt", UserCertificateError::EmptyChain)]
#[case::certificate_as_key("ec.crt", "ec.crt", UserCertificateError::NoKey)]
#[case::encrypted("ec.crt", "ec-encrypted.key", UserCertificateError::EncryptedKey)]
#[case::encrypted_traditional("ec.crt", "ec-encrypted-traditional.key", UserCertificateError::EncryptedKey)]
fn what_cannot_be_served_is_named(
    #[case] certificate: &str,
    #[case] key: &str,
    #[case] expected: UserCertificateError,
) {
    assert_eq!(check(&fixture(certificate), &fixture(key), now()), Err(expected));
}

#[test]
fn a_key_that_is_too_small_is_not_supported() {
    let answer = check(&fixture("rsa1024.crt"), &fixture("rsa1024.key"), now());
    assert!(matches!(answer, Err(UserCertificateError::UnsupportedKey { .. })), "{answer:?}");
}

#[test]
fn a_life_that_is_over_or_has_not_begun_is_told_with_its_time() {
    let (certificate, key) = (fixture("ec.crt"), fixture("ec-sec1.key"));
    assert_eq!(
        check(&certificate, &key, "2126-10-29T00:00:00Z".parse().unwrap()),
        Err(UserCertificateError::Expired { at: "2126-10-28T07:54:43Z".parse().unwrap() })
    );
    assert_eq!(
        check(&certificate, &key, "2026-01-01T00:00:00Z".parse().unwrap()),
        Err(UserCertificateError::NotYetValid { at: "2026-11-21T07:54:43Z".parse().unwrap() })
    );
}

#[test]
fn broken_pem_and_broken_der_are_told_apart_by_where_they_are() {
    let (certificate, key) = (fixture("ec.crt"), fixture("ec-sec1.key"));
    let der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let what = |certificate: &str, key: &str| match check(certificate, key, now()) {
        Err(UserCertificateError::Unparseable { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", &key), "tls.crt");
    assert_eq!(what(der, &key), "certificate 1 in tls.crt");
    assert_eq!(what(&(certificate.clone() + der), &key), "certificate 2 in tls.crt");
    let key = "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n";
    assert_eq!(what(&certificate, key), "tls.key");
}

#[test]
fn messages_say_what_to_do() {
    let text = UserCertificateError::NoSubjectAltName.to_string();
    assert!(text.contains("openssl req -addext subjectAltName=DNS:"), "{text}");
    let text = UserCertificateError::Expired { at: now() }.to_string();
    assert_eq!(text, "the certificate expired at 2030-06-01T12:00:00Z: renew it");
}

proptest::proptest! {
    #[test]
    fn no_input_panics(certificate in "(?s).{0,200}", key in "(?s).{0,200}") {
        proptest::prop_assert!(check(&certificate, &key, now()).is_err());
    }
}
