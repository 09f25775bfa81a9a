use std::collections::BTreeSet;

use bytes::Bytes;
use entrepot_oci::{Algorithm, Digest, Manifest, Reference, RepositoryName, Tag};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::domain::put_plan::{Put, plan_put, required};
use crate::domain::registry::to_the_end;
use crate::domain::{DomainError, Facts, Registry};
use crate::store::{LinkKind, Mutation};

/// The largest manifest, in bytes; the distribution specification asks for at least this much.
pub const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

/// How many blobs of one manifest are looked up at a time.
const LOOKUPS: usize = 16;
/// How many tags are listed at a time when all of them must be looked through.
const PAGE: usize = 1000;

/// A manifest as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest, which the bytes were found to have.
    pub digest: Digest,
    /// Its media type, as its bytes tell.
    pub media_type: String,
    /// The bytes as they were pushed.
    pub bytes: Bytes,
}

impl Registry {
    /// The manifest that a tag or digest names here; [`DomainError::ManifestUnknown`] when there is none.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest, DomainError> {
        let unknown =
            || DomainError::ManifestUnknown { repository: repository.clone(), reference: reference.clone() };
        let digest = match reference {
            Reference::Tag(tag) => self.store.tag(repository, tag).await?.ok_or_else(unknown)?,
            Reference::Digest(digest) => digest.clone(),
        };
        let bytes = self.revision(repository, &digest).await?.ok_or_else(unknown)?;
        if Digest::of(digest.algorithm(), &bytes) != digest {
            // To the client it is absent, so that a push repairs it.
            tracing::error!(%repository, %digest, "a stored manifest is damaged");
            return Err(unknown());
        }
        Ok(StoredManifest { media_type: Manifest::media_type_of(&bytes), digest, bytes })
    }

    /// Stores a manifest under its digest, and under `tags` and the tag that it is named by if it is; answers the digest.
    ///
    /// Refused, with nothing changed, when it is malformed, when it does not have the digest it is named by, and when a blob
    /// that it needs is not in this repository with the size it says ([`DomainError::ManifestUnverified`]).
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        tags: &BTreeSet<Tag>,
        content_type: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<Digest, DomainError> {
        let size = bytes.len() as u64;
        if size > MANIFEST_LIMIT {
            return Err(DomainError::ManifestTooLarge { size, limit: MANIFEST_LIMIT });
        }
        let (digest, tag) = named(reference, &bytes)?;
        let manifest = Manifest::parse(bytes, content_type)?;
        let tags = tags.iter().cloned().chain(tag).collect();
        let put = Put { repository: repository.clone(), digest: digest.clone(), tags, manifest };
        let registry = self.clone();
        to_the_end(async move { registry.publish(put).await }).await?;
        Ok(digest)
    }

    async fn publish(&self, put: Put) -> Result<(), DomainError> {
        let Put { repository, digest, tags, manifest } = &put;
        let needed: Vec<Digest> = required(manifest).map(|descriptor| descriptor.digest.clone()).collect();
        let _digests = self.locks.digest(repository, digest, &needed).await;
        let _tags = self.locks.tags(repository, tags).await;
        let facts = self.facts(repository, needed).await?;
        for round in plan_put(put, &facts).map_err(DomainError::ManifestUnverified)? {
            self.store.write(round).await?;
        }
        Ok(())
    }

    /// Deletes a manifest and, before it, every tag that names it: a tag without its manifest is never left behind.
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), DomainError> {
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        to_the_end(async move { registry.unpublish(&repository, &digest).await }).await
    }

    async fn unpublish(&self, repository: &RepositoryName, digest: &Digest) -> Result<(), DomainError> {
        // While this is held nobody can make a tag name it.
        let _held = self.locks.digest(repository, digest, []).await;
        if self.store.link(repository, LinkKind::Revision, digest).await?.is_none() {
            let reference = Reference::Digest(digest.clone());
            return Err(DomainError::ManifestUnknown { repository: repository.clone(), reference });
        }
        for tag in self.tags_of(repository, digest).await? {
            let _tag = self.locks.tags(repository, [&tag]).await;
            if self.store.tag(repository, &tag).await?.as_ref() == Some(digest) {
                self.store.write(vec![Mutation::DeleteTag { repository: repository.clone(), tag }]).await?;
            }
        }
        let (repository, digest) = (repository.clone(), digest.clone());
        Ok(self
            .store
            .write(vec![Mutation::DeleteLink { repository, kind: LinkKind::Revision, digest }])
            .await?)
    }

    /// Deletes a tag. What it names stays, under its digest and its other tags.
    pub async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), DomainError> {
        let (registry, repository, tag) = (self.clone(), repository.clone(), tag.clone());
        to_the_end(async move { registry.untag(&repository, &tag).await }).await
    }

    async fn untag(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), DomainError> {
        let _held = self.locks.tags(repository, [tag]).await;
        if self.store.tag(repository, tag).await?.is_none() {
            let reference = Reference::Tag(tag.clone());
            return Err(DomainError::ManifestUnknown { repository: repository.clone(), reference });
        }
        let (repository, tag) = (repository.clone(), tag.clone());
        Ok(self.store.write(vec![Mutation::DeleteTag { repository, tag }]).await?)
    }

    async fn revision(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Bytes>, DomainError> {
        match self.store.link(repository, LinkKind::Revision, digest).await? {
            Some(target) => Ok(self.store.read_blob(&target, MANIFEST_LIMIT).await?),
            None => Ok(None),
        }
    }

    async fn facts(&self, repository: &RepositoryName, needed: Vec<Digest>) -> Result<Facts, DomainError> {
        let sizes = stream::iter(needed).map(|digest| async move {
            let size = self.linked_size(repository, &digest).await?;
            Ok::<_, DomainError>(size.map(|size| (digest, size)))
        });
        sizes.buffer_unordered(LOOKUPS).try_filter_map(|fact| async move { Ok(fact) }).try_collect().await
    }

    async fn tags_of(&self, repository: &RepositoryName, digest: &Digest) -> Result<Vec<Tag>, DomainError> {
        let mut found = Vec::new();
        let mut after: Option<Tag> = None;
        loop {
            let page = self.store.tags(repository, after.as_ref().map(Tag::as_str), PAGE).await?;
            for tag in &page.items {
                if self.store.tag(repository, tag).await?.as_ref() == Some(digest) {
                    found.push(tag.clone());
                }
            }
            match page.items.last() {
                Some(last) if page.more => after = Some(last.clone()),
                _ => return Ok(found),
            }
        }
    }
}

/// The digest that `bytes` are stored under, and the tag.
fn named(reference: &Reference, bytes: &[u8]) -> Result<(Digest, Option<Tag>), DomainError> {
    match reference {
        Reference::Tag(tag) => Ok((Digest::of(Algorithm::Sha256, bytes), Some(tag.clone()))),
        Reference::Digest(expected) => {
            let found = Digest::of(expected.algorithm(), bytes);
            if found != *expected {
                return Err(DomainError::DigestMismatch { expected: expected.clone(), found });
            }
            Ok((found, None))
        }
    }
}
