use entrepot_oci::media_type::OCI_MANIFEST;
use entrepot_oci::{Algorithm, Digest, ManifestError, Reference};
use futures::{StreamExt as _, stream};

use super::client::*;
use crate::domain::{Blob, Chunk, DomainError, Listing, MANIFEST_LIMIT, PageRequest, Upload, Violation};
use crate::store::BodyError;

#[tokio::test]
async fn an_image_is_pulled_as_it_was_pushed() {
    let served = Served::new();
    let registry = &served.registry;
    let digest = push_image(registry, "team/app", "v1", b"{}", b"layer").await.unwrap();
    let pushed = image(b"{}", b"layer");
    assert_eq!(digest, sha256(&pushed));
    for reference in ["v1".to_owned(), digest.to_string()] {
        let found = registry.manifest(&name("team/app"), &reference.parse().unwrap()).await.unwrap();
        assert_eq!(
            (&found.digest, found.media_type.as_str(), found.bytes.as_ref()),
            (&digest, OCI_MANIFEST, &*pushed)
        );
    }
    assert_eq!(pull_blob(registry, "team/app", &sha256(b"layer")).await.unwrap(), b"layer");
    let blob = registry.stat_blob(&name("team/app"), &sha256(b"layer")).await.unwrap();
    assert_eq!(blob, Blob { digest: sha256(b"layer"), size: 5 });
}

#[tokio::test]
async fn knowing_a_digest_grants_nothing() {
    let served = Served::new();
    let registry = &served.registry;
    let digest = push_image(registry, "secret", "v1", b"{}", b"layer").await.unwrap();
    let layer = sha256(b"layer");
    let stat = registry.stat_blob(&name("other"), &layer).await.unwrap_err();
    assert!(matches!(stat, DomainError::BlobUnknown { .. }), "{stat}");
    let open = registry.open_blob(&name("other"), &layer).await.unwrap_err();
    assert!(matches!(open, DomainError::BlobUnknown { .. }), "{open}");
    let manifest = pull_manifest(registry, "other", &digest.to_string()).await.unwrap_err();
    assert!(matches!(manifest, DomainError::ManifestUnknown { .. }), "{manifest}");
    // Nor does putting a manifest that names it.
    let put = push_manifest(registry, "other", "v1", &image(b"{}", b"layer")).await.unwrap_err();
    let DomainError::ManifestUnverified(violations) = put else { panic!("{put}") };
    let absent = |bytes| Violation::Absent { digest: sha256(bytes) };
    assert_eq!(violations, [absent(b"{}".as_slice()), absent(b"layer")]);
    assert!(registry.tags(&name("other"), &PageRequest::default()).await.is_err());
}

#[tokio::test]
async fn a_mount_links_what_the_other_repository_has() {
    let served = Served::new();
    let registry = &served.registry;
    push_blob(registry, "from", b"layer").await.unwrap();
    let (from, to, layer) = (name("from"), name("to"), sha256(b"layer"));
    assert_eq!(registry.mount_blob(&to, &from, &sha256(b"absent")).await.unwrap(), None);
    assert_eq!(registry.mount_blob(&to, &name("empty"), &layer).await.unwrap(), None);
    let mounted = registry.mount_blob(&to, &from, &layer).await.unwrap();
    assert_eq!(mounted, Some(Blob { digest: layer.clone(), size: 5 }));
    registry.delete_blob(&from, &layer).await.unwrap();
    assert_eq!(pull_blob(registry, "to", &layer).await.unwrap(), b"layer");
}

#[tokio::test]
async fn a_manifest_whose_sizes_lie_changes_nothing() {
    let served = Served::new();
    let registry = &served.registry;
    push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    let lying = String::from_utf8(image(b"{}", b"layer")).unwrap().replace("\"size\": 5", "\"size\": 6");
    let error = push_manifest(registry, "a", "v1", lying.as_bytes()).await.unwrap_err();
    let DomainError::ManifestUnverified(violations) = error else { panic!("{error}") };
    assert_eq!(violations, [Violation::Size { digest: sha256(b"layer"), declared: 6, found: 5 }]);
    assert_eq!(pull_manifest(registry, "a", "v1").await.unwrap(), image(b"{}", b"layer"));
    assert_eq!(pull_blob(registry, "a", &sha256(b"layer")).await.unwrap(), b"layer");
}

