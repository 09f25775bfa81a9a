//! What every store must do. Each function is one clause; `clauses!` stamps all of them onto a backend.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use entrepot_oci::{Algorithm, Digest, RepositoryName, Tag};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::{
    BodyError, BodyStream, FilesystemStore, LinkKind, Mutation, Page, Store, StoreError, StoreLock, UploadKey,
};
use crate::store::filesystem::Attempt;
use crate::store::filesystem::crash::CrashFiles;

/// A store under test and what must live as long.
type Subject = (Arc<dyn Store>, Box<dyn Any>);

fn in_a_folder() -> Subject {
    let root = tempfile::tempdir().unwrap();
    let Attempt::Locked(lock) = StoreLock::try_acquire(root.path()).unwrap() else { panic!("locked") };
    (Arc::new(FilesystemStore::open(&lock).unwrap()), Box::new((root, lock)))
}

fn on_a_crashing_disk() -> Subject {
    let disk = CrashFiles::new();
    (Arc::new(disk.store()), Box::new(disk))
}

macro_rules! clauses {
    ($($clause:ident),* $(,)?) => {
        mod folder {
            $(#[tokio::test] async fn $clause() { let (store, _kept) = super::in_a_folder(); super::$clause(&*store).await; })*
        }
        mod crashing_disk {
            $(#[tokio::test] async fn $clause() { let (store, _kept) = super::on_a_crashing_disk(); super::$clause(&*store).await; })*
        }
    };
}

clauses!(
    an_empty_store_has_nothing,
    a_blob_is_what_was_put,
    a_range_of_a_blob_is_streamed,
    an_open_blob_outlives_its_replacement,
    a_large_blob_is_not_read_whole,
    links_are_per_repository_and_kind,
    a_link_resolves_to_its_target,
    links_are_paged_in_order,
    a_tag_moves_and_goes,
    tags_are_paged_in_byte_order,
    repositories_are_those_with_manifests_in_byte_order,
    mutations_may_be_repeated,
    an_upload_grows_and_becomes_a_blob,
    an_upload_of_nothing_is_the_empty_blob,
    an_append_must_follow_the_last,
    an_upload_serves_one_request_at_a_time,
    a_broken_body_leaves_what_came,
    a_wrong_digest_ends_the_upload,
    a_cancelled_upload_is_empty,
    both_algorithms_are_stored,
    a_commit_repairs_a_blob,
);

fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn tag(tag: &str) -> Tag {
    tag.parse().unwrap()
}

fn upload(id: u128) -> UploadKey {
    UploadKey { repository: repository("team/app"), id: Uuid::from_u128(id), started: DateTime::UNIX_EPOCH }
}

fn body(parts: &[&'static [u8]]) -> BodyStream<'static> {
    let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
    stream::iter(parts).boxed()
}

fn put_blob(bytes: &'static [u8]) -> Mutation {
    Mutation::PutBlob { digest: sha256(bytes), bytes: Bytes::from_static(bytes) }
}

fn put_link(name: &str, kind: LinkKind, digest: &Digest) -> Mutation {
    Mutation::PutLink { repository: repository(name), kind, digest: digest.clone(), target: digest.clone() }
}

fn put_tag(name: &str, text: &str, digest: &Digest) -> Mutation {
    Mutation::PutTag { repository: repository(name), tag: tag(text), digest: digest.clone() }
}

async fn content(store: &dyn Store, digest: &Digest) -> Option<Bytes> {
    store.read_blob(digest, u64::MAX).await.unwrap()
}

async fn an_empty_store_has_nothing(store: &dyn Store) {
    let (name, digest) = (repository("team/app"), sha256(b"x"));
    assert_eq!(store.stat_blob(&digest).await.unwrap(), None);
    assert!(store.open_blob(&digest).await.unwrap().is_none());
    assert_eq!(content(store, &digest).await, None);
    assert_eq!(store.link(&name, LinkKind::Layer, &digest).await.unwrap(), None);
    assert_eq!(store.tag(&name, &tag("v1")).await.unwrap(), None);
    assert_eq!(store.tags(&name, None, 10).await.unwrap(), Page { items: vec![], more: false });
    assert!(!store.has_manifests(&name).await.unwrap());
    assert_eq!(store.repositories(None, 10).await.unwrap(), Page { items: vec![], more: false });
    assert_eq!(store.upload_size(&upload(1)).await.unwrap(), 0);
    store.cancel(&upload(1)).await.unwrap();
}

async fn a_blob_is_what_was_put(store: &dyn Store) {
    store.write(vec![put_blob(b"one"), put_blob(b""), put_blob(b"three")]).await.unwrap();
    for bytes in [b"one".as_slice(), b"", b"three"] {
        assert_eq!(store.stat_blob(&sha256(bytes)).await.unwrap(), Some(bytes.len() as u64));
        assert_eq!(content(store, &sha256(bytes)).await.as_deref(), Some(bytes));
    }
}

async fn a_range_of_a_blob_is_streamed(store: &dyn Store) {
    // Several chunks, the last of them short.
    let bytes: Vec<u8> = (0..700_001_u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    let digest = sha256(&bytes);
    store
        .write(vec![Mutation::PutBlob { digest: digest.clone(), bytes: bytes.clone().into() }])
        .await
        .unwrap();
    for range in [0..bytes.len(), 5..5, 5..6, 262_143..262_145, 700_000..700_001] {
        let open = store.open_blob(&digest).await.unwrap().unwrap();
        assert_eq!(open.size(), bytes.len() as u64);
        let wanted = range.start as u64..range.end as u64;
        let found: Vec<Bytes> = open.stream(wanted).try_collect().await.unwrap();
        assert_eq!(found.concat(), bytes[range]);
    }
}

async fn an_open_blob_outlives_its_replacement(store: &dyn Store) {
    let digest = sha256(b"right");
    let damaged = Mutation::PutBlob { digest: digest.clone(), bytes: Bytes::from_static(b"wrong") };
    store.write(vec![damaged]).await.unwrap();
    let open = store.open_blob(&digest).await.unwrap().unwrap();
    store.write(vec![put_blob(b"right")]).await.unwrap();
    let found: Vec<Bytes> = open.stream(0..5).try_collect().await.unwrap();
    assert_eq!(found.concat(), b"wrong");
    assert_eq!(content(store, &digest).await.as_deref(), Some(b"right".as_slice()));
}

async fn a_large_blob_is_not_read_whole(store: &dyn Store) {
    store.write(vec![put_blob(b"four")]).await.unwrap();
    let digest = sha256(b"four");
    assert_eq!(store.read_blob(&digest, 4).await.unwrap().as_deref(), Some(b"four".as_slice()));
    let refused = store.read_blob(&digest, 3).await.unwrap_err();
    assert!(matches!(&refused, StoreError::TooLarge { size: 4, limit: 3, .. }), "{refused}");
}

async fn links_are_per_repository_and_kind(store: &dyn Store) {
    let digest = sha256(b"x");
    store.write(vec![put_blob(b"x"), put_link("a", LinkKind::Layer, &digest)]).await.unwrap();
    let found = |name, kind| {
        let (name, digest) = (repository(name), digest.clone());
        async move { store.link(&name, kind, &digest).await.unwrap() }
    };
    assert_eq!(found("a", LinkKind::Layer).await, Some(digest.clone()));
    assert_eq!(found("a", LinkKind::Revision).await, None);
    assert_eq!(found("a/b", LinkKind::Layer).await, None);
    assert!(!store.has_manifests(&repository("a")).await.unwrap());
    let delete = |kind| Mutation::DeleteLink { repository: repository("a"), kind, digest: digest.clone() };
    store.write(vec![delete(LinkKind::Revision)]).await.unwrap();
    assert_eq!(found("a", LinkKind::Layer).await, Some(digest.clone()));
    store.write(vec![delete(LinkKind::Layer)]).await.unwrap();
    assert_eq!(found("a", LinkKind::Layer).await, None);
    assert_eq!(store.stat_blob(&digest).await.unwrap(), Some(1));
}

async fn a_link_resolves_to_its_target(store: &dyn Store) {
    let (long, short) = (Digest::of(Algorithm::Sha512, b"x"), sha256(b"x"));
    let link = Mutation::PutLink {
        repository: repository("a"),
        kind: LinkKind::Revision,
        digest: long.clone(),
        target: short.clone(),
    };
    store.write(vec![put_blob(b"x"), link]).await.unwrap();
    assert_eq!(store.link(&repository("a"), LinkKind::Revision, &long).await.unwrap(), Some(short));
}

async fn links_are_paged_in_order(store: &dyn Store) {
    let name = repository("a");
    let contents: [&[u8]; 4] = [b"1", b"2", b"3", b"4"];
    let mut digests: Vec<Digest> = contents.iter().map(|bytes| sha256(bytes)).collect();
    digests.push(Digest::of(Algorithm::Sha512, b"5"));
    store
        .write(digests.iter().map(|digest| put_link("a", LinkKind::Revision, digest)).collect())
        .await
        .unwrap();
    digests.sort_unstable();
    let page = |after: Option<&Digest>, limit| {
        let (after, name) = (after.cloned(), name.clone());
        async move { store.links(&name, LinkKind::Revision, after.as_ref(), limit).await.unwrap() }
    };
    assert_eq!(page(None, 5).await, Page { items: digests.clone(), more: false });
    assert_eq!(page(None, 4).await, Page { items: digests[..4].to_vec(), more: true });
    assert_eq!(page(Some(&digests[3]), 4).await, Page { items: digests[4..].to_vec(), more: false });
    assert_eq!(page(Some(&digests[1]), 2).await, Page { items: digests[2..4].to_vec(), more: true });
}

async fn a_tag_moves_and_goes(store: &dyn Store) {
    let name = repository("a");
    let (first, second) = (sha256(b"1"), sha256(b"2"));
    store.write(vec![put_tag("a", "v1", &first), put_tag("a", "v1.0", &first)]).await.unwrap();
    store.write(vec![put_tag("a", "v1", &second)]).await.unwrap();
    assert_eq!(store.tag(&name, &tag("v1")).await.unwrap(), Some(second));
    store.write(vec![Mutation::DeleteTag { repository: name.clone(), tag: tag("v1") }]).await.unwrap();
    assert_eq!(store.tag(&name, &tag("v1")).await.unwrap(), None);
    assert_eq!(store.tag(&name, &tag("v1.0")).await.unwrap(), Some(first));
    assert_eq!(store.tags(&name, None, 10).await.unwrap(), Page { items: vec![tag("v1.0")], more: false });
}

async fn tags_are_paged_in_byte_order(store: &dyn Store) {
    let name = repository("a");
    let digest = sha256(b"1");
    let order = ["1", "B", "_", "a", "a-b", "a.b", "aa", "b"];
    store.write(order.iter().rev().map(|text| put_tag("a", text, &digest)).collect()).await.unwrap();
    let page = |after: Option<&'static str>, limit| {
        let name = name.clone();
        async move {
            let page = store.tags(&name, after, limit).await.unwrap();
            (page.items.iter().map(ToString::to_string).collect::<Vec<_>>(), page.more)
        }
    };
    let part = |from: usize, to: usize| order[from..to].iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(page(None, 8).await, (part(0, 8), false));
    assert_eq!(page(None, 3).await, (part(0, 3), true));
    assert_eq!(page(Some("a"), 2).await, (part(4, 6), true));
    // `a,` is no tag and stands between `a` and `a-b`.
    assert_eq!(page(Some("a,"), 8).await, (part(4, 8), false));
    assert_eq!(page(Some("b"), 8).await, (vec![], false));
}

async fn repositories_are_those_with_manifests_in_byte_order(store: &dyn Store) {
    let digest = sha256(b"1");
    let order = ["a", "a-b", "a.b", "a/b", "a/b-c/d", "a/b/c", "aa", "b/c"];
    let links = order.iter().rev().map(|name| put_link(name, LinkKind::Revision, &digest));
    store.write(links.chain([put_link("blobs/only", LinkKind::Layer, &digest)]).collect()).await.unwrap();
    let page = |after: Option<&'static str>, limit| async move {
        let page = store.repositories(after, limit).await.unwrap();
        (page.items.iter().map(ToString::to_string).collect::<Vec<_>>(), page.more)
    };
    let part = |from: usize, to: usize| order[from..to].iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(page(None, 8).await, (part(0, 8), false));
    for (at, after) in order.into_iter().enumerate() {
        assert_eq!(
            page(Some(after), 2).await,
            (part((at + 1).min(8), (at + 3).min(8)), at + 3 < 8),
            "after {after}"
        );
    }
    assert_eq!(page(Some("a/a"), 1).await, (part(3, 4), true));
    assert_eq!(page(Some("a0"), 1).await, (part(6, 7), true));
    assert_eq!(page(Some("zzz"), 1).await, (vec![], false));
    let gone = Mutation::DeleteLink { repository: repository("a"), kind: LinkKind::Revision, digest };
    store.write(vec![gone]).await.unwrap();
    assert_eq!(page(None, 8).await, (part(1, 8), false));
}

async fn mutations_may_be_repeated(store: &dyn Store) {
    let digest = sha256(b"x");
    let puts = vec![put_blob(b"x"), put_link("a", LinkKind::Revision, &digest), put_tag("a", "v1", &digest)];
    let deletes = vec![
        Mutation::DeleteTag { repository: repository("a"), tag: tag("v1") },
        Mutation::DeleteLink {
            repository: repository("a"),
            kind: LinkKind::Revision,
            digest: digest.clone(),
        },
    ];
    for _ in 0..2 {
        store.write(puts.clone()).await.unwrap();
        store.write(puts.clone()).await.unwrap();
        assert_eq!(store.tag(&repository("a"), &tag("v1")).await.unwrap(), Some(digest.clone()));
        store.write(deletes.clone()).await.unwrap();
        store.write(deletes.clone()).await.unwrap();
        assert!(!store.has_manifests(&repository("a")).await.unwrap());
    }
}

async fn an_upload_grows_and_becomes_a_blob(store: &dyn Store) {
    let key = upload(1);
    assert_eq!(store.append(&key, None, body(&[b"ab", b"", b"c"])).await.unwrap(), 3);
    assert_eq!(store.upload_size(&key).await.unwrap(), 3);
    assert_eq!(store.append(&key, Some(3), body(&[b"def"])).await.unwrap(), 6);
    assert_eq!(store.append(&key, None, body(&[])).await.unwrap(), 6);
    let digest = sha256(b"abcdef");
    assert_eq!(store.stat_blob(&digest).await.unwrap(), None);
    assert_eq!(store.commit(&key, &digest).await.unwrap(), 6);
    assert_eq!(content(store, &digest).await.as_deref(), Some(b"abcdef".as_slice()));
    assert_eq!(store.upload_size(&key).await.unwrap(), 0);
}

async fn an_upload_of_nothing_is_the_empty_blob(store: &dyn Store) {
    assert_eq!(store.commit(&upload(1), &sha256(b"")).await.unwrap(), 0);
    assert_eq!(store.stat_blob(&sha256(b"")).await.unwrap(), Some(0));
    let refused = store.commit(&upload(2), &sha256(b"x")).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::DigestMismatch { found, .. } if *found == sha256(b"")),
        "{refused}"
    );
}

async fn an_append_must_follow_the_last(store: &dyn Store) {
    let key = upload(1);
    store.append(&key, Some(0), body(&[b"abc"])).await.unwrap();
    for offset in [0, 2, 4, u64::MAX] {
        let untouched = stream::once(async { panic!("the body was asked for") }).boxed();
        let refused = store.append(&key, Some(offset), untouched).await.unwrap_err();
        assert!(matches!(refused, StoreError::UploadOffset { current: 3 }), "{refused}");
    }
    assert_eq!(store.append(&key, Some(3), body(&[b"d"])).await.unwrap(), 4);
}

async fn an_upload_serves_one_request_at_a_time(store: &dyn Store) {
    let key = upload(1);
    let (mut send, receive) = futures::channel::mpsc::channel(0);
    let first = store.append(&key, None, receive.boxed());
    let second = async {
        use futures::SinkExt as _;
        send.send(Ok(Bytes::from_static(b"abc"))).await.unwrap();
        let appended = store.append(&key, None, body(&[b"x"])).await.unwrap_err();
        let committed = store.commit(&key, &sha256(b"abc")).await.unwrap_err();
        let cancelled = store.cancel(&key).await.unwrap_err();
        // Another upload is another matter.
        assert_eq!(store.append(&upload(2), None, body(&[b"x"])).await.unwrap(), 1);
        drop(send);
        [appended, committed, cancelled]
    };
    let (first, refused) = futures::join!(first, second);
    assert_eq!(first.unwrap(), 3);
    assert!(refused.iter().all(|error| matches!(error, StoreError::UploadBusy)), "{refused:?}");
    store.commit(&key, &sha256(b"abc")).await.unwrap();
}

async fn a_broken_body_leaves_what_came(store: &dyn Store) {
    let key = upload(1);
    store.append(&key, None, body(&[b"ab"])).await.unwrap();
    let broken = stream::iter([Ok(Bytes::from_static(b"cd")), Err(BodyError::Slow)]).boxed();
    let error = store.append(&key, None, broken).await.unwrap_err();
    assert!(matches!(error, StoreError::Body(BodyError::Slow)), "{error}");
    assert_eq!(store.upload_size(&key).await.unwrap(), 4);
    assert_eq!(store.append(&key, Some(4), body(&[b"ef"])).await.unwrap(), 6);
    store.commit(&key, &sha256(b"abcdef")).await.unwrap();
}

async fn a_wrong_digest_ends_the_upload(store: &dyn Store) {
    let key = upload(1);
    store.append(&key, None, body(&[b"abc"])).await.unwrap();
    let error = store.commit(&key, &sha256(b"abd")).await.unwrap_err();
    let expected = (sha256(b"abd"), sha256(b"abc"));
    assert!(
        matches!(error, StoreError::DigestMismatch { expected: e, found: f } if (e.clone(), f.clone()) == expected)
    );
    assert_eq!(store.upload_size(&key).await.unwrap(), 0);
    assert_eq!(store.stat_blob(&expected.0).await.unwrap(), None);
    assert_eq!(store.stat_blob(&expected.1).await.unwrap(), None);
}

async fn a_cancelled_upload_is_empty(store: &dyn Store) {
    let key = upload(1);
    store.append(&key, None, body(&[b"abc"])).await.unwrap();
    store.cancel(&key).await.unwrap();
    assert_eq!(store.upload_size(&key).await.unwrap(), 0);
}

async fn both_algorithms_are_stored(store: &dyn Store) {
    for (id, algorithm) in [(1, Algorithm::Sha256), (2, Algorithm::Sha512)] {
        let key = upload(id);
        store.append(&key, None, body(&[b"ab"])).await.unwrap();
        store.append(&key, None, body(&[b"c"])).await.unwrap();
        let digest = Digest::of(algorithm, b"abc");
        assert_eq!(store.commit(&key, &digest).await.unwrap(), 3);
        assert_eq!(content(store, &digest).await.as_deref(), Some(b"abc".as_slice()));
    }
}

async fn a_commit_repairs_a_blob(store: &dyn Store) {
    let digest = sha256(b"abc");
    for damaged in [b"".as_slice(), b"ab", b"abd", b"abcd"] {
        let damage = Mutation::PutBlob { digest: digest.clone(), bytes: Bytes::copy_from_slice(damaged) };
        store.write(vec![damage]).await.unwrap();
        let seen = store.stat_blob(&digest).await.unwrap();
        assert_eq!(
            seen,
            (!damaged.is_empty()).then_some(damaged.len() as u64),
            "an empty file is no such blob"
        );
        store.append(&upload(1), None, body(&[b"abc"])).await.unwrap();
        store.commit(&upload(1), &digest).await.unwrap();
        assert_eq!(content(store, &digest).await.as_deref(), Some(b"abc".as_slice()));
    }
}
