use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use entrepot_oci::{Algorithm, Digest};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    client::{request, send, try_send},
    process::Place,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PUSHERS: usize = 4;
const KILLS: usize = 6;

/// What was answered 201: paths, and what must be there.
type Acknowledged = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Pushes image after image until the server is gone.
async fn push(address: SocketAddr, pusher: usize, round: usize, acknowledged: Acknowledged) {
    for number in 0.. {
        let layer = format!("{pusher}/{round}/{number} ").repeat(40_000).into_bytes();
        if push_image(
            address,
            &format!("team/app{pusher}"),
            &format!("r{round}n{number}"),
            layer,
            &acknowledged,
        )
        .await
        .is_err()
        {
            return;
        }
    }
}

async fn push_image(
    address: SocketAddr,
    repository: &str,
    tag: &str,
    layer: Vec<u8>,
    acknowledged: &Acknowledged,
) -> Result<(), String> {
    let config = json!({"tag": tag}).to_string().into_bytes();
    let entry = |bytes: &[u8], kind: &str| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": entry(&config, "config.v1+json"),
        "layers": [entry(&layer, "layer.v1.tar")],
    });
    for bytes in [config, layer] {
        let digest = sha256(&bytes);
        let started =
            try_send(address, request(&format!("POST /v2/{repository}/blobs/uploads/"), None, Body::empty()))
                .await?;
        let location = &started.headers["location"];
        let half = bytes.len() / 2;
        let patch = request(&format!("PATCH {location}"), None, bytes[..half].to_vec());
        assert_eq!(try_send(address, patch).await?.status, 202);
        let put = request(&format!("PUT {location}?digest={digest}"), None, bytes[half..].to_vec());
        assert_eq!(try_send(address, put).await?.status, 201);
        acknowledged.lock().await.push((format!("/v2/{repository}/blobs/{digest}"), bytes));
    }
    let bytes = manifest.to_string().into_bytes();
    let path = format!("/v2/{repository}/manifests/{tag}");
    let answer = try_send(address, request(&format!("PUT {path}"), None, bytes.clone())).await?;
    assert_eq!(answer.status, 201, "{}", answer.text());
    acknowledged.lock().await.push((path, bytes));
    Ok(())
}

async fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    let answer = send(address, request(&format!("GET {path}"), None, Body::empty())).await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.body
}

/// Every tag that is listed must resolve to the last byte.
async fn everything_served_is_whole(address: SocketAddr) -> usize {
    let catalog: Value = serde_json::from_slice(&get(address, "/v2/_catalog?n=1000").await).unwrap();
    let mut tags_seen = 0;
    for repository in catalog["repositories"].as_array().unwrap() {
        let repository = repository.as_str().unwrap();
        let tags: Value =
            serde_json::from_slice(&get(address, &format!("/v2/{repository}/tags/list")).await).unwrap();
        for tag in tags["tags"].as_array().unwrap() {
            let path = format!("/v2/{repository}/manifests/{}", tag.as_str().unwrap());
            let manifest: Value = serde_json::from_slice(&get(address, &path).await).unwrap();
            for entry in [&manifest["config"], &manifest["layers"][0]] {
                let digest = entry["digest"].as_str().unwrap();
                let bytes = get(address, &format!("/v2/{repository}/blobs/{digest}")).await;
                assert_eq!(sha256(&bytes).to_string(), digest);
            }
            tags_seen += 1;
        }
    }
    tags_seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_pushes_loses_nothing_and_leaves_nothing_half() {
    let place = Place::new();
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let server = place.serve("");
        let address = server.address();
        let push = |pusher| tokio::spawn(push(address, pusher, round, Arc::clone(&acknowledged)));
        let pushers: Vec<_> = (0..PUSHERS).map(push).collect();
        let enough = acknowledged.lock().await.len() + 5 * (round + 1);
        // Never at the same place of a push; the more has been pushed, the later.
        while acknowledged.lock().await.len() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        for pusher in pushers {
            pusher.await.unwrap();
        }
    }
    let server = place.serve("");
    let address = server.address();
    let acknowledged = acknowledged.lock().await;
    for (path, bytes) in acknowledged.iter() {
        assert_eq!(&get(address, path).await, bytes, "{path}");
    }
    let images = acknowledged.iter().filter(|(path, _)| path.contains("/manifests/")).count();
    // One whose answer was lost on the way may be there, too.
    assert!(everything_served_is_whole(address).await >= images);
    // What was cut off can be pushed again.
    let again = Acknowledged::default();
    push_image(address, "team/app0", "again", b"layer".to_vec(), &again).await.unwrap();
}

#[tokio::test]
async fn an_upload_goes_on_after_a_kill() {
    let place = Place::new();
    let server = place.serve("");
    let asked = request("POST /v2/a/blobs/uploads/", None, Body::empty());
    let location = send(server.address(), asked).await.headers["location"].clone();
    let patch = request(&format!("PATCH {location}"), None, "01234");
    assert_eq!(send(server.address(), patch).await.status, 202);
    server.kill();
    let server = place.serve("");
    let status = send(server.address(), request(&format!("GET {location}"), None, Body::empty())).await;
    assert_eq!((status.status, status.headers["range"].as_str()), (204, "0-4"));
    let digest = sha256(b"0123456789");
    let put = request(&format!("PUT {location}?digest={digest}"), None, "56789");
    assert_eq!(send(server.address(), put).await.status, 201);
    assert_eq!(get(server.address(), &format!("/v2/a/blobs/{digest}")).await, b"0123456789");
}
