//! A client: images to push, and the verbs with fewer words.

use bytes::Bytes;
use entrepot_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use entrepot_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tempfile::TempDir;

use crate::domain::{Blob, Chunk, DomainError, Registry};
use crate::store::filesystem::Attempt;
use crate::store::{FilesystemStore, StoreLock};

pub(super) const SECRET: &[u8] = b"a secret of the tests";

/// A registry over a folder of its own.
pub(super) struct Served {
    pub(super) registry: Registry,
    pub(super) root: TempDir,
    pub(super) lock: StoreLock,
}

impl Served {
    pub(super) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// As after a restart.
    pub(super) fn at(root: TempDir) -> Self {
        let Attempt::Locked(lock) = StoreLock::try_acquire(root.path()).unwrap() else { panic!("locked") };
        let store = FilesystemStore::open(&lock).unwrap();
        Self { registry: Registry::new(std::sync::Arc::new(store), SECRET), root, lock }
    }
}

pub(super) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(super) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// A manifest over two blobs, `config` and `layer`.
pub(super) fn image(config: &[u8], layer: &[u8]) -> Vec<u8> {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    serde_json::to_vec_pretty(&manifest).unwrap()
}

/// An index over manifests.
pub(super) fn index(manifests: &[Vec<u8>]) -> Vec<u8> {
    let children: Vec<_> = manifests
        .iter()
        .map(|child| json!({"mediaType": OCI_MANIFEST, "digest": sha256(child), "size": child.len()}))
        .collect();
    serde_json::to_vec_pretty(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}))
        .unwrap()
}

pub(super) fn chunk(bytes: &[u8]) -> Chunk<'static> {
    let length = Some(bytes.len() as u64);
    let bytes = Bytes::copy_from_slice(bytes);
    Chunk { offset: None, length, body: stream::once(async { Ok(bytes) }).boxed() }
}

pub(super) async fn push_blob(
    registry: &Registry,
    repository: &str,
    bytes: &[u8],
) -> Result<Blob, DomainError> {
    let repository = name(repository);
    let token = registry.start_upload(&repository, "ci").token;
    registry.append_upload(&repository, "ci", &token, chunk(bytes)).await?;
    registry.finish_upload(&repository, "ci", &token, &sha256(bytes), Chunk::empty()).await
}

pub(super) async fn push_manifest(
    registry: &Registry,
    repository: &str,
    reference: &str,
    bytes: &[u8],
) -> Result<Digest, DomainError> {
    let reference: Reference = reference.parse().unwrap();
    registry.put_manifest(&name(repository), &reference, &[].into(), None, bytes.to_vec()).await
}

/// Pushes an image of two blobs, as clients do.
pub(super) async fn push_image(
    registry: &Registry,
    repository: &str,
    reference: &str,
    config: &[u8],
    layer: &[u8],
) -> Result<Digest, DomainError> {
    push_blob(registry, repository, layer).await?;
    push_blob(registry, repository, config).await?;
    push_manifest(registry, repository, reference, &image(config, layer)).await
}

pub(super) async fn pull_blob(
    registry: &Registry,
    repository: &str,
    digest: &Digest,
) -> Result<Vec<u8>, DomainError> {
    let content = registry.open_blob(&name(repository), digest).await?;
    let size = content.size();
    let parts: Vec<Bytes> = content.stream(0..size).try_collect().await?;
    Ok(parts.concat())
}

pub(super) async fn pull_manifest(
    registry: &Registry,
    repository: &str,
    reference: &str,
) -> Result<Bytes, DomainError> {
    Ok(registry.manifest(&name(repository), &reference.parse().unwrap()).await?.bytes)
}
