use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use entrepot_oci::{Digest, RepositoryName, Tag};
use uuid::Uuid;

use super::Volume;
use super::failure::{During as _, if_present};
use crate::store::{LinkKind, Mutation, StoreError};

/// A file to be published: its bytes and where.
struct Put {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Stages every file, then publishes all, then makes their entries durable; so a full disk is met before anything shows.
pub(super) fn carry_out(store: &Volume, mutations: Vec<Mutation>) -> Result<(), StoreError> {
    let (mut puts, mut folders) = (Vec::new(), Vec::new());
    for mutation in mutations {
        match mutation {
            Mutation::PutBlob { digest, bytes } => {
                puts.push(Put { path: store.layout.blob(&digest), bytes: bytes.into() });
            }
            Mutation::PutLink { repository, kind, digest, target } => {
                let path = store.layout.link(&repository, kind, &digest);
                puts.push(Put { path, bytes: target.to_string().into() });
                if kind == LinkKind::Revision {
                    folders.push(store.layout.layers(&repository));
                }
            }
            Mutation::PutTag { repository, tag, digest } => {
                let bytes = digest.to_string().into_bytes();
                let history = store.layout.tag_index_entry(&repository, &tag, &digest);
                puts.push(Put { path: history, bytes: bytes.clone() });
                puts.push(Put { path: store.layout.tag_current(&repository, &tag), bytes });
            }
            Mutation::DeleteLink { repository, kind, digest } => {
                delete_link(store, &repository, kind, &digest)?;
            }
            Mutation::DeleteTag { repository, tag } => delete_tag(store, &repository, &tag)?,
        }
    }
    publish_all(store, puts)?;
    for folder in folders {
        store.tree.make_dirs(&folder)?;
        store.tree.settle(&folder)?;
    }
    Ok(())
}

fn publish_all(store: &Volume, puts: Vec<Put>) -> Result<(), StoreError> {
    let mut staged = Vec::with_capacity(puts.len());
    for put in puts {
        match stage(store, &put) {
            Ok(temp) => staged.push((temp, put.path)),
            Err(error) => {
                staged
                    .iter()
                    .filter_map(|(temp, _)| temp.as_deref())
                    .for_each(|temp| store.tree.tidy_file(temp));
                return Err(error);
            }
        }
    }
    for (temp, path) in &staged {
        if let Some(temp) = temp {
            store.tree.publish(temp, path).inspect_err(|_| store.tree.tidy_file(temp))?;
        }
    }
    staged.iter().try_for_each(|(_, path)| store.tree.settle(path))
}

/// Writes the bytes durably beside the tree; `None` when they already stand where they belong.
fn stage(store: &Volume, put: &Put) -> Result<Option<PathBuf>, StoreError> {
    if holds(store, &put.path, &put.bytes) {
        return Ok(None);
    }
    write_temp(store, &put.bytes).map(Some)
}

pub(super) fn write_temp(store: &Volume, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let temp = store.layout.temp(Uuid::new_v4());
    let file = if let Some(file) = if_present(store.files.create(&temp)).during("create", &temp)? {
        file
    } else {
        // Somebody cleaned up under us.
        store.tree.make_dirs(&store.layout.temp_dir())?;
        store.files.create(&temp).during("create", &temp)?
    };
    let written = file.write_at(bytes, 0).during("write", &temp);
    written.inspect_err(|_| store.tree.tidy_file(&temp))?;
    file.sync_data().during("sync", &temp).inspect_err(|_| quarantine(store, &temp))?;
    Ok(temp)
}

/// Puts away a file whose flush failed. The kernel may have dropped its bytes and may call the next flush a success, so
/// it is never looked at again.
pub(super) fn quarantine(store: &Volume, path: &Path) {
    let to = store.layout.quarantine_dir().join(path.file_name().unwrap_or_default());
    tracing::error!(path = %path.display(), quarantine = %to.display(), "a flush failed; the file is put away");
    if store.files.rename(path, &to).is_err() {
        store.tree.tidy_file(path);
    }
}

/// Whether a file holds exactly these bytes. Any doubt means that it is written again.
fn holds(store: &Volume, path: &Path, bytes: &[u8]) -> bool {
    let Ok(file) = store.files.open(path) else { return false };
    let mut found = vec![0; bytes.len()];
    let same_size = file.size().is_ok_and(|size| size == bytes.len() as u64);
    same_size && file.read_at(&mut found, 0).is_ok_and(|read| read == bytes.len()) && found == bytes
}

fn delete_link(
    store: &Volume,
    repository: &RepositoryName,
    kind: LinkKind,
    digest: &Digest,
) -> Result<(), StoreError> {
    let path = store.layout.link(repository, kind, digest);
    store.tree.remove(&path, &store.layout.links(repository, kind, digest.algorithm()))
}

/// The name goes first: whatever a crash leaves of the history does not resolve.
fn delete_tag(store: &Volume, repository: &RepositoryName, tag: &Tag) -> Result<(), StoreError> {
    let current = store.layout.tag_current(repository, tag);
    store.tree.unlink(&current)?;
    let index = store.layout.tag_index(repository, tag);
    for algorithm in folders(store, &index)? {
        for entry in folders(store, &algorithm)? {
            store.tree.tidy_file(&entry.join("link"));
            store.tree.tidy_dir(&entry);
        }
        store.tree.tidy_dir(&algorithm);
    }
    store.tree.tidy_dir(&index);
    store.tree.remove(&current, &store.layout.tags(repository))
}

fn folders(store: &Volume, path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    let listed = store.files.each(path, &mut |name, is_dir| {
        if is_dir {
            found.push(path.join(name));
        }
        ControlFlow::Continue(())
    });
    if_present(listed).during("list", path)?;
    Ok(found)
}
