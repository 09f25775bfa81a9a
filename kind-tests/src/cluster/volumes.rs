//! Volumes: folders on the nodes, made in advance. The kubelet sets `fsGroup` on `local` volumes, which it does not on
//! `hostPath` ones, so that Pods that are not root can write to them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::{core::v1::PersistentVolume, storage::v1::StorageClass},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};
use nix::fcntl::{Flock, FlockArg};
use serde_json::json;

use super::{ClusterError, plan::Node};
use crate::{
    state::{self, ClusterDir},
    wait::{Seen, TimedOut, wait_until},
};

/// The storage class of these volumes.
pub const STORAGE_CLASS: &str = "local";
const PER_NODE: usize = 20;
/// Nothing enforces it.
const CAPACITY: &str = "50Gi";

/// The volumes could not be made or replaced.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The apiserver refused.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried.
        action: String,
        /// What the apiserver said.
        source: kube::Error,
    },
    /// A volume's folder cannot be emptied or made.
    #[error("cannot make the volume's folder {path} empty: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A deleted volume does not go.
    #[error(transparent)]
    Stuck(#[from] TimedOut),
}

/// One volume.
#[derive(Debug, Clone)]
struct Volume {
    node: Node,
    name: String,
    folder: PathBuf,
}

/// Makes the storage class.
pub async fn create_class(client: &Client) -> Result<(), ClusterError> {
    let class = StorageClass {
        metadata: ObjectMeta {
            name: Some(STORAGE_CLASS.to_owned()),
            annotations: Some(
                [("storageclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned())].into(),
            ),
            ..ObjectMeta::default()
        },
        provisioner: "kubernetes.io/no-provisioner".to_owned(),
        volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
        ..StorageClass::default()
    };
    let created = Api::all(client.clone()).create(&PostParams::default(), &class).await;
    ignore_conflict(created, "make the StorageClass")?;
    Ok(())
}

/// Makes the volumes that are not there and replaces, emptied, those whose claim is gone.
///
/// Under a lock: of two processes that replace the same volume, the slower one would empty it under its new owner.
pub async fn replace_released(dir: &ClusterDir, client: &Client) -> Result<usize, ClusterError> {
    let folder = dir.data.join("volumes");
    state::create_folder(&folder)?;
    let _lock = lock(folder).await?;
    let api: Api<PersistentVolume> = Api::all(client.clone());
    let listed = api.list(&ListParams::default()).await;
    let live = listed.map_err(|source| VolumeError::Api { action: "list the volumes".into(), source })?.items;
    let wanted = stream::iter(volumes(&dir.data)).map(|volume| {
        let live = live.iter().find(|live| live.name_any() == volume.name).cloned();
        let api = api.clone();
        async move { replace(&api, &volume, live).await }
    });
    let replaced: Vec<bool> = wanted.buffer_unordered(8).try_collect().await?;
    Ok(replaced.into_iter().filter(|replaced| *replaced).count())
}

async fn replace(
    api: &Api<PersistentVolume>,
    volume: &Volume,
    live: Option<PersistentVolume>,
) -> Result<bool, VolumeError> {
    if let Some(live) = live {
        if phase(&live) != Some("Released") {
            return Ok(false);
        }
        delete(api, &live).await?;
    }
    empty(&volume.folder).map_err(|source| VolumeError::Folder { path: volume.folder.clone(), source })?;
    let created = api.create(&PostParams::default(), &object(volume)).await;
    ignore_conflict(created, &format!("make the volume {}", volume.name))?;
    Ok(true)
}

async fn delete(api: &Api<PersistentVolume>, live: &PersistentVolume) -> Result<(), VolumeError> {
    let name = live.name_any();
    let exactly = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
    let parameters = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
    let deleted = api.delete(&name, &parameters).await;
    deleted.map_err(|source| VolumeError::Api { action: format!("delete the volume {name}"), source })?;
    let gone = || async { api.get_opt(&name).await.map(|found| Seen::when(found.is_none(), (), found)) };
    wait_until(&format!("the volume {name} to go"), Duration::from_secs(30), gone).await?;
    Ok(())
}

fn phase(volume: &PersistentVolume) -> Option<&str> {
    volume.status.as_ref()?.phase.as_deref()
}

fn ignore_conflict<T>(result: Result<T, kube::Error>, action: &str) -> Result<(), VolumeError> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(source) => Err(VolumeError::Api { action: action.to_owned(), source }),
    }
}

/// The folder itself stays: a mount of it that is still being undone keeps pointing at something.
fn empty(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    std::os::unix::fs::chown(folder, Some(0), Some(0))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

async fn lock(folder: PathBuf) -> Result<Flock<File>, VolumeError> {
    let failed = |source| VolumeError::Folder { path: folder.clone(), source };
    let file = File::open(&folder).map_err(failed)?;
    let locked = tokio::task::spawn_blocking(move || Flock::lock(file, FlockArg::LockExclusive)).await;
    locked.map_err(|error| failed(io::Error::other(error)))?.map_err(|(_, errno)| failed(errno.into()))
}

fn volumes(data: &Path) -> Vec<Volume> {
    let of_node = |node: Node| {
        let data = data.to_path_buf();
        (1..=PER_NODE).map(move |number| {
            let name = format!("local-{}-{number:02}", node.name());
            Volume { node, folder: data.join("volumes").join(&name), name }
        })
    };
    Node::ALL.into_iter().flat_map(of_node).collect()
}

fn object(volume: &Volume) -> PersistentVolume {
    let spec = json!({
        "capacity": {"storage": CAPACITY},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": STORAGE_CLASS,
        "local": {"path": volume.folder},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [volume.node.name()]},
        ]}]}},
    });
    PersistentVolume {
        metadata: ObjectMeta { name: Some(volume.name.clone()), ..ObjectMeta::default() },
        spec: serde_json::from_value(spec).ok(),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_volume_is_a_folder_of_its_own_on_one_node() {
        let volumes = volumes(Path::new("/data"));
        assert_eq!(volumes.len(), 40);
        let spec = object(&volumes[20]).spec.unwrap();
        assert_eq!(spec.local.unwrap().path, "/data/volumes/local-n2-01");
        let affinity = serde_json::to_value(spec.node_affinity).unwrap();
        assert_eq!(
            affinity["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"],
            json!(["n2"])
        );
    }

    #[test]
    fn emptying_keeps_the_folder_and_takes_everything_in_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("volume");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2775)).unwrap();
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
        let before = inode(&folder);
        empty(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert_eq!(inode(&folder), before);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o755);
    }
}
