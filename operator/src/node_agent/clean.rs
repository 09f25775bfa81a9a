//! Removes everything that agents ever wrote on this node, wherever the configuration pointed at the time.

use std::fs;
use std::io;
use std::path::Path;

use super::act::act;
use super::folder::{MARKER, Place};
use super::live::PREPARED_SUFFIX;
use super::plan::Operation;

/// `certs.d/<host>` is two levels deep, the folder of an `A:B` path five.
const MAX_DEPTH: usize = 8;

/// The error names every folder that is still there, and why.
pub(super) fn clean(containerd_dir: &Path) -> Result<(), String> {
    let mut operations = Vec::new();
    find(containerd_dir, MAX_DEPTH, &mut operations).map_err(|error| error.to_string())?;
    let failures: Vec<String> = operations
        .iter()
        .filter_map(|operation| act(operation).err())
        .map(|error| error.to_string())
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn find(folder: &Path, depth: usize, operations: &mut Vec<Operation>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // The type of the entry itself: links are never followed.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if let Some(operation) = operation(&entry.path()) {
            operations.push(operation);
        } else if depth > 0 {
            find(&entry.path(), depth - 1, operations)?;
        }
    }
    Ok(())
}

fn operation(path: &Path) -> Option<Operation> {
    let root = path.parent()?.to_str()?.to_owned();
    let name = path.file_name()?.to_str()?;
    if let Some(host) = name.strip_prefix('.').and_then(|name| name.strip_suffix(PREPARED_SUFFIX)) {
        return Some(Operation::RemoveLeftover(Place { root, host: host.to_owned() }));
    }
    let marked = fs::symlink_metadata(path.join(MARKER)).is_ok();
    marked.then(|| Operation::Remove(Place { root, host: name.to_owned() }))
}
