//! A folder as the store, in distribution's layout.

mod blob;
#[cfg(test)]
pub(crate) mod crash;
mod failure;
mod files;
mod gate;
mod layout;
mod link;
mod listing;
mod lock;
mod mark;
mod open;
mod os;
#[cfg(test)]
mod reliance;
mod round;
mod tree;
mod upload;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use entrepot_oci::{Digest, RepositoryName, Tag};
use uuid::Uuid;

use self::files::Files;
use self::gate::Gate;
use self::layout::Layout;
use self::tree::Tree;
use super::{BodyStream, LinkKind, Mutation, OpenBlob, Page, Store, StoreError, UploadKey};

pub use lock::{Attempt, Holder, LockError, StoreLock};
pub use mark::{MarkError, RunningMark};
pub use open::OpenError;

/// A store in a folder. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct FilesystemStore(Arc<Volume>);

/// What the clones share.
struct Volume {
    files: Arc<dyn Files>,
    layout: Layout,
    tree: Tree,
    gate: Arc<Gate>,
    /// The uploads that a request is working on.
    busy: Arc<Mutex<HashSet<Uuid>>>,
    /// This run of the kernel.
    boot: String,
}

impl FilesystemStore {
    /// Runs what blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Volume) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        #[cfg(test)]
        if self.0.files.never_block() {
            return work(&self.0);
        }
        let store = Arc::clone(&self.0);
        off_the_reactor(move || work(&store)).await
    }

    /// As [`FilesystemStore::blocking`], for what changes the store: refused once the lock is given up, and waited for by whoever
    /// gives it up.
    async fn writing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Volume) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(move |store| store.gate.pass(|| work(store))?).await
    }
}

/// Runs `work` on a thread that may block. It runs to its end even if nobody waits for it any more.
async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(StoreError::Worker { reason: error.to_string() }))
}

#[async_trait]
impl Store for FilesystemStore {
    async fn stat_blob(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let digest = digest.clone();
        self.blocking(move |store| blob::stat(store, &digest)).await
    }

    async fn open_blob(&self, digest: &Digest) -> Result<Option<Box<dyn OpenBlob>>, StoreError> {
        let digest = digest.clone();
        let open = self.blocking(move |store| blob::open(store, &digest)).await?;
        Ok(open.map(|open| Box::new(open) as Box<dyn OpenBlob>))
    }

    async fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, StoreError> {
        let digest = digest.clone();
        self.blocking(move |store| blob::read(store, &digest, limit)).await
    }

    async fn link(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        digest: &Digest,
    ) -> Result<Option<Digest>, StoreError> {
        let path = self.0.layout.link(repository, kind, digest);
        self.blocking(move |store| link::read(store, &path)).await
    }

    async fn links(
        &self,
        repository: &RepositoryName,
        kind: LinkKind,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Digest>, StoreError> {
        let (repository, after) = (repository.clone(), after.cloned());
        self.blocking(move |store| listing::links(store, &repository, kind, after.as_ref(), limit)).await
    }

    async fn tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, StoreError> {
        let path = self.0.layout.tag_current(repository, tag);
        self.blocking(move |store| link::read(store, &path)).await
    }

    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Tag>, StoreError> {
        let (repository, after) = (repository.clone(), after.map(str::to_owned));
        self.blocking(move |store| listing::tags(store, &repository, after.as_deref(), limit)).await
    }

    async fn has_manifests(&self, repository: &RepositoryName) -> Result<bool, StoreError> {
        let repository = repository.clone();
        self.blocking(move |store| listing::has_manifests(store, &repository)).await
    }

    async fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<RepositoryName>, StoreError> {
        let after = after.map(str::to_owned);
        self.blocking(move |store| listing::repositories(store, after.as_deref(), limit)).await
    }

    async fn write(&self, mutations: Vec<Mutation>) -> Result<(), StoreError> {
        self.writing(move |store| round::carry_out(store, mutations)).await
    }

    async fn upload_size(&self, upload: &UploadKey) -> Result<u64, StoreError> {
        let upload = upload.clone();
        self.blocking(move |store| upload::size(store, &upload)).await
    }

    async fn append(
        &self,
        upload: &UploadKey,
        offset: Option<u64>,
        body: BodyStream<'_>,
    ) -> Result<u64, StoreError> {
        upload::append(self, upload, offset, body).await
    }

    async fn commit(&self, upload: &UploadKey, digest: &Digest) -> Result<u64, StoreError> {
        let claim = upload::Claim::take(&self.0, upload)?;
        let digest = digest.clone();
        self.writing(move |store| upload::commit(store, &claim, &digest)).await
    }

    async fn cancel(&self, upload: &UploadKey) -> Result<(), StoreError> {
        let claim = upload::Claim::take(&self.0, upload)?;
        self.writing(move |store| upload::discard(store, &claim)).await
    }
}
