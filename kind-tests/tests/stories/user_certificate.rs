//! A certificate of the user's own: what is wrong with it is said, and the in-cluster names are served all along.

use entrepot_kind_tests::{
    Node,
    access::Access,
    wait::{Seen, wait_until},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    certificate::{self, Pair},
    support::{BOUND, Story, small},
};

const HOST: &str = "registry.example.test";

#[tokio::test]
async fn a_certificate_is_told_what_is_wrong_with_it_until_it_is_served_to_those_who_ask_for_its_name() {
    let story = Story::begin("user-tls").await;
    let mut spec = small();
    spec["tls"] = json!({"secretRef": {"name": "public"}});
    let names = story.create("main", spec).await;
    let message = story.condition(&names, "CertificateReady", "False", "TlsSecretNotFound").await;
    assert!(message.contains("Secret public") && message.contains("create it"), "{message}");
    story.condition(&names, "Available", "True", "ServerAvailable").await;
    let access = Access::read(&story.client, &story.registry(&names).await).await.unwrap();
    assert_eq!(ask(&story, &access, &access.host, &access.ca).await, Ok("401".to_owned()));

    let bad = [
        (certificate::without_names(HOST), "CertificateWithoutNames", "subjectAltName"),
        (certificate::with_another_key(HOST), "CertificateKeyMismatch", "key"),
        (certificate::expired(HOST), "CertificateExpired", "2021-01-01"),
    ];
    for (pair, reason, said) in bad {
        replace(&story, &pair).await;
        let message = story.condition(&names, "CertificateReady", "False", reason).await;
        assert!(message.contains(said), "{message}");
        assert_eq!(ask(&story, &access, &access.host, &access.ca).await, Ok("401".to_owned()));
    }

    let good = certificate::valid(HOST);
    replace(&story, &good).await;
    story.condition(&names, "CertificateReady", "True", "CertificateValid").await;
    let served = || async {
        let answer = ask(&story, &access, HOST, &good.certificate).await?;
        Ok::<_, String>(Seen::when(answer == "401", (), answer))
    };
    wait_until("the certificate to be served", BOUND, served).await.unwrap();
    story.ready(&names).await;
    assert_eq!(ask(&story, &access, &access.host, &access.ca).await, Ok("401".to_owned()));
}

/// Asks the Registry under the name `host`, trusting `ca` alone, without a credential; answers the status.
async fn ask(story: &Story, access: &Access, host: &str, ca: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.crt");
    std::fs::write(&authority, ca).unwrap();
    let resolve = format!("{host}:443:{}", access.address);
    let arguments = ["--silent", "--show-error", "--max-time", "20", "--output", "/dev/null"];
    let how = ["--write-out", "%{http_code}", "--resolve", &resolve, "--cacert", authority.to_str().unwrap()];
    let url = format!("https://{host}/v2/");
    let all = [&arguments[..], &how, &[&url]].concat();
    story.cluster.exec_on(Node::N2, "curl", &all).await.map_err(|error| error.to_string())
}

/// Puts a pair into the Secret, making it if need be.
async fn replace(story: &Story, pair: &Pair) {
    let content = json!({"tls.crt": pair.certificate, "tls.key": pair.key});
    let api: Api<Secret> = story.api();
    if api.get_metadata_opt("public").await.unwrap().is_none() {
        let secret =
            json!({"metadata": {"name": "public"}, "type": "kubernetes.io/tls", "stringData": content});
        api.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    } else {
        let patch = Patch::Merge(json!({"stringData": content}));
        api.patch("public", &PatchParams::default(), &patch).await.unwrap();
    }
}
