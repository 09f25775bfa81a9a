//! The operator dies at every write there is, and two of them run at once: the children are the same, and there is one CA.

use entrepot_crds::{DeletionPolicy, Registry};
use entrepot_operator::credentials::htpasswd_verifies;
use entrepot_operator::pki::{Authority, Leaf};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::DeleteParams;
use kube::{Api, Client, ResourceExt};

use crate::world::{
    Death, children, client, create, mortal, namespace, recording, registries, round, settle,
};

/// How many tests of one kind run at a time: the apiserver has two cores and others to serve.
const AT_ONCE: usize = 4;

async fn text(client: &Client, namespace: &str, secret: &str, key: &str) -> String {
    let secret =
        Api::<Secret>::namespaced(client.clone(), namespace).get(&format!("main-entrepot-{secret}")).await;
    String::from_utf8(secret.unwrap().data.unwrap()[key].0.clone()).unwrap()
}

/// Everything that was made from generated material was made from the material that is there.
async fn assert_consistent(client: &Client, namespace: &str) {
    let ca = text(client, namespace, "ca", "tls.crt").await;
    let trust =
        Api::<ConfigMap>::namespaced(client.clone(), namespace).get("main-entrepot-trust").await.unwrap();
    assert_eq!(trust.data.unwrap()["ca.crt"], ca);
    let authority = Authority::from_pem(&ca, &text(client, namespace, "ca", "tls.key").await).unwrap();
    let leaf = Leaf::from_pem(&text(client, namespace, "tls", "tls.crt").await).unwrap();
    assert!(leaf.is_signed_by(&authority));
    let file = text(client, namespace, "htpasswd", "htpasswd").await;
    for user in ["admin", "pull"] {
        assert!(htpasswd_verifies(&file, user, &text(client, namespace, user, "password").await));
    }
    let status = registries(client, namespace).get("main").await.unwrap().status.unwrap();
    assert_eq!(status.trust_bundle.unwrap().pem, ca);
}

/// Rounds by an operator that dies at `death`, until it has died or has nothing more to write.
async fn live_and_die(client: &Client, registry: &Registry, death: Death) {
    let mortal = mortal(client.clone(), death);
    for _ in 0..8 {
        if round(&mortal, registry).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_creation_changes_nothing() {
    let client = client().await;
    let reference = namespace(&client).await;
    let registry = create(&client, &reference, "main", |_| {}).await;
    let (counting, writes) = recording(client.clone());
    for _ in 0..8 {
        round(&counting, &registry).await.unwrap();
    }
    let count = writes.lock().unwrap().len();
    assert!((14..40).contains(&count), "{writes:?}");
    let expected = children(&client, &reference).await;
    let deaths = (1..=count).flat_map(|at| [Death::Before(at), Death::After(at)]);
    futures::stream::iter(deaths)
        .for_each_concurrent(AT_ONCE, |death| {
            let (client, expected) = (client.clone(), &expected);
            async move {
                let namespace = namespace(&client).await;
                let registry = create(&client, &namespace, "main", |_| {}).await;
                live_and_die(&client, &registry, death).await;
                settle(&client, &registry).await;
                assert_eq!(children(&client, &namespace).await, *expected, "{death:?}");
                assert_consistent(&client, &namespace).await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_deletion_leaves_nothing() {
    let client = client().await;
    for at in 1..=6 {
        for death in [Death::Before(at), Death::After(at)] {
            let namespace = namespace(&client).await;
            let registry =
                create(&client, &namespace, "main", |spec| spec.deletion_policy = DeletionPolicy::Delete)
                    .await;
            settle(&client, &registry).await;
            let api = registries(&client, &namespace);
            api.delete("main", &DeleteParams::default()).await.unwrap();
            live_and_die(&client, &registry, death).await;
            round(&client, &registry).await.unwrap();
            assert!(api.get_opt("main").await.unwrap().is_none(), "{death:?}");
            let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
            for name in ["ca", "admin", "pull", "keys"] {
                let left = secrets.get_opt(&format!("main-entrepot-{name}")).await.unwrap();
                assert!(left.is_none(), "{death:?} left {name}");
            }
        }
    }
}

#[tokio::test]
async fn two_operators_at_once_make_one_ca() {
    let client = client().await;
    let pairs = futures::stream::iter(0..8);
    pairs
        .for_each_concurrent(AT_ONCE, |_| {
            let client = client.clone();
            async move {
                let namespace = namespace(&client).await;
                let registry = create(&client, &namespace, "main", |_| {}).await;
                let operator = || async {
                    let mut seen = Vec::new();
                    for _ in 0..6 {
                        // A lost race ends a round, and the next one begins with what is there.
                        let _ = round(&client, &registry).await;
                        let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
                        if let Some(ca) = secrets.get_opt("main-entrepot-ca").await.unwrap() {
                            seen.push((ca.uid(), ca.data));
                        }
                    }
                    seen
                };
                let (mut one, other) = futures::join!(operator(), operator());
                one.extend(other);
                assert!(one.windows(2).all(|pair| pair[0] == pair[1]), "the CA changed");
                settle(&client, &registry).await;
                assert_consistent(&client, &namespace).await;
                assert_eq!(children(&client, &namespace).await.len(), 13);
            }
        })
        .await;
}
