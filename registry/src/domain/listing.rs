use entrepot_oci::{RepositoryName, Tag};

use crate::domain::{DomainError, Registry};

/// Without `n` a catalog has this many entries, as distribution's.
const CATALOG_DEFAULT: usize = 100;
/// The most repositories in one answer.
const CATALOG_MAX: usize = 1000;
/// The most tags in one answer to a client that pages. One that does not gets all: many clients never follow a link.
const TAGS_MAX: usize = 10_000;

/// Which part of a listing is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many entries; 0 is none.
    pub n: Option<usize>,
    /// Those after this text, in byte order; it need not be an entry.
    pub last: Option<String>,
}

/// A part of a listing, in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// The entries.
    pub items: Vec<T>,
    /// When entries follow: the request for the next part.
    pub next: Option<PageRequest>,
}

impl<T: ToString> Listing<T> {
    fn new(items: Vec<T>, more: bool, limit: usize) -> Self {
        let last = items.last().filter(|_| more).map(ToString::to_string);
        let next = last.map(|last| PageRequest { n: Some(limit), last: Some(last) });
        Self { items, next }
    }
}

impl Registry {
    /// The tags of a repository; [`DomainError::RepositoryUnknown`] when it has no manifest at all.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        page: &PageRequest,
    ) -> Result<Listing<Tag>, DomainError> {
        if !self.store.has_manifests(repository).await? {
            return Err(DomainError::RepositoryUnknown { repository: repository.clone() });
        }
        let limit = page.n.map_or(usize::MAX, |n| n.min(TAGS_MAX));
        if limit == 0 {
            return Ok(Listing::new(Vec::new(), false, limit));
        }
        let tags = self.store.tags(repository, page.last.as_deref(), limit).await?;
        Ok(Listing::new(tags.items, tags.more, limit))
    }

    /// The repositories that have a manifest and that `may_see` lets the caller know of.
    pub async fn repositories(
        &self,
        page: &PageRequest,
        may_see: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Listing<RepositoryName>, DomainError> {
        let limit = page.n.unwrap_or(CATALOG_DEFAULT).min(CATALOG_MAX);
        let mut items: Vec<RepositoryName> = Vec::new();
        let mut after = page.last.clone();
        if limit == 0 {
            return Ok(Listing::new(items, false, limit));
        }
        loop {
            let found = self.store.repositories(after.as_deref(), (limit + 1).max(CATALOG_DEFAULT)).await?;
            after = found.items.last().map(ToString::to_string);
            items.extend(found.items.into_iter().filter(&may_see).take(limit + 1 - items.len()));
            if items.len() > limit || !found.more {
                let more = items.len() > limit;
                items.truncate(limit);
                return Ok(Listing::new(items, more, limit));
            }
        }
    }
}
