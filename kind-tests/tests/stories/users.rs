//! Users of one's own beside the generated ones.

use entrepot_kind_tests::{
    Node,
    access::{Access, Credential},
    crane::Crane,
    demo, process,
    wait::{Seen, wait_until},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{BOUND, Story, small};

#[tokio::test]
async fn users_are_let_in_once_their_secret_appears_and_by_no_other_password_than_it_says_now() {
    let story = Story::begin("users").await;
    let mut spec = small();
    spec["auth"] = json!({"htpasswdSecretRef": {"name": "users"}});
    let names = story.create("main", spec).await;
    let message = story.condition(&names, "ConfigurationReady", "False", "HtpasswdSecretNotFound").await;
    assert!(message.contains("Secret users") && message.contains("htpasswd -B"), "{message}");
    story.condition(&names, "Available", "True", "ServerAvailable").await;

    let secrets: Api<Secret> = story.api();
    let secret = json!({"metadata": {"name": "users"}, "stringData": {"htpasswd": line("first").await}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    story.condition(&names, "ConfigurationReady", "True", "AsSpecified").await;
    let access = story.usable(&names).await;
    let folder = tempfile::tempdir().unwrap();
    let [image, _] = demo::images::make(&folder).unwrap();
    let user = |password: &str| as_user(&story, &access, password);
    pushes(&user("first"), &image.layout).await;
    assert_refused(&user("second"), &image.layout).await;

    let patch = Patch::Merge(json!({"stringData": {"htpasswd": line("second").await}}));
    secrets.patch("users", &PatchParams::default(), &patch).await.unwrap();
    pushes(&user("second"), &image.layout).await;
    story.ready(&names).await;
    assert_refused(&user("first"), &image.layout).await;

    // The pull-only identity pulls, and that is all.
    let pull = Crane::new(&story.cluster, Node::N1, &access, &access.pull).unwrap();
    assert_eq!(pull.digest("users/app:1").await.unwrap(), image.digest);
    let error = pull.push(&image.layout, "users/other:1").await.unwrap_err().to_string();
    assert!(error.contains("DENIED"), "{error}");
}

/// A line of an htpasswd file, as the documentation says to make it.
async fn line(password: &str) -> String {
    process::call("htpasswd", ["-B", "-b", "-n", "-C", "5", "alice", password]).await.unwrap()
}

fn as_user(story: &Story, access: &Access, password: &str) -> Crane {
    let login = json!({"username": "alice", "password": password});
    let docker_config = json!({"auths": {access.address.as_str(): login}}).to_string();
    let credential =
        Credential { username: "alice".to_owned(), password: password.to_owned(), docker_config };
    Crane::new(&story.cluster, Node::N1, access, &credential).unwrap()
}

/// Pushes, again until the server has taken the users up.
async fn pushes(crane: &Crane, layout: &std::path::Path) {
    let push = || async { crane.push(layout, "users/app:1").await.map(Seen::Ready) };
    wait_until("the user to be let in", BOUND, push).await.unwrap();
}

async fn assert_refused(crane: &Crane, layout: &std::path::Path) {
    let error = crane.push(layout, "users/refused:1").await.unwrap_err().to_string();
    assert!(error.contains("401 Unauthorized"), "{error}");
}
