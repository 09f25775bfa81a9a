//! Two requests that meet at the worst moment: one is held just before it writes, the other runs as far as it gets.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use entrepot_oci::{Digest, RepositoryName, Tag};
use tokio::sync::Notify;

use super::client::*;
use crate::domain::{DomainError, Registry};
use crate::store::filesystem::crash::CrashFiles;
use crate::store::{BodyStream, LinkKind, Mutation, OpenBlob, Page, Store, StoreError, UploadKey};

/// A store one of whose writes waits until it is let go. As with a real one, a write that has begun goes on even if whoever
/// asked for it is gone.
struct HeldStore {
    inner: Arc<dyn Store>,
    hold: Mutex<Option<Hold>>,
}

#[derive(Clone)]
struct Hold {
    what: fn(&Mutation) -> bool,
    reached: Arc<Notify>,
    let_go: Arc<Notify>,
}

impl HeldStore {
    fn registry() -> (Registry, Arc<Self>) {
        let inner = Arc::new(CrashFiles::new().store());
        let store = Arc::new(Self { inner, hold: Mutex::default() });
        (Registry::new(store.clone(), SECRET), store)
    }

    /// Holds the next round with such a mutation.
    fn hold(&self, what: fn(&Mutation) -> bool) -> Hold {
        let hold = Hold { what, reached: Arc::default(), let_go: Arc::default() };
        *self.hold.lock().unwrap() = Some(hold.clone());
        hold
    }
}

#[async_trait]
impl Store for HeldStore {
    async fn write(&self, mutations: Vec<Mutation>) -> Result<(), StoreError> {
        let held = self.hold.lock().unwrap().take_if(|hold| mutations.iter().any(hold.what));
        let inner = Arc::clone(&self.inner);
        let write = async move {
            if let Some(hold) = held {
                hold.reached.notify_one();
                hold.let_go.notified().await;
            }
            inner.write(mutations).await
        };
        tokio::spawn(write).await.unwrap()
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.inner.stat_blob(digest).await
    }

    async fn open_blob(&self, digest: &Digest) -> Result<Option<Box<dyn OpenBlob>>, StoreError> {
        self.inner.open_blob(digest).await
    }

    async fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, StoreError> {
        self.inner.read_blob(digest, limit).await
    }

    async fn link(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        digest: &Digest,
    ) -> Result<Option<Digest>, StoreError> {
        self.inner.link(repository, kind, digest).await
    }

    async fn links(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>, StoreError> {
        self.inner.links(repository, kind, after, limit).await
    }

    async fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, StoreError> {
        self.inner.tag(repository, tag).await
    }

    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>, StoreError> {
        self.inner.tags(repository, after, limit).await
    }

    async fn has_manifests(&self, repository: &RepositoryName) -> Result<bool, StoreError> {
        self.inner.has_manifests(repository).await
    }

    async fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RepositoryName>, StoreError> {
        self.inner.repositories(after, limit).await
    }

    async fn upload_size(&self, upload: &UploadKey) -> Result<u64, StoreError> {
        self.inner.upload_size(upload).await
    }

    async fn append(
        &self,
        upload: &UploadKey,
        offset: Option<u64>,
        body: BodyStream<'_>,
    ) -> Result<u64, StoreError> {
        self.inner.append(upload, offset, body).await
    }

    async fn commit(&self, upload: &UploadKey, digest: &Digest) -> Result<u64, StoreError> {
        self.inner.commit(upload, digest).await
    }

    async fn cancel(&self, upload: &UploadKey) -> Result<(), StoreError> {
        self.inner.cancel(upload).await
    }
}

/// Lets every other task run as far as it can: on one thread, over files in memory, that takes few turns.
async fn everybody_else() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

fn is_revision(mutation: &Mutation) -> bool {
    matches!(mutation, Mutation::PutLink { kind: LinkKind::Revision, .. })
}

fn is_tag(mutation: &Mutation) -> bool {
    matches!(mutation, Mutation::PutTag { .. })
}

async fn with_blobs() -> (Registry, Arc<HeldStore>, Vec<u8>) {
    let (registry, store) = HeldStore::registry();
    push_blob(&registry, "a", b"{}").await.unwrap();
    push_blob(&registry, "a", b"layer").await.unwrap();
    (registry, store, image(b"{}", b"layer"))
}

#[tokio::test]
async fn a_layer_is_not_deleted_between_the_check_and_the_manifest() {
    for hang_up in [false, true] {
        let (registry, store, manifest) = with_blobs().await;
        let hold = store.hold(is_revision);
        let (client, bytes) = (registry.clone(), manifest.clone());
        let push = tokio::spawn(async move { push_manifest(&client, "a", "v1", &bytes).await });
        hold.reached.notified().await;
        if hang_up {
            push.abort();
        }
        let deleter = registry.clone();
        let delete = tokio::spawn(async move { deleter.delete_blob(&name("a"), &sha256(b"layer")).await });
        everybody_else().await;
        hold.let_go.notify_one();
        let refused = delete.await.unwrap().unwrap_err();
        assert!(matches!(refused, DomainError::BlobReferenced { .. }), "{refused}");
        assert_eq!(push.await.is_err(), hang_up);
        assert_eq!(pull_manifest(&registry, "a", "v1").await.unwrap(), manifest);
    }
}

#[tokio::test]
async fn a_manifest_is_not_deleted_between_its_publication_and_its_tag() {
    let (registry, store, manifest) = with_blobs().await;
    let hold = store.hold(is_tag);
    let (client, bytes) = (registry.clone(), manifest.clone());
    let push = tokio::spawn(async move { push_manifest(&client, "a", "v1", &bytes).await });
    hold.reached.notified().await;
    let (deleter, digest) = (registry.clone(), sha256(&manifest));
    let delete = tokio::spawn(async move { deleter.delete_manifest(&name("a"), &digest).await });
    everybody_else().await;
    hold.let_go.notify_one();
    push.await.unwrap().unwrap();
    delete.await.unwrap().unwrap();
    assert_eq!(store.tag(&name("a"), &tag("v1")).await.unwrap(), None, "a tag was left without its manifest");
}

#[tokio::test]
async fn a_deletion_whose_client_hung_up_takes_no_tag_that_was_pushed_after_it() {
    let (registry, store, manifest) = with_blobs().await;
    push_manifest(&registry, "a", "v1", &manifest).await.unwrap();
    let hold = store.hold(|mutation| matches!(mutation, Mutation::DeleteTag { .. }));
    let (deleter, digest) = (registry.clone(), sha256(&manifest));
    let delete = tokio::spawn(async move { deleter.delete_manifest(&name("a"), &digest).await });
    hold.reached.notified().await;
    delete.abort();
    let (client, bytes) = (registry.clone(), manifest.clone());
    let push = tokio::spawn(async move { push_manifest(&client, "a", "v1", &bytes).await });
    everybody_else().await;
    hold.let_go.notify_one();
    push.await.unwrap().unwrap();
    everybody_else().await;
    assert_eq!(pull_manifest(&registry, "a", "v1").await.unwrap(), manifest);
}
