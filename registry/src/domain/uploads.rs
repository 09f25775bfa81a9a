use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{SubsecRound as _, Utc};
use entrepot_oci::{Digest, RepositoryName};
use futures::{StreamExt as _, stream};
use uuid::Uuid;

use crate::domain::registry::to_the_end;
use crate::domain::{Blob, DomainError, Registry};
use crate::store::{BodyError, BodyStream, UploadKey};
use crate::upload::Session;

/// An upload between two requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What the client names it by, in a URL: `[A-Za-z0-9_-]`.
    pub token: String,
    /// How many bytes it holds.
    pub size: u64,
}

/// The body of one request of an upload.
pub struct Chunk<'a> {
    /// Where it says it starts; `None`: wherever the last one ended.
    pub offset: Option<u64>,
    /// How long it says it is, in bytes.
    pub length: Option<u64>,
    /// Its bytes.
    pub body: BodyStream<'a>,
}

impl Chunk<'_> {
    /// Of no bytes, as of a closing request without a body.
    pub fn empty() -> Self {
        Self { offset: None, length: None, body: stream::empty().boxed() }
    }
}

impl Registry {
    /// Starts an upload that only `principal` can go on with, and only in `repository`. Stores nothing.
    pub fn start_upload(&self, repository: &RepositoryName, principal: &str) -> Upload {
        let session = Session { id: Uuid::new_v4(), started: Utc::now().trunc_subsecs(0) };
        Upload { token: self.sessions.sign(&session, repository, principal), size: 0 }
    }

    /// How far an upload has come; [`DomainError::UploadUnknown`] if it is none.
    pub async fn upload_status(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
    ) -> Result<Upload, DomainError> {
        let key = self.open_session(repository, principal, token)?;
        Ok(Upload { token: token.into(), size: self.store.upload_size(&key).await? })
    }

    /// Adds a chunk to an upload. [`DomainError::RangeInvalid`] when it does not start where the last one ended; then
    /// nothing of it is taken.
    pub async fn append_upload(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
        chunk: Chunk<'_>,
    ) -> Result<Upload, DomainError> {
        let key = self.open_session(repository, principal, token)?;
        Ok(Upload { token: token.into(), size: self.append(&key, chunk).await? })
    }

    /// Adds the last chunk, checks that all of it has `digest`, and makes it a blob of `repository`.
    /// [`DomainError::DigestMismatch`] ends the upload, for no later chunk could mend it.
    pub async fn finish_upload(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
        digest: &Digest,
        chunk: Chunk<'_>,
    ) -> Result<Blob, DomainError> {
        let key = self.session(repository, principal, token)?;
        if self.closed.contains(key.id) {
            // Our first answer may have been lost on its way.
            return self.stat_blob(repository, digest).await.map_err(|_| DomainError::UploadUnknown);
        }
        self.append(&key, chunk).await?;
        let (registry, digest) = (self.clone(), digest.clone());
        to_the_end(async move { registry.commit_upload(&key, digest).await }).await
    }

    async fn commit_upload(&self, key: &UploadKey, digest: Digest) -> Result<Blob, DomainError> {
        let committed = self.store.commit(key, &digest).await.map_err(DomainError::from);
        if matches!(committed, Err(DomainError::DigestMismatch { .. })) {
            self.closed.insert(key.id);
        }
        let size = committed?;
        self.link_blob(&key.repository, &digest, digest.clone()).await?;
        self.closed.insert(key.id);
        Ok(Blob { digest, size })
    }

    /// Ends an upload and drops its bytes.
    pub async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
    ) -> Result<(), DomainError> {
        let key = self.open_session(repository, principal, token)?;
        self.store.cancel(&key).await?;
        self.closed.insert(key.id);
        Ok(())
    }

    async fn append(&self, key: &UploadKey, chunk: Chunk<'_>) -> Result<u64, DomainError> {
        Ok(self.store.append(key, chunk.offset, measured(chunk.body, chunk.length)).await?)
    }

    fn open_session(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
    ) -> Result<UploadKey, DomainError> {
        let key = self.session(repository, principal, token)?;
        if self.closed.contains(key.id) { Err(DomainError::UploadUnknown) } else { Ok(key) }
    }

    fn session(
        &self,
        repository: &RepositoryName,
        principal: &str,
        token: &str,
    ) -> Result<UploadKey, DomainError> {
        let session = self.sessions.open(token, repository, principal, Utc::now()).map_err(|reason| {
            tracing::debug!(%repository, %reason, "refused an upload token");
            DomainError::UploadUnknown
        })?;
        Ok(UploadKey { repository: repository.clone(), id: session.id, started: session.started })
    }
}

/// Ends with an error where the body has another length than `announced`; of one that is too long, no byte past it is let
/// through.
fn measured(body: BodyStream<'_>, announced: Option<u64>) -> BodyStream<'_> {
    let Some(announced) = announced else { return body };
    let found = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&found);
    let counted = body.map(move |chunk: Result<Bytes, BodyError>| {
        let chunk = chunk?;
        let found = found.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if found > announced { Err(BodyError::Length { announced, found }) } else { Ok(chunk) }
    });
    let end = stream::once(async move {
        let found = total.load(Ordering::Relaxed);
        (found < announced).then_some(Err(BodyError::Length { announced, found }))
    });
    counted.chain(end.filter_map(std::future::ready)).boxed()
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Ok(6))]
    #[case(Some(6), Ok(6))]
    #[case(Some(5), Err((5, 6)))]
    #[case(Some(7), Err((7, 6)))]
    #[case(Some(2), Err((2, 3)))]
    #[tokio::test]
    async fn a_body_has_the_length_it_announced(
        #[case] announced: Option<u64>,
        #[case] expected: Result<usize, (u64, u64)>,
    ) {
        let body = stream::iter(["abc", "def"].map(|part| Ok(Bytes::from_static(part.as_bytes())))).boxed();
        let found =
            measured(body, announced).try_fold(0, |sum, part| async move { Ok(sum + part.len()) }).await;
        let found = found.map_err(|error| match error {
            BodyError::Length { announced, found } => (announced, found),
            other => panic!("{other}"),
        });
        assert_eq!(found, expected);
    }
}
