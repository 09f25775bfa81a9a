//! What `deploy/install.yaml` installs can do its work with the rights that the file grants, and no others, on a real
//! apiserver: `cargo test -p entrepot-operator --test installed`.

// In a test a panic is the report, in its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod node_agent;
mod operator;

use std::time::Duration;

use entrepot_kind_tests::installation::source_file;
use entrepot_kind_tests::kubectl::Kubectl;
use entrepot_kind_tests::wait::{Seen, wait_until};
use entrepot_kind_tests::{ControlPlane, ControlPlaneOptions};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// Long enough for a machine that does much else; a wait ends with what it waits for.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// An apiserver with everything of `install.yaml` in it; its Pods run nowhere.
pub(crate) async fn installed() -> ControlPlane {
    let options = ControlPlaneOptions { controllers: true, ..ControlPlaneOptions::default() };
    let plane = ControlPlane::start(options).await.unwrap();
    let kubectl = Kubectl::new(&plane.kubeconfig());
    kubectl.apply_server_side(&source_file("deploy/install.yaml")).await.unwrap();
    wait_until("Registries to be served", BOUND, || async {
        Api::<entrepot_crds::Registry>::all(plane.client()).list(&ListParams::default()).await?;
        Ok::<_, kube::Error>(Seen::Ready(()))
    })
    .await
    .unwrap();
    plane
}

/// A client with the rights of one ServiceAccount.
pub(crate) async fn service_account(plane: &ControlPlane, namespace: &str, name: &str) -> Client {
    let user = format!("system:serviceaccount:{namespace}:{name}");
    let group = format!("system:serviceaccounts:{namespace}");
    let groups = ["system:serviceaccounts", &group, "system:authenticated"];
    plane.client_as(&user, &groups).await.unwrap()
}

pub(crate) async fn namespace(client: &Client, name: &str) {
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}