#[tokio::test]
async fn malformed_large_and_misnamed_manifests_are_refused() {
    let served = Served::new();
    let registry = &served.registry;
    let put = |reference: String, content_type: Option<&'static str>, bytes: Vec<u8>| async move {
        let reference: Reference = reference.parse().unwrap();
        registry.put_manifest(&name("a"), &reference, &[].into(), content_type, bytes).await.unwrap_err()
    };
    let malformed = put("v1".into(), None, b"not json".to_vec()).await;
    assert!(
        matches!(malformed, DomainError::ManifestInvalid(ManifestError::Malformed { .. })),
        "{malformed}"
    );
    let other_type =
        put("v1".into(), Some("application/vnd.oci.image.index.v1+json"), image(b"{}", b"x")).await;
    assert!(
        matches!(other_type, DomainError::ManifestInvalid(ManifestError::ContentType { .. })),
        "{other_type}"
    );
    let size = MANIFEST_LIMIT + 1;
    let large = put("v1".into(), None, vec![b' '; usize::try_from(size).unwrap()]).await;
    assert!(matches!(large, DomainError::ManifestTooLarge { size: s, .. } if s == size), "{large}");
    let misnamed = put(sha256(b"other").to_string(), None, image(b"{}", b"x")).await;
    assert!(matches!(misnamed, DomainError::DigestMismatch { .. }), "{misnamed}");
}

#[tokio::test]
async fn sha512_names_blobs_and_manifests() {
    let served = Served::new();
    let registry = &served.registry;
    let long = |bytes: &[u8]| Digest::of(Algorithm::Sha512, bytes);
    for bytes in [b"{}".as_slice(), b"layer"] {
        let token = registry.start_upload(&name("a"), "ci").token;
        registry.finish_upload(&name("a"), "ci", &token, &long(bytes), chunk(bytes)).await.unwrap();
    }
    let text = String::from_utf8(image(b"{}", b"layer")).unwrap();
    let text = text.replace(&sha256(b"{}").to_string(), &long(b"{}").to_string());
    let text = text.replace(&sha256(b"layer").to_string(), &long(b"layer").to_string());
    let reference = long(text.as_bytes()).to_string();
    assert_eq!(
        push_manifest(registry, "a", &reference, text.as_bytes()).await.unwrap().to_string(),
        reference
    );
    assert_eq!(pull_manifest(registry, "a", &reference).await.unwrap(), text.as_bytes());
    assert_eq!(pull_blob(registry, "a", &long(b"layer")).await.unwrap(), b"layer");
}

