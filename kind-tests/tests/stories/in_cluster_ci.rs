//! A Job of the cluster pushes with what the operator leaves for it: a Secret and a ConfigMap, mounted.

use entrepot_kind_tests::{
    Node,
    cache::Cache,
    crane::Crane,
    demo,
    oci_layout::{Entry, Image, LayerFormat, Layout, host_architecture},
    wait::{Seen, wait_until},
};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, api::PostParams};
use serde_json::json;
use std::path::Path;

use crate::support::{BOUND, Story, small};

const IMAGE: &str = "localhost/stories/crane:1";

#[tokio::test]
async fn a_job_pushes_by_name_with_the_mounted_credential_and_authority() {
    let story = Story::begin("ci").await;
    let names = story.create("main", small()).await;
    let folder = tempfile::tempdir().unwrap();
    let [pushed, _] = demo::images::make(&folder).unwrap();
    story.cluster.load_image(&client(folder.path(), &pushed.layout)).await.unwrap();
    let access = story.usable(&names).await;

    let container = json!({
        "name": "push", "image": IMAGE, "imagePullPolicy": "Never",
        "args": ["push", "/image", format!("{}/ci/app:1", access.host)],
        "env": [{"name": "DOCKER_CONFIG", "value": "/docker"}, {"name": "SSL_CERT_FILE", "value": "/trust/ca.crt"}],
        "volumeMounts": [{"name": "docker", "mountPath": "/docker"}, {"name": "trust", "mountPath": "/trust"}],
    });
    let credential = json!({
        "secretName": names.admin_secret(), "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
    });
    let job = json!({
        "metadata": {"name": "push"},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "containers": [container],
            "volumes": [
                {"name": "docker", "secret": credential},
                {"name": "trust", "configMap": {"name": names.trust_config_map()}},
            ],
        }}},
    });
    let jobs: Api<Job> = story.api();
    jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
    let finished = || async {
        let status = jobs.get("push").await?.status.unwrap_or_default();
        let (succeeded, failed) = (status.succeeded == Some(1), status.failed.unwrap_or_default() > 0);
        Ok::<_, kube::Error>(Seen::when(succeeded || failed, succeeded, status))
    };
    let succeeded = wait_until("the Job", BOUND, finished).await.unwrap();
    let logs = story.kubectl.run(&["logs", "job/push", "--namespace", story.namespace.name()]).await;
    assert!(succeeded, "{logs:?}");
    let crane = Crane::new(&story.cluster, Node::N1, &access, &access.pull).unwrap();
    assert_eq!(crane.digest("ci/app:1").await.unwrap(), pushed.digest);
}

/// The archive of an image with crane and what it is to push.
fn client(folder: &Path, layout: &Path) -> std::path::PathBuf {
    let program = Cache::from_environment().unwrap().bin().join("crane");
    let mut files = vec![Entry::Host { path: "crane".to_owned(), mode: 0o755, source: program }];
    add(&mut files, "image", layout);
    let image = Image {
        architecture: host_architecture().to_owned(),
        layers: vec![files.into()],
        format: LayerFormat::Plain,
        entrypoint: vec!["/crane".to_owned()],
        user: "65532:65532".to_owned(),
    };
    let mut made = Layout::default();
    made.add(IMAGE, &[image]).unwrap();
    let archive = folder.join("crane.tar");
    made.write_archive(&archive).unwrap();
    archive
}

/// Adds a folder and all that is in it.
fn add(files: &mut Vec<Entry>, path: &str, folder: &Path) {
    files.push(Entry::Folder { path: path.to_owned(), mode: 0o755 });
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = entry.unwrap().path();
        let path = format!("{path}/{}", source.file_name().unwrap().to_str().unwrap());
        if source.is_dir() {
            add(files, &path, &source);
        } else {
            files.push(Entry::Host { path, mode: 0o644, source });
        }
    }
}
