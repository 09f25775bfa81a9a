//! What a reader is told may be relied upon, even when the call that changed it failed before it was durable.

use bytes::Bytes;
use entrepot_oci::{Algorithm, Digest, RepositoryName, Tag};
use nix::libc::EIO;

use super::crash::{CrashFiles, Fault};
use crate::store::{LinkKind, Mutation, Store};

/// What a reader finds of everything that the mutations below change.
type Found = (Option<u64>, Option<Digest>, Option<Digest>);

async fn look(store: &dyn Store, digest: &Digest) -> Found {
    let (repository, tag) = ("team/app".parse().unwrap(), "v1".parse().unwrap());
    (
        store.stat_blob(digest).await.unwrap(),
        store.link(&repository, LinkKind::Revision, digest).await.unwrap(),
        store.tag(&repository, &tag).await.unwrap(),
    )
}

async fn found_stays_found(earlier: &[Mutation], mutation: Mutation, digest: &Digest) {
    let mut failures = 0;
    for step in 0.. {
        let disk = CrashFiles::new();
        let store = disk.store();
        store.write(earlier.to_vec()).await.unwrap();
        disk.arm(Some(Fault::Error(step, EIO)));
        let outcome = store.write(vec![mutation.clone()]).await;
        let found = look(&store, digest).await;
        let after = look(&disk.power_cycle(|| false).store(), digest).await;
        assert_eq!(after, found, "an error at step {step} of {mutation:?}");
        failures += u64::from(outcome.is_err());
        if disk.steps() <= step {
            break;
        }
    }
    assert!(failures > 0, "no step of {mutation:?} can fail");
}

#[tokio::test]
async fn what_is_found_after_a_failed_change_survives_a_power_loss() {
    let digest = Digest::of(Algorithm::Sha256, b"manifest");
    let repository: RepositoryName = "team/app".parse().unwrap();
    let tag: Tag = "v1".parse().unwrap();
    let (kind, target) = (LinkKind::Revision, digest.clone());
    let blob = Mutation::PutBlob { digest: digest.clone(), bytes: Bytes::from_static(b"manifest") };
    let link = Mutation::PutLink { repository: repository.clone(), kind, digest: digest.clone(), target };
    let tagged =
        Mutation::PutTag { repository: repository.clone(), tag: tag.clone(), digest: digest.clone() };
    for mutation in [&blob, &link, &tagged] {
        found_stays_found(&[], mutation.clone(), &digest).await;
    }
    let all = [blob, link, tagged];
    found_stays_found(&all, Mutation::DeleteTag { repository: repository.clone(), tag }, &digest).await;
    found_stays_found(&all, Mutation::DeleteLink { repository, kind, digest: digest.clone() }, &digest).await;
}
