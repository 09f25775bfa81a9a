use axum::body::Body;
use http::Version;
use rcgen::KeyPair;
use rstest::rstest;

use crate::{
    certificates::{Authority, openssl},
    client::{request, send, send_tls, shown, tls, tls_with, try_send, until},
    process::Place,
};

const TLS: &str = "http: {tls: {certificate: '{folder}/main.crt', key: '{folder}/main.key'}}\n";
const TLS_MORE: &str = "\
http: {tls: {certificate: '{folder}/main.crt', key: '{folder}/main.key'}}
entrepot: {tls: {certificates: [{certificate: '{folder}/more.crt', key: '{folder}/more.key'}]}}
";

/// Every form that a key comes in.
#[rstest]
#[case::pkcs8_ec(&["genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out main.key"])]
#[case::sec1_ec(&["ecparam -name secp384r1 -genkey -noout -out main.key"])]
#[case::sec1_with_parameters(&["ecparam -name prime256v1 -genkey -out main.key"])]
#[case::pkcs1_rsa(&["genrsa -traditional -out main.key 2048"])]
#[case::pkcs8_rsa_4096(&["genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out main.key"])]
#[case::pkcs1_rsa_4096(&["genrsa -out pkcs8.key 4096", "rsa -in pkcs8.key -traditional -out main.key"])]
#[case::ed25519(&["genpkey -algorithm ED25519 -out main.key"])]
#[tokio::test]
async fn any_key_serves(#[case] commands: &[&str]) {
    let place = Place::new();
    for command in commands {
        openssl(&place, &command.split(' ').collect::<Vec<_>>());
    }
    openssl(&place, &["pkey", "-in", "main.key", "-out", "pkcs8.pem"]);
    let key = KeyPair::from_pem(&std::fs::read_to_string(place.path("pkcs8.pem")).unwrap()).unwrap();
    // Signed by an authority that the client does not know: the chain leads to the one that it knows.
    let root = Authority::new();
    root.intermediate().certify(&place, "main", &["localhost"], &key);
    let server = place.serve(TLS);
    let asked = request("GET /v2/", None, Body::empty());
    let answer = send_tls(server.address(), "localhost", &root.certificate, asked).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
}

#[tokio::test]
async fn the_name_chooses_the_certificate() {
    let place = Place::new();
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.issue(&place, "main", &["main.test", "127.0.0.1"]);
    // One that somebody adds does not take over what the default one serves.
    theirs.issue(&place, "more", &["registry.example.com", "*.wild.example.com", "main.test"]);
    let server = place.serve(TLS_MORE);
    let address = server.address();
    for name in ["main.test", "127.0.0.1"] {
        shown(address, name, &ours.certificate).await.unwrap();
    }
    for name in ["registry.example.com", "REGISTRY.example.com", "a.wild.example.com"] {
        shown(address, name, &theirs.certificate).await.unwrap();
    }
    for name in ["a.b.wild.example.com", "wild.example.com", "other.example.com"] {
        assert!(shown(address, name, &theirs.certificate).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let place = Place::new();
    let (before, after) = (Authority::new(), Authority::new());
    before.issue(&place, "main", &["localhost"]);
    let server = place.serve(TLS);
    let old = shown(server.address(), "localhost", &before.certificate).await.unwrap();
    // A certificate whose key has not come yet changes nothing.
    std::fs::rename(place.path("main.key"), place.path("old.key")).unwrap();
    server.line("could not load the certificates again");
    assert_eq!(shown(server.address(), "localhost", &before.certificate).await.unwrap(), old);
    after.issue(&place, "main", &["localhost"]);
    until("the new certificate", async || {
        shown(server.address(), "localhost", &after.certificate).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_broken_harms_no_other() {
    let place = Place::new();
    let (ours, theirs, renewed) = (Authority::new(), Authority::new(), Authority::new());
    ours.issue(&place, "main", &["main.test"]);
    place.write("more.crt", "");
    place.write("more.key", "");
    let server = place.serve(TLS_MORE);
    server.line("an additional certificate cannot be served");
    let address = server.address();
    shown(address, "main.test", &ours.certificate).await.unwrap();
    // It comes into force once it is right, and stays when it is broken again while the default one is renewed.
    theirs.issue(&place, "more", &["registry.example.com"]);
    let shows =
        async |name, authority: &Authority| shown(address, name, &authority.certificate).await.is_ok();
    until("the mended certificate", async || shows("registry.example.com", &theirs).await).await;
    place.write("more.key", "");
    renewed.issue(&place, "main", &["main.test"]);
    until("the renewed certificate", async || shows("main.test", &renewed).await).await;
    assert!(shows("registry.example.com", &theirs).await);
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let place = Place::new();
    let authority = Authority::new();
    authority.issue(&place, "main", &["localhost"]);
    let server = place.serve(TLS);
    let stream = tls_with(server.address(), "localhost", &authority.certificate, &[b"h2"]).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut asked = request("GET /v2/", None, Body::empty());
    asked.headers_mut().remove("host");
    *asked.uri_mut() = "https://localhost/v2/".parse().unwrap();
    let response = sender.send_request(asked).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    // Without ALPN it is HTTP/1.1.
    let stream = tls(server.address(), "localhost", &authority.certificate).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
}

#[tokio::test]
async fn a_broken_handshake_harms_nobody() {
    let place = Place::new();
    let authority = Authority::new();
    authority.issue(&place, "main", &["localhost"]);
    let server = place.serve(TLS);
    let plain = try_send(server.address(), request("GET /v2/", None, Body::empty())).await;
    assert!(plain.is_err(), "{plain:?}");
    let asked = request("GET /v2/", None, Body::empty());
    assert_eq!(send_tls(server.address(), "localhost", &authority.certificate, asked).await.status, 200);
    let health = send(server.debug_address(), request("GET /readyz", None, Body::empty())).await;
    assert_eq!(health.status, 200);
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let place = Place::new();
    let authority = Authority::new();
    authority.issue(&place, "main", &["localhost"]);
    authority.issue(&place, "other", &["localhost"]);
    let files = |certificate: &str, key: &str| TLS.replace("main.crt", certificate).replace("main.key", key);
    place.write("empty", "");
    let cases = [
        (files("absent", "main.key"), "cannot read {folder}/absent: No such file or directory (os error 2)"),
        (
            files("empty", "main.key"),
            "{folder}/empty is not a PEM file with a certificate: there is no CERTIFICATE section",
        ),
        (
            files("main.crt", "main.crt"),
            "{folder}/main.crt is not a PEM file with an unencrypted private key (PKCS#1, PKCS#8 or SEC1): ",
        ),
        (
            files("main.crt", "other.key"),
            "the key {folder}/other.key does not belong to the certificate {folder}/main.crt: ",
        ),
    ];
    for (config, expected) in cases {
        let said = place.refusal(&config);
        assert!(said.starts_with(&format!("registry: {expected}")), "{said}");
    }
}