#[tokio::test]
async fn deleting_a_tag_touches_no_sibling_and_deleting_a_manifest_takes_its_tags() {
    let served = Served::new();
    let registry = &served.registry;
    let first = push_image(registry, "a", "v1", b"{}", b"one").await.unwrap();
    push_manifest(registry, "a", "v1.0", &image(b"{}", b"one")).await.unwrap();
    let second = push_image(registry, "a", "v2", b"{}", b"two").await.unwrap();
    let tags = || async {
        let tags = registry.tags(&name("a"), &PageRequest::default()).await?;
        Ok::<_, DomainError>(tags.items.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    registry.delete_tag(&name("a"), &tag("v1")).await.unwrap();
    assert_eq!(tags().await.unwrap(), ["v1.0", "v2"]);
    assert!(pull_manifest(registry, "a", "v1.0").await.is_ok());
    let again = registry.delete_tag(&name("a"), &tag("v1")).await.unwrap_err();
    assert!(matches!(again, DomainError::ManifestUnknown { .. }), "{again}");

    registry.delete_manifest(&name("a"), &first).await.unwrap();
    assert_eq!(tags().await.unwrap(), ["v2"]);
    let gone = pull_manifest(registry, "a", &first.to_string()).await.unwrap_err();
    assert!(matches!(gone, DomainError::ManifestUnknown { .. }), "{gone}");

    registry.delete_manifest(&name("a"), &second).await.unwrap();
    let error = tags().await.unwrap_err();
    assert!(matches!(error, DomainError::RepositoryUnknown { .. }), "{error}");
    let catalog = registry.repositories(&PageRequest::default(), |_| true).await.unwrap();
    assert_eq!(catalog, Listing { items: vec![], next: None });
}

#[tokio::test]
async fn a_blob_in_use_is_not_deleted() {
    let served = Served::new();
    let registry = &served.registry;
    let manifest = push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    for used in [b"{}".as_slice(), b"layer"] {
        let refused = registry.delete_blob(&name("a"), &sha256(used)).await.unwrap_err();
        assert!(
            matches!(&refused, DomainError::BlobReferenced { manifest: by, .. } if *by == manifest),
            "{refused}"
        );
    }
    registry.delete_manifest(&name("a"), &manifest).await.unwrap();
    registry.delete_blob(&name("a"), &sha256(b"layer")).await.unwrap();
    let gone = registry.delete_blob(&name("a"), &sha256(b"layer")).await.unwrap_err();
    assert!(matches!(gone, DomainError::BlobUnknown { .. }), "{gone}");
}

#[tokio::test]
async fn listings_are_paged() {
    let served = Served::new();
    let registry = &served.registry;
    push_image(registry, "team/app", "b", b"{}", b"layer").await.unwrap();
    for text in ["c", "a", "d"] {
        push_manifest(registry, "team/app", text, &image(b"{}", b"layer")).await.unwrap();
    }
    push_manifest(registry, "team", "x", &index(&[])).await.unwrap();
    push_manifest(registry, "team-b", "x", &index(&[])).await.unwrap();
    let page = |n, last: Option<&str>| PageRequest { n, last: last.map(Into::into) };
    let tags =
        |request: PageRequest| async move { registry.tags(&name("team/app"), &request).await.unwrap() };
    let listed = |items: &[&str], next| Listing { items: items.iter().map(|text| tag(text)).collect(), next };
    assert_eq!(tags(page(None, None)).await, listed(&["a", "b", "c", "d"], None));
    assert_eq!(tags(page(Some(2), None)).await, listed(&["a", "b"], Some(page(Some(2), Some("b")))));
    assert_eq!(tags(page(Some(2), Some("b"))).await, listed(&["c", "d"], None));
    assert_eq!(tags(page(None, Some("bb"))).await, listed(&["c", "d"], None));
    assert_eq!(tags(page(Some(0), None)).await, listed(&[], None));
    assert_eq!(tags(page(Some(usize::MAX), None)).await, listed(&["a", "b", "c", "d"], None));

    let catalog = |request: PageRequest, hidden: &'static str| async move {
        registry.repositories(&request, |repository| repository.as_str() != hidden).await.unwrap()
    };
    let listed =
        |items: &[&str], next| Listing { items: items.iter().map(|text| name(text)).collect(), next };
    assert_eq!(catalog(page(None, None), "").await, listed(&["team", "team-b", "team/app"], None));
    assert_eq!(catalog(page(None, None), "team-b").await, listed(&["team", "team/app"], None));
    assert_eq!(
        catalog(page(Some(1), None), "team").await,
        listed(&["team-b"], Some(page(Some(1), Some("team-b"))))
    );
    assert_eq!(catalog(page(Some(1), Some("team-b")), "team").await, listed(&["team/app"], None));
    assert_eq!(catalog(page(Some(0), None), "").await, listed(&[], None));
}

#[tokio::test]
async fn an_upload_belongs_to_who_started_it_where_it_was_started() {
    let served = Served::new();
    let registry = &served.registry;
    let started = registry.start_upload(&name("a"), "ci");
    let token = started.token.as_str();
    assert_eq!(registry.upload_status(&name("a"), "ci", token).await.unwrap(), started);
    for (repository, principal, token) in [("b", "ci", token), ("a", "eve", token), ("a", "ci", "made-up")] {
        let refused = registry.upload_status(&name(repository), principal, token).await.unwrap_err();
        assert!(matches!(refused, DomainError::UploadUnknown), "{refused}");
    }
    let grown = registry.append_upload(&name("a"), "ci", token, chunk(b"abc")).await.unwrap();
    assert_eq!(grown, Upload { token: token.into(), size: 3 });
    let out_of_order = Chunk { offset: Some(5), ..chunk(b"xyz") };
    let refused = registry.append_upload(&name("a"), "ci", token, out_of_order).await.unwrap_err();
    assert!(matches!(refused, DomainError::RangeInvalid { current: 3 }), "{refused}");
    let out_of_order = Chunk { offset: Some(5), ..chunk(b"xyz") };
    let refused =
        registry.finish_upload(&name("a"), "ci", token, &sha256(b"abcxyz"), out_of_order).await.unwrap_err();
    assert!(matches!(refused, DomainError::RangeInvalid { current: 3 }), "{refused}");
    let last = Chunk { offset: Some(3), ..chunk(b"def") };
    registry.finish_upload(&name("a"), "ci", token, &sha256(b"abcdef"), last).await.unwrap();
    let ended = registry.upload_status(&name("a"), "ci", token).await.unwrap_err();
    assert!(matches!(ended, DomainError::UploadUnknown), "{ended}");
    // The client that never saw our answer asks again.
    let again =
        registry.finish_upload(&name("a"), "ci", token, &sha256(b"abcdef"), Chunk::empty()).await.unwrap();
    assert_eq!(again, Blob { digest: sha256(b"abcdef"), size: 6 });
}

#[tokio::test]
async fn cancelled_and_wrong_uploads_are_unknown_afterwards() {
    let served = Served::new();
    let registry = &served.registry;
    let cancelled = registry.start_upload(&name("a"), "ci").token;
    registry.append_upload(&name("a"), "ci", &cancelled, chunk(b"abc")).await.unwrap();
    registry.cancel_upload(&name("a"), "ci", &cancelled).await.unwrap();
    let wrong = registry.start_upload(&name("a"), "ci").token;
    let refused =
        registry.finish_upload(&name("a"), "ci", &wrong, &sha256(b"x"), chunk(b"y")).await.unwrap_err();
    assert!(matches!(refused, DomainError::DigestMismatch { .. }), "{refused}");
    for token in [cancelled, wrong] {
        let status = registry.upload_status(&name("a"), "ci", &token).await.unwrap_err();
        assert!(matches!(status, DomainError::UploadUnknown), "{status}");
        let append = registry.append_upload(&name("a"), "ci", &token, chunk(b"x")).await.unwrap_err();
        assert!(matches!(append, DomainError::UploadUnknown), "{append}");
    }
    assert!(registry.stat_blob(&name("a"), &sha256(b"y")).await.is_err());
}

#[tokio::test]
async fn a_body_of_another_length_is_refused() {
    let served = Served::new();
    let registry = &served.registry;
    for length in [2, 4] {
        let token = registry.start_upload(&name("a"), "ci").token;
        let lying = Chunk { length: Some(length), ..chunk(b"abc") };
        let refused =
            registry.finish_upload(&name("a"), "ci", &token, &sha256(b"abc"), lying).await.unwrap_err();
        assert!(matches!(refused, DomainError::Body(BodyError::Length { .. })), "{refused}");
        assert!(registry.stat_blob(&name("a"), &sha256(b"abc")).await.is_err());
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let served = Served::new();
    let token = served.registry.start_upload(&name("a"), "ci").token;
    served.registry.append_upload(&name("a"), "ci", &token, chunk(b"abc")).await.unwrap();
    let broken = stream::iter([Ok("def".into()), Err(BodyError::Slow)]).boxed();
    let broken = Chunk { offset: Some(3), length: None, body: broken };
    served.registry.append_upload(&name("a"), "ci", &token, broken).await.unwrap_err();
    let Served { registry, root, lock } = served;
    drop((registry, lock));
    let served = Served::at(root);
    let status = served.registry.upload_status(&name("a"), "ci", &token).await.unwrap();
    assert_eq!(status.size, 6);
    let digest = sha256(b"abcdefghi");
    served.registry.finish_upload(&name("a"), "ci", &token, &digest, chunk(b"ghi")).await.unwrap();
    assert_eq!(pull_blob(&served.registry, "a", &digest).await.unwrap(), b"abcdefghi");
}

#[tokio::test]
async fn after_the_release_reading_goes_on_and_writing_is_refused() {
    let served = Served::new();
    let registry = &served.registry;
    push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    let token = registry.start_upload(&name("a"), "ci").token;
    served.lock.release().await.unwrap();
    for refused in [
        push_manifest(registry, "a", "v2", &image(b"{}", b"layer")).await.map(drop),
        registry.append_upload(&name("a"), "ci", &token, chunk(b"x")).await.map(drop),
        registry.delete_tag(&name("a"), &tag("v1")).await,
    ] {
        assert!(matches!(refused, Err(DomainError::ShuttingDown)), "{refused:?}");
    }
    assert_eq!(pull_manifest(registry, "a", "v1").await.unwrap(), image(b"{}", b"layer"));
}

#[tokio::test]
async fn damage_is_absence_until_a_push_repairs_it() {
    let served = Served::new();
    let registry = &served.registry;
    let digest = push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    let blob = |digest: &Digest| {
        let hex = digest.hex();
        served.root.path().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    };
    std::fs::write(blob(&digest), b"{}").unwrap();
    std::fs::write(blob(&sha256(b"layer")), b"").unwrap();
    let damaged = pull_manifest(registry, "a", "v1").await.unwrap_err();
    assert!(matches!(damaged, DomainError::ManifestUnknown { .. }), "{damaged}");
    let empty = registry.stat_blob(&name("a"), &sha256(b"layer")).await.unwrap_err();
    assert!(matches!(empty, DomainError::BlobUnknown { .. }), "{empty}");
    push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    assert_eq!(pull_manifest(registry, "a", "v1").await.unwrap(), image(b"{}", b"layer"));
    assert_eq!(pull_blob(registry, "a", &sha256(b"layer")).await.unwrap(), b"layer");
    // A link that a crash left empty.
    let hex = digest.hex();
    let link = format!("docker/registry/v2/repositories/a/_manifests/revisions/sha256/{hex}/link");
    std::fs::write(served.root.path().join(link), b"").unwrap();
    assert!(pull_manifest(registry, "a", "v1").await.is_err());
    push_manifest(registry, "a", "v1", &image(b"{}", b"layer")).await.unwrap();
    assert!(pull_manifest(registry, "a", "v1").await.is_ok());
}

#[tokio::test]
async fn a_blob_that_became_shorter_ends_its_stream_with_an_error() {
    let served = Served::new();
    let registry = &served.registry;
    push_blob(registry, "a", b"layer").await.unwrap();
    let content = registry.open_blob(&name("a"), &sha256(b"layer")).await.unwrap();
    let hex = sha256(b"layer").hex().to_owned();
    let path = served.root.path().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    std::fs::write(path, b"lay").unwrap();
    let parts: Vec<_> = content.stream(0..5).collect().await;
    assert!(
        matches!(parts.as_slice(), [Err(crate::store::StoreError::ShortRead { missing: 2, .. })]),
        "{parts:?}"
    );
}

#[tokio::test]
async fn a_repository_that_somebody_removed_is_pushed_anew() {
    let served = Served::new();
    let registry = &served.registry;
    push_image(registry, "team/app", "v1", b"{}", b"layer").await.unwrap();
    std::fs::remove_dir_all(served.root.path().join("docker/registry/v2/repositories/team")).unwrap();
    std::fs::remove_dir_all(served.root.path().join("docker/registry/v2/blobs")).unwrap();
    for folder in ["temp", "uploads", "quarantine"] {
        std::fs::remove_dir(served.root.path().join("entrepot").join(folder)).unwrap();
    }
    assert!(pull_manifest(registry, "team/app", "v1").await.is_err());
    push_image(registry, "team/app", "v1", b"{}", b"layer").await.unwrap();
    assert_eq!(pull_manifest(registry, "team/app", "v1").await.unwrap(), image(b"{}", b"layer"));
}
