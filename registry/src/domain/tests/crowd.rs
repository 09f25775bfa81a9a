//! Many clients at once, on few names, so that they meet.

use entrepot_oci::Manifest;
use futures::future::{join, join_all};

use super::client::*;
use crate::domain::{DomainError, PageRequest, Registry};

const CLIENTS: usize = 16;
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_push_one_image() {
    let served = Served::new();
    let pushes = (0..CLIENTS).map(|client| {
        let registry = served.registry.clone();
        tokio::spawn(async move {
            let repository = ["a", "a/b", "c"][client % 3];
            push_image(&registry, repository, "v1", b"{}", b"one layer").await
        })
    });
    for pushed in join_all(pushes).await {
        assert_eq!(pushed.unwrap().unwrap(), sha256(&image(b"{}", b"one layer")));
    }
    for repository in ["a", "a/b", "c"] {
        let found = pull_blob(&served.registry, repository, &sha256(b"one layer")).await.unwrap();
        assert_eq!(found, b"one layer");
    }
}

/// Pushers, tag movers and deleters of everything, in one repository. Whenever a manifest is there, all that it needs is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_published_manifest_resolves_while_others_delete() {
    let served = Served::new();
    let pushers = (0..CLIENTS).map(|client| {
        let registry = served.registry.clone();
        tokio::spawn(async move { push_and_look(&registry, client).await })
    });
    let deleters = (0..CLIENTS).map(|client| {
        let registry = served.registry.clone();
        tokio::spawn(async move { delete(&registry, client).await })
    });
    let (pushed, deleted) = join(join_all(pushers), join_all(deleters)).await;
    pushed.into_iter().chain(deleted).for_each(Result::unwrap);
    check(&served.registry).await;
}

fn layer(of: usize) -> Vec<u8> {
    format!("layer {}", of % 4).into_bytes()
}

async fn push_and_look(registry: &Registry, client: usize) {
    for round in 0..ROUNDS {
        let tag = format!("t{}", round % 2);
        match push_image(registry, "a", &tag, b"{}", &layer(client + round)).await {
            // A deleter took a blob before the manifest came: a real client pushes it again.
            Ok(_) | Err(DomainError::ManifestUnverified(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn delete(registry: &Registry, client: usize) {
    for round in 0..ROUNDS {
        let layer = layer(client + round);
        let outcome = match (client + round) % 3 {
            0 => registry.delete_tag(&name("a"), &tag(&format!("t{}", round % 2))).await,
            1 => registry.delete_manifest(&name("a"), &sha256(&image(b"{}", &layer))).await,
            _ => registry.delete_blob(&name("a"), &sha256(&layer)).await,
        };
        match outcome {
            Ok(())
            | Err(
                DomainError::ManifestUnknown { .. }
                | DomainError::BlobUnknown { .. }
                | DomainError::BlobReferenced { .. },
            ) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn check(registry: &Registry) {
    let tags = match registry.tags(&name("a"), &PageRequest::default()).await {
        Ok(tags) => tags.items,
        Err(DomainError::RepositoryUnknown { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let tags = tags.iter().map(ToString::to_string);
    let digests = (0..4).map(|of| sha256(&image(b"{}", &layer(of))).to_string());
    for (listed, reference) in tags.map(|tag| (true, tag)).chain(digests.map(|digest| (false, digest))) {
        let bytes = match pull_manifest(registry, "a", &reference).await {
            Ok(bytes) => bytes,
            Err(DomainError::ManifestUnknown { .. }) if !listed => continue,
            Err(error) => panic!("{error}"),
        };
        let manifest = Manifest::parse(bytes.to_vec(), None).unwrap();
        for blob in manifest.config().into_iter().chain(manifest.layers()) {
            let found = pull_blob(registry, "a", &blob.digest).await.unwrap();
            assert_eq!(sha256(&found), blob.digest);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_many_move_names_one_of_theirs() {
    let served = Served::new();
    let registry = &served.registry;
    push_blob(registry, "a", b"{}").await.unwrap();
    let movers = (0..CLIENTS).map(|client| {
        let registry = registry.clone();
        tokio::spawn(async move {
            let layer = format!("layer {client}").into_bytes();
            push_blob(&registry, "a", &layer).await.unwrap();
            for _ in 0..ROUNDS {
                push_manifest(&registry, "a", "latest", &image(b"{}", &layer)).await.unwrap();
                let found = pull_manifest(&registry, "a", "latest").await.unwrap();
                Manifest::parse(found.to_vec(), None).unwrap();
            }
        })
    });
    join_all(movers).await.into_iter().for_each(Result::unwrap);
    let last = pull_manifest(registry, "a", "latest").await.unwrap();
    let theirs = (0..CLIENTS).map(|client| image(b"{}", format!("layer {client}").as_bytes()));
    assert!(theirs.into_iter().any(|image| image == last));
}

/// A request that is given up halfway must not let go of its locks while the store still writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_hang_up_leave_nothing_half_done() {
    let served = Served::new();
    let registry = &served.registry;
    for round in 0..100 {
        let layer = layer(round);
        let push = push_image(registry, "a", "v1", b"{}", &layer);
        let delete = registry.delete_blob(&name("a"), &sha256(&layer)).await;
        assert!(!matches!(delete, Err(DomainError::Store(_))), "{delete:?}");
        let hang_up = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = push => {} () = hang_up => {} }
    }
    check(registry).await;
}
