use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{image::sha256, sandbox::Sandbox};

/// The folder that registries keep everything in, in the sandbox's.
pub(crate) const VOLUME: &str = "volume";

/// Every file of the sandbox's volume but those in the folder that only ours knows: path -> digest of the content.
pub(crate) fn stored(sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
    let root = sandbox.path(VOLUME);
    files(&root.join("docker"))
        .map(|path| (path.strip_prefix(&root).unwrap().into(), digest(&path)))
        .collect()
}

/// Whether the server is in the middle of taking bytes.
pub(crate) fn is_uploading(sandbox: &Sandbox) -> bool {
    let data = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "_uploads");
    // The upload may be gone before its size is asked for.
    let size = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    files(&sandbox.path(VOLUME).join("docker")).filter(data).any(|path| size(path) > 64 << 10)
}

/// Files at any depth; what a running server removes meanwhile is passed over.
fn files(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    Box::new(entries.flat_map(|path| if path.is_dir() { files(&path) } else { Box::new([path].into_iter()) }))
}

fn digest(path: &Path) -> String {
    sha256(&fs::read(path).unwrap())
}
