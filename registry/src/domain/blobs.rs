use std::fmt;
use std::ops::Range;

use entrepot_oci::{Digest, Manifest, RepositoryName};

use crate::domain::registry::to_the_end;
use crate::domain::{DomainError, MANIFEST_LIMIT, Registry};
use crate::store::{ByteStream, LinkKind, Mutation, OpenBlob};

/// How many links are listed at a time when a whole repository must be looked through.
const PAGE: usize = 1000;

/// A blob that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest that was asked for.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A blob, open for reading: its size and its bytes belong together whatever happens meanwhile.
pub struct BlobContent {
    digest: Digest,
    open: Box<dyn OpenBlob>,
}

impl BlobContent {
    /// The digest that was asked for.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The size of the whole blob in bytes.
    pub fn size(&self) -> u64 {
        self.open.size()
    }

    /// The bytes of `range`, which must lie within the size.
    pub fn stream(self, range: Range<u64>) -> ByteStream {
        self.open.stream(range)
    }
}

impl fmt::Debug for BlobContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobContent({}, {} bytes)", self.digest, self.size())
    }
}

impl Registry {
    /// The blob, if `repository` has a link to it; [`DomainError::BlobUnknown`] otherwise.
    pub async fn stat_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Blob, DomainError> {
        let size = self.linked_size(repository, digest).await?;
        size.map(|size| Blob { digest: digest.clone(), size }).ok_or_else(|| unknown(repository, digest))
    }

    /// Opens the blob for reading; errors as [`Registry::stat_blob`].
    pub async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<BlobContent, DomainError> {
        let open = match self.store.link(repository, LinkKind::Layer, digest).await? {
            Some(target) => self.store.open_blob(&target).await?,
            None => None,
        };
        let open = open.ok_or_else(|| unknown(repository, digest))?;
        Ok(BlobContent { digest: digest.clone(), open })
    }

    /// Takes the blob out of `repository`. Its bytes stay for other repositories, and for garbage collection.
    ///
    /// [`DomainError::BlobReferenced`] while a manifest of this repository needs it.
    pub async fn delete_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), DomainError> {
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        to_the_end(async move { registry.unlink_blob(&repository, &digest).await }).await
    }

    async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), DomainError> {
        let _held = self.locks.digest(repository, digest, []).await;
        if self.linked_size(repository, digest).await?.is_none() {
            return Err(unknown(repository, digest));
        }
        if let Some(manifest) = self.manifest_that_needs(repository, digest).await? {
            return Err(DomainError::BlobReferenced { digest: digest.clone(), manifest });
        }
        let (repository, digest) = (repository.clone(), digest.clone());
        Ok(self.store.write(vec![Mutation::DeleteLink { repository, kind: LinkKind::Layer, digest }]).await?)
    }

    /// Lets `repository` use a blob that `from` has; `None` when `from` has not. The caller must be allowed to
    /// pull from `from`.
    pub async fn mount_blob(
        &self,
        repository: &RepositoryName,
        from: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Blob>, DomainError> {
        let Some(target) = self.store.link(from, LinkKind::Layer, digest).await? else { return Ok(None) };
        let Some(size) = self.store.stat_blob(&target).await? else { return Ok(None) };
        self.link_blob(repository, digest, target).await?;
        Ok(Some(Blob { digest: digest.clone(), size }))
    }

    /// Lets `repository` use the stored blob `target` as `digest`.
    pub(super) async fn link_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        target: Digest,
    ) -> Result<(), DomainError> {
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        to_the_end(async move {
            let _held = registry.locks.digest(&repository, &digest, []).await;
            let (repository, digest) = (repository.clone(), digest.clone());
            let link = Mutation::PutLink { repository, kind: LinkKind::Layer, digest, target };
            Ok(registry.store.write(vec![link]).await?)
        })
        .await
    }

    /// The size of what `repository` may use as the blob `digest`.
    pub(super) async fn linked_size(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<u64>, DomainError> {
        match self.store.link(repository, LinkKind::Layer, digest).await? {
            Some(target) => Ok(self.store.stat_blob(&target).await?),
            None => Ok(None),
        }
    }

    async fn manifest_that_needs(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Digest>, DomainError> {
        let mut after = None;
        loop {
            let page = self.store.links(repository, LinkKind::Revision, after.as_ref(), PAGE).await?;
            for manifest in &page.items {
                if self.needs(repository, manifest, digest).await? {
                    return Ok(Some(manifest.clone()));
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.clone()),
                _ => return Ok(None),
            }
        }
    }

    async fn needs(
        &self,
        repository: &RepositoryName,
        manifest: &Digest,
        digest: &Digest,
    ) -> Result<bool, DomainError> {
        let Some(target) = self.store.link(repository, LinkKind::Revision, manifest).await? else {
            return Ok(false);
        };
        let bytes = self.store.read_blob(&target, MANIFEST_LIMIT).await?;
        Ok(bytes.is_some_and(|bytes| mentions(&bytes, digest)))
    }
}

/// Whether a stored manifest refers to `digest`. One that we would not accept, as another program may have stored it,
/// refers to whatever its text names.
fn mentions(manifest: &[u8], digest: &Digest) -> bool {
    match Manifest::parse(manifest.to_vec(), None) {
        Ok(manifest) => manifest.config().into_iter().chain(manifest.layers()).any(|it| it.digest == *digest),
        Err(_) => manifest.windows(digest.hex().len()).any(|window| window == digest.hex().as_bytes()),
    }
}

fn unknown(repository: &RepositoryName, digest: &Digest) -> DomainError {
    DomainError::BlobUnknown { repository: repository.clone(), digest: digest.clone() }
}
