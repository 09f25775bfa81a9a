use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use entrepot_oci::{Digest, RepositoryName, Tag};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

const DIGEST_STRIPES: usize = 1024;
const TAG_STRIPES: usize = 256;

/// Locks by (repository, digest) and by (repository, tag), each set striped so that it has a fixed size. Digests are
/// always taken before tags and stripes in ascending order, all of a kind in one call: nobody waits in a circle.
///
/// Held from the check ("every layer is here") to the publication that relies on it, and by every deleter.
#[derive(Debug)]
pub(super) struct Locks {
    /// Random, so that nobody can aim at one stripe.
    hasher: RandomState,
    digests: Vec<RwLock<()>>,
    tags: Vec<RwLock<()>>,
}

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    _guards: Vec<Guard<'a>>,
}

#[derive(Debug)]
enum Guard<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Default for Locks {
    fn default() -> Self {
        let stripes = |count| std::iter::repeat_with(RwLock::default).take(count).collect();
        Self { hasher: RandomState::new(), digests: stripes(DIGEST_STRIPES), tags: stripes(TAG_STRIPES) }
    }
}

impl Locks {
    /// Keeps `digest` to the caller alone and keeps anybody from deleting `relied_on`.
    pub(super) async fn digest<'d>(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        relied_on: impl IntoIterator<Item = &'d Digest>,
    ) -> Held<'_> {
        let stripe = |digest: &Digest| self.stripe(&(repository, digest), DIGEST_STRIPES);
        let mut wanted: BTreeMap<usize, bool> =
            relied_on.into_iter().map(|digest| (stripe(digest), false)).collect();
        wanted.insert(stripe(digest), true);
        Self::hold(&self.digests, wanted).await
    }

    /// Keeps `tags` to the caller alone.
    pub(super) async fn tags<'t>(
        &self,
        repository: &RepositoryName,
        tags: impl IntoIterator<Item = &'t Tag>,
    ) -> Held<'_> {
        let stripe = |tag: &Tag| self.stripe(&(repository, tag), TAG_STRIPES);
        Self::hold(&self.tags, tags.into_iter().map(|tag| (stripe(tag), true)).collect()).await
    }

    fn stripe(&self, key: &impl std::hash::Hash, count: usize) -> usize {
        // The remainder is below `count`, which fits.
        #[allow(clippy::cast_possible_truncation)]
        let stripe = (self.hasher.hash_one(key) % count as u64) as usize;
        stripe
    }

    async fn hold(stripes: &[RwLock<()>], wanted: BTreeMap<usize, bool>) -> Held<'_> {
        let mut guards = Vec::with_capacity(wanted.len());
        for (lock, alone) in
            wanted.into_iter().filter_map(|(stripe, alone)| Some((stripes.get(stripe)?, alone)))
        {
            guards.push(if alone {
                Guard::Alone { _guard: lock.write().await }
            } else {
                Guard::Shared { _guard: lock.read().await }
            });
        }
        Held { _guards: guards }
    }
}
