//! The operator's image holds one static program and nothing else: it must find names of the cluster all the same.

use entrepot_kind_tests::{Pods, installation::OPERATOR};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, api::DeleteParams};
use serde_json::json;

use crate::support::{BOUND, Story};

#[tokio::test]
async fn the_operator_finds_the_api_server_by_its_name() {
    let story = Story::begin("dns").await;
    let deployments: Api<Deployment> = Api::namespaced(story.client.clone(), OPERATOR.0);
    let template = deployments.get(OPERATOR.1).await.unwrap().spec.unwrap().template;
    let mut spec = serde_json::to_value(template.spec.unwrap()).unwrap();
    // As the standby that the Deployment's second replica would be; without its labels, so that it is none.
    let by_name = json!({"name": "KUBERNETES_SERVICE_HOST", "value": "kubernetes.default.svc"});
    spec["containers"][0]["env"].as_array_mut().unwrap().push(by_name);
    let name = story.namespace.name();
    let pods = Pods::of(story.client.clone(), OPERATOR.0);
    pods.create(name, spec).await.unwrap();
    // It says so only after the API server has answered it.
    let ready = pods.wait_ready(name, BOUND).await;
    let logs = pods.logs(name).await;
    let api: Api<Pod> = Api::namespaced(story.client.clone(), OPERATOR.0);
    api.delete(name, &DeleteParams::default()).await.unwrap();
    ready.unwrap_or_else(|error| panic!("{error}\n{logs:?}"));
}
