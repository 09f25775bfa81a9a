//! Power loss and errors at every single step of a life of pushes, moves and deletes. Afterwards: everything that was
//! acknowledged is there, everything deleted is gone, nothing half-written is served, and a retry heals the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use entrepot_oci::Digest;
use nix::libc::{EIO, ENOSPC};

use super::client::*;
use crate::domain::{Chunk, DomainError, PageRequest, Registry};
use crate::store::filesystem::crash::{CrashFiles, Fault};

/// One request.
#[derive(Clone, Debug)]
enum Verb {
    PushBlob { repository: &'static str, bytes: &'static [u8] },
    PushManifest { repository: &'static str, tag: Option<&'static str>, bytes: Vec<u8> },
    Mount { repository: &'static str, from: &'static str, bytes: &'static [u8] },
    DeleteTag { repository: &'static str, tag: &'static str },
    DeleteManifest { repository: &'static str, bytes: Vec<u8> },
    DeleteBlob { repository: &'static str, bytes: &'static [u8] },
}

/// What clients may expect: by repository and name, the content or its absence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct World {
    blobs: BTreeMap<(&'static str, &'static [u8]), bool>,
    manifests: BTreeMap<(&'static str, Vec<u8>), bool>,
    tags: BTreeMap<(&'static str, &'static str), Option<Vec<u8>>>,
}

impl Verb {
    async fn carry_out(&self, registry: &Registry) -> Result<(), DomainError> {
        match self {
            Self::PushBlob { repository, bytes } => push_blob(registry, repository, bytes).await.map(drop),
            Self::PushManifest { repository, tag, bytes } => {
                let reference = tag.map_or_else(|| sha256(bytes).to_string(), Into::into);
                push_manifest(registry, repository, &reference, bytes).await.map(drop)
            }
            Self::Mount { repository, from, bytes } => {
                let mounted = registry.mount_blob(&name(repository), &name(from), &sha256(bytes)).await?;
                assert!(mounted.is_some());
                Ok(())
            }
            Self::DeleteTag { repository, tag: text } => {
                registry.delete_tag(&name(repository), &tag(text)).await
            }
            Self::DeleteManifest { repository, bytes } => {
                registry.delete_manifest(&name(repository), &sha256(bytes)).await
            }
            Self::DeleteBlob { repository, bytes } => {
                registry.delete_blob(&name(repository), &sha256(bytes)).await
            }
        }
    }

    fn apply(&self, world: &mut World) {
        match self.clone() {
            Self::PushBlob { repository, bytes } | Self::Mount { repository, bytes, .. } => {
                world.blobs.insert((repository, bytes), true);
            }
            Self::PushManifest { repository, tag, bytes } => {
                world.manifests.insert((repository, bytes.clone()), true);
                world.tags.extend(tag.map(|tag| ((repository, tag), Some(bytes))));
            }
            Self::DeleteTag { repository, tag } => {
                world.tags.insert((repository, tag), None);
            }
            Self::DeleteManifest { repository, bytes } => {
                for (_, named) in world.tags.iter_mut().filter(|((of, _), _)| *of == repository) {
                    named.take_if(|named| *named == bytes);
                }
                world.manifests.insert((repository, bytes), false);
            }
            Self::DeleteBlob { repository, bytes } => {
                world.blobs.insert((repository, bytes), false);
            }
        }
    }
}

/// Every kind of change, some on what earlier ones left.
fn life() -> Vec<Verb> {
    let (one, two) = (image(b"{}", b"one"), image(b"{}", b"two"));
    let repository = "team/app";
    vec![
        Verb::PushBlob { repository, bytes: b"one" },
        Verb::PushBlob { repository, bytes: b"{}" },
        Verb::PushManifest { repository, tag: Some("v1"), bytes: one.clone() },
        Verb::PushManifest { repository, tag: Some("latest"), bytes: one.clone() },
        Verb::PushBlob { repository, bytes: b"two" },
        Verb::PushManifest { repository, tag: Some("latest"), bytes: two.clone() },
        Verb::PushManifest { repository, tag: Some("multi"), bytes: index(&[one.clone(), two.clone()]) },
        Verb::Mount { repository: "team", from: repository, bytes: b"two" },
        Verb::Mount { repository: "team", from: repository, bytes: b"{}" },
        Verb::PushManifest { repository: "team", tag: None, bytes: two.clone() },
        Verb::DeleteTag { repository, tag: "latest" },
        Verb::DeleteManifest { repository, bytes: one.clone() },
        Verb::DeleteBlob { repository, bytes: b"one" },
        Verb::PushBlob { repository, bytes: b"one" },
        Verb::PushManifest { repository, tag: Some("v1"), bytes: one },
        Verb::DeleteManifest { repository: "team", bytes: two },
    ]
}

/// Which of the pieces that were not synced the power loss leaves.
#[derive(Clone, Copy, Debug)]
enum Luck {
    None,
    All,
    Some(u64),
}

const LUCK: [Luck; 5] = [Luck::None, Luck::All, Luck::Some(1), Luck::Some(2), Luck::Some(3)];

impl Luck {
    fn after(self, disk: &CrashFiles) -> CrashFiles {
        // A splitmix64 step: any well-mixed sequence that a seed repeats.
        let mut state = 0;
        disk.power_cycle(|| match self {
            Self::None => false,
            Self::All => true,
            Self::Some(seed) => {
                state += 1;
                let mut mixed = (seed << 32 | state).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                (mixed ^ (mixed >> 27)) & 1 == 1
            }
        })
    }
}

fn reopened(disk: &CrashFiles) -> Registry {
    Registry::new(Arc::new(disk.store()), SECRET)
}

/// `before` and `after` differ in what the last request changed, which may or may not have happened.
async fn check(registry: &Registry, before: &World, after: &World, when: &str) {
    for ((repository, bytes), _) in before.blobs.iter().chain(&after.blobs) {
        let found = match pull_blob(registry, repository, &sha256(bytes)).await {
            Ok(found) => {
                found == *bytes || panic!("{when}: {repository} has another blob than {bytes:?}: {found:?}")
            }
            Err(DomainError::BlobUnknown { .. }) => false,
            Err(error) => panic!("{when}: {error}"),
        };
        let expected =
            [before, after].map(|world| world.blobs.get(&(*repository, *bytes)).is_some_and(|there| *there));
        assert!(expected.contains(&found), "{when}: blob {bytes:?} of {repository} is there: {found}");
    }
    for ((repository, bytes), _) in before.manifests.iter().chain(&after.manifests) {
        let found = named(registry, repository, &sha256(bytes).to_string(), when).await.is_some();
        let key = (*repository, bytes.clone());
        let expected = [before, after].map(|world| world.manifests.get(&key).is_some_and(|there| *there));
        assert!(
            expected.contains(&found),
            "{when}: manifest {} of {repository} is there: {found}",
            sha256(bytes)
        );
    }
    for (key, _) in before.tags.iter().chain(&after.tags) {
        let found = named(registry, key.0, key.1, when).await;
        let expected = [before, after].map(|world| world.tags.get(key).cloned().flatten());
        assert!(
            expected.contains(&found),
            "{when}: tag {key:?} names {:?}",
            found.map(|bytes| sha256(&bytes))
        );
    }
    check_listings(registry, when).await;
}

async fn named(registry: &Registry, repository: &str, reference: &str, when: &str) -> Option<Vec<u8>> {
    match pull_manifest(registry, repository, reference).await {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(DomainError::ManifestUnknown { .. }) => None,
        Err(error) => panic!("{when}: {error}"),
    }
}

/// Whatever is listed resolves, down to the last layer.
async fn check_listings(registry: &Registry, when: &str) {
    for repository in registry.repositories(&PageRequest::default(), |_| true).await.unwrap().items {
        for tag in registry.tags(&repository, &PageRequest::default()).await.unwrap().items {
            let bytes = pull_manifest(registry, repository.as_str(), tag.as_str()).await;
            let bytes = bytes.unwrap_or_else(|error| panic!("{when}: {repository}:{tag} is listed: {error}"));
            let manifest = entrepot_oci::Manifest::parse(bytes.to_vec(), None).unwrap();
            for blob in manifest.config().into_iter().chain(manifest.layers()) {
                let found = pull_blob(registry, repository.as_str(), &blob.digest).await;
                let found = found.unwrap_or_else(|error| panic!("{when}: {repository}:{tag} needs {error}"));
                assert_eq!(Digest::of(blob.digest.algorithm(), &found), blob.digest, "{when}");
            }
        }
    }
}

/// A client tries again until it is told that the thing is done; of a delete, that it is gone.
async fn retry(registry: &Registry, verb: &Verb, when: &str) {
    match verb.carry_out(registry).await {
        Ok(()) => {}
        Err(DomainError::ManifestUnknown { .. } | DomainError::BlobUnknown { .. })
            if matches!(
                verb,
                Verb::DeleteTag { .. } | Verb::DeleteManifest { .. } | Verb::DeleteBlob { .. }
            ) => {}
        Err(error) => panic!("{when}: {verb:?} again: {error}"),
    }
}

async fn steps_of(life: &[Verb]) -> u64 {
    let disk = CrashFiles::new();
    let registry = reopened(&disk);
    disk.arm(None);
    let mut world = World::default();
    for verb in life {
        verb.carry_out(&registry).await.unwrap();
        verb.apply(&mut world);
        check(&registry, &world, &world, "without a fault").await;
    }
    disk.steps()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_power_loss_at_any_step() {
    let life = life();
    let steps = steps_of(&life).await;
    assert!(steps > 200, "only {steps} steps: the shim does not see what the store does");
    for step in 0..steps {
        let disk = CrashFiles::new();
        let before_loss = reopened(&disk);
        disk.arm(Some(Fault::PowerLoss(step)));
        let (mut world, mut done) = (World::default(), 0);
        while life[done].carry_out(&before_loss).await.is_ok() {
            life[done].apply(&mut world);
            done += 1;
            // The last steps tidy up behind what is acknowledged.
            if done == life.len() {
                break;
            }
        }
        let mut perhaps = world.clone();
        if let Some(verb) = life.get(done) {
            verb.apply(&mut perhaps);
        }
        for luck in LUCK {
            let when = format!("power lost at step {step} in {:?}, luck {luck:?}", life.get(done));
            let registry = reopened(&luck.after(&disk));
            check(&registry, &world, &perhaps, &when).await;
            let mut healed = world.clone();
            for verb in &life[done..] {
                retry(&registry, verb, &when).await;
                verb.apply(&mut healed);
            }
            check(&registry, &healed, &healed, &when).await;
        }
    }
}

/// What is acknowledged after an error is durable too; and what a successor finds after one power loss is durable before
/// the successor relies on it, so that a second one takes nothing.
#[tokio::test]
async fn nothing_acknowledged_is_lost_by_an_error_at_any_step() {
    let life = life();
    let steps = steps_of(&life).await;
    for errno in [EIO, ENOSPC] {
        for step in 0..steps {
            let disk = CrashFiles::new();
            let first = reopened(&disk);
            disk.arm(Some(Fault::Error(step, errno)));
            let mut world = World::default();
            for verb in &life {
                let when = format!("errno {errno} at step {step} in {verb:?}");
                let before = world.clone();
                let outcome = verb.carry_out(&first).await;
                verb.apply(&mut world);
                if let Err(error) = outcome {
                    let expected = match errno {
                        ENOSPC => matches!(error, DomainError::Full),
                        _ => matches!(error, DomainError::Store(_)),
                    };
                    assert!(expected, "{when}: {error:?}");
                    check(&first, &before, &world, &when).await;
                    check(&reopened(&Luck::None.after(&disk)), &before, &world, &when).await;
                    retry(&first, verb, &when).await;
                    check(&reopened(&Luck::None.after(&disk)), &world, &world, &when).await;
                }
            }
            let when = format!("errno {errno} at step {step}, at the end");
            check(&first, &world, &world, &when).await;
            check(&reopened(&Luck::None.after(&disk)), &world, &world, &when).await;
        }
    }
}

#[tokio::test]
async fn what_a_killed_process_left_is_durable_before_its_successor_relies_on_it() {
    let life = life();
    for step in 0..steps_of(&life).await {
        let disk = CrashFiles::new();
        let killed = reopened(&disk);
        disk.arm(Some(Fault::PowerLoss(step)));
        for verb in &life {
            if verb.carry_out(&killed).await.is_err() {
                break;
            }
        }
        // A kill leaves what was written, synced or not.
        let disk = disk.killed();
        let successor = reopened(&disk);
        let mut world = World::default();
        for verb in &life {
            retry(&successor, verb, &format!("killed at step {step}")).await;
            verb.apply(&mut world);
            let when = format!("killed at step {step}, then power lost after {verb:?}");
            check(&reopened(&Luck::None.after(&disk)), &world, &world, &when).await;
        }
    }
}

/// Clients that share layers rely on each other's renames and folders before those are synced.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_to_a_crowd_is_lost() {
    for step in (0..1200).step_by(12) {
        let disk = CrashFiles::new();
        let crowd = reopened(&disk);
        disk.arm(Some(Fault::PowerLoss(step)));
        let clients = (0..6_usize).map(|client| {
            let crowd = crowd.clone();
            tokio::spawn(async move { push_until_the_power_goes(&crowd, client).await })
        });
        let acknowledged = futures::future::join_all(clients).await;
        let registry = reopened(&Luck::None.after(&disk));
        check_listings(&registry, &format!("power lost at step {step}")).await;
        for (repository, manifest) in acknowledged.into_iter().flat_map(Result::unwrap) {
            let found = pull_manifest(&registry, repository, &sha256(&manifest).to_string()).await;
            assert_eq!(found.unwrap(), manifest, "power lost at step {step}");
        }
    }
}

async fn push_until_the_power_goes(registry: &Registry, client: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        // Two clients at a time push the same image.
        let (repository, layer) =
            (["a", "a/b"][client % 2], format!("layer {}", client / 2 + round).into_bytes());
        if push_image(registry, repository, &format!("v{round}"), b"{}", &layer).await.is_err() {
            break;
        }
        acknowledged.push((repository, image(b"{}", &layer)));
    }
    acknowledged
}

/// A client that goes on with the same upload after a failed flush must not be told that bytes are safe which the failed
/// flush has dropped.
#[tokio::test]
async fn an_upload_that_goes_on_after_an_error_is_not_acknowledged_without_its_bytes() {
    let (content, digest) = (b"first half, second half", sha256(b"first half, second half"));
    for step in 0..60 {
        let disk = CrashFiles::new();
        let registry = reopened(&disk);
        let token = registry.start_upload(&name("a"), "ci").token;
        disk.arm(Some(Fault::Error(step, EIO)));
        for end in [10, content.len(), content.len()] {
            let held = registry.upload_status(&name("a"), "ci", &token).await.unwrap().size;
            let rest = &content[usize::try_from(held).unwrap()..end];
            // Either outcome is fine: the next turn asks how far the upload has come.
            let _ = registry.append_upload(&name("a"), "ci", &token, chunk(rest)).await;
        }
        for _ in 0..2 {
            if registry.finish_upload(&name("a"), "ci", &token, &digest, Chunk::empty()).await.is_ok() {
                let after = reopened(&Luck::None.after(&disk));
                assert_eq!(
                    pull_blob(&after, "a", &digest).await.unwrap(),
                    content,
                    "an error at step {step}"
                );
            }
        }
    }
}
