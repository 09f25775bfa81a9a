use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use entrepot_oci::media_type::is_non_distributable;
use entrepot_oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};

use crate::store::{LinkKind, Mutation};

/// What a repository has of the blobs that a manifest names: the size of what each digest resolves to here, in bytes;
/// absent when it resolves to nothing.
pub type Facts = BTreeMap<Digest, u64>;

/// A manifest that somebody wants to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub repository: RepositoryName,
    /// Under which digest, which the bytes have.
    pub digest: Digest,
    /// The tags to name it by, too.
    pub tags: BTreeSet<Tag>,
    /// What.
    pub manifest: Manifest,
}

/// What is wrong with one descriptor of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// This repository does not have the blob.
    #[error("blob {digest} is not in this repository")]
    Absent {
        /// The blob.
        digest: Digest,
    },
    /// The blob that is here has another size.
    #[error("blob {digest} has {found} bytes, not the {declared} that the manifest declares")]
    Size {
        /// The blob.
        digest: Digest,
        /// In the manifest, in bytes.
        declared: u64,
        /// In the store, in bytes.
        found: u64,
    },
}

/// The descriptors that must resolve in the repository before the manifest may: configuration and layers. A layer that may not
/// be distributed may be elsewhere, and so may an index's children (sparse indexes) and a subject.
pub(super) fn required(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let elsewhere = |layer: &&Descriptor| !layer.urls.is_empty() && is_non_distributable(&layer.media_type);
    manifest.config().into_iter().chain(manifest.layers().iter().filter(move |layer| !elsewhere(layer)))
}

/// The rounds that store `put`, in order: the tag must never be durable before what it names.
pub fn plan_put(put: Put, facts: &Facts) -> Result<Vec<Vec<Mutation>>, Vec<Violation>> {
    let violations = violations(&put.manifest, facts);
    if !violations.is_empty() {
        return Err(violations);
    }
    let Put { repository, digest, tags, manifest } = put;
    let mut rounds = vec![vec![
        Mutation::PutBlob { digest: digest.clone(), bytes: Bytes::from(manifest.into_bytes()) },
        Mutation::PutLink {
            repository: repository.clone(),
            kind: LinkKind::Revision,
            digest: digest.clone(),
            target: digest.clone(),
        },
    ]];
    if !tags.is_empty() {
        let named = |tag| Mutation::PutTag { repository: repository.clone(), tag, digest: digest.clone() };
        rounds.push(tags.into_iter().map(named).collect());
    }
    Ok(rounds)
}

fn violations(manifest: &Manifest, facts: &Facts) -> Vec<Violation> {
    let mut violations: Vec<Violation> = Vec::new();
    let mut declared: BTreeMap<&Digest, u64> = BTreeMap::new();
    for Descriptor { digest, size, .. } in required(manifest) {
        // A blob named twice is reported once, but two sizes for it cannot both be right.
        if declared.insert(digest, *size) == Some(*size) {
            continue;
        }
        match facts.get(digest) {
            None => violations.push(Violation::Absent { digest: digest.clone() }),
            Some(found) if found != size => {
                violations.push(Violation::Size { digest: digest.clone(), declared: *size, found: *found });
            }
            Some(_) => {}
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use entrepot_oci::Algorithm;
    use serde_json::{Value, json};

    use super::*;

    fn descriptor(content: &[u8], size: usize) -> Value {
        json!({"mediaType": "x/y", "digest": Digest::of(Algorithm::Sha256, content), "size": size})
    }

    fn put(document: &Value, tags: &[&str]) -> Put {
        let manifest = Manifest::parse(serde_json::to_vec(document).unwrap(), None).unwrap();
        Put {
            repository: "team/app".parse().unwrap(),
            digest: manifest.digest(Algorithm::Sha256),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            manifest,
        }
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "config": descriptor(b"{}", 2),
            "layers": [descriptor(b"one", 3), descriptor(b"two!", 4), descriptor(b"one", 3)],
        })
    }

    fn digest(content: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, content)
    }

    #[test]
    fn tags_come_in_a_later_round_than_what_they_name() {
        let facts = Facts::from([(digest(b"{}"), 2), (digest(b"one"), 3), (digest(b"two!"), 4)]);
        let wanted = put(&image(), &["v1", "latest"]);
        let (repository, manifest) = (wanted.repository.clone(), wanted.digest.clone());
        let stored = vec![
            Mutation::PutBlob {
                digest: manifest.clone(),
                bytes: serde_json::to_vec(&image()).unwrap().into(),
            },
            Mutation::PutLink {
                repository: repository.clone(),
                kind: LinkKind::Revision,
                digest: manifest.clone(),
                target: manifest.clone(),
            },
        ];
        let tagged = ["latest", "v1"].map(|tag| Mutation::PutTag {
            repository: repository.clone(),
            tag: tag.parse().unwrap(),
            digest: manifest.clone(),
        });
        assert_eq!(plan_put(wanted, &facts), Ok(vec![stored.clone(), tagged.into()]));
        assert_eq!(plan_put(put(&image(), &[]), &facts), Ok(vec![stored]));
    }

    #[test]
    fn every_blob_that_is_missing_or_of_another_size_is_named_once() {
        let facts = Facts::from([(digest(b"{}"), 2), (digest(b"two!"), 5)]);
        assert_eq!(
            plan_put(put(&image(), &[]), &facts),
            Err(vec![
                Violation::Absent { digest: digest(b"one") },
                Violation::Size { digest: digest(b"two!"), declared: 4, found: 5 },
            ])
        );
    }

    #[test]
    fn one_blob_cannot_have_two_sizes() {
        let mut lying = image();
        lying["layers"][2]["size"] = json!(30);
        let facts = Facts::from([(digest(b"{}"), 2), (digest(b"one"), 3), (digest(b"two!"), 4)]);
        assert_eq!(
            plan_put(put(&lying, &[]), &facts),
            Err(vec![Violation::Size { digest: digest(b"one"), declared: 30, found: 3 }])
        );
    }

    #[test]
    fn what_may_not_be_distributed_may_be_absent_only_with_urls() {
        let mut foreign = image();
        foreign["layers"] = json!([descriptor(b"windows", 7)]);
        foreign["layers"][0]["mediaType"] =
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
        let facts = Facts::from([(digest(b"{}"), 2)]);
        assert_eq!(
            plan_put(put(&foreign, &[]), &facts),
            Err(vec![Violation::Absent { digest: digest(b"windows") }])
        );
        foreign["layers"][0]["urls"] = json!(["https://example.com/layer"]);
        assert!(plan_put(put(&foreign, &[]), &facts).is_ok());
        foreign["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
        assert!(plan_put(put(&foreign, &[]), &facts).is_err());
    }

    #[test]
    fn an_index_may_come_before_its_children_and_a_subject_may_be_missing() {
        let mut index = json!({"schemaVersion": 2, "manifests": [descriptor(b"child", 5)]});
        index["subject"] = descriptor(b"subject", 7);
        assert!(plan_put(put(&index, &[]), &Facts::new()).is_ok());
    }
}
