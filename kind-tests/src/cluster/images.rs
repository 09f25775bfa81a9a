//! The two images that a cluster needs before it has a registry: made here, from a dozen lines of C and a tool's binary.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    cache::{Cache, CacheError},
    oci_layout::{Entry, Image, LayerFormat, Layout, LayoutError, host_architecture},
    process::{self, CommandError},
    sha256,
};

/// The name of the image that holds a Pod's namespaces.
pub const PAUSE_NAME: &str = "localhost/pause:1";
/// The name of the DNS server's image.
pub const COREDNS_NAME: &str = "localhost/coredns:1";
const PAUSE_SOURCE: &str = include_str!("pause.c");

/// An image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The C compiler failed.
    #[error("cannot compile the pause program: {0}")]
    Compile(#[from] CommandError),
    /// The image cannot be put together.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The archive cannot be kept.
    #[error("cannot keep the image {path}: {source}")]
    Keep {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The image that every Pod's sandbox runs: `pause`, compiled statically.
pub async fn pause(cache: &Cache) -> Result<PathBuf, ImageError> {
    let archive = archive_path(cache, "pause", PAUSE_SOURCE)?;
    if archive.is_file() {
        return Ok(archive);
    }
    let keep = |source| ImageError::Keep { path: archive.clone(), source };
    let scratch = tempfile::tempdir().map_err(keep)?;
    let (source, binary) = (scratch.path().join("pause.c"), scratch.path().join("pause"));
    fs::write(&source, PAUSE_SOURCE).map_err(keep)?;
    let compile = ["-static".as_ref(), "-Os".as_ref(), "-s".as_ref(), "-o".as_ref(), binary.as_os_str()];
    process::call("cc", compile.into_iter().chain([source.as_os_str()])).await?;
    save(&archive, PAUSE_NAME, "pause", &binary, "65535:65535")?;
    Ok(archive)
}

/// The DNS server's image: the one binary that the tool's build made.
pub fn coredns(cache: &Cache) -> Result<PathBuf, ImageError> {
    let binary = cache.bin().join("coredns");
    // The link names the build, whose folder name has the build's key.
    let build = fs::read_link(&binary).map_err(|source| ImageError::Keep { path: binary.clone(), source })?;
    let archive = archive_path(cache, "coredns", &build.display().to_string())?;
    if !archive.is_file() {
        save(&archive, COREDNS_NAME, "coredns", &binary, "65532:65532")?;
    }
    Ok(archive)
}

/// Changes with what the image is made of and with how an image is made of it.
fn archive_path(cache: &Cache, name: &str, made_of: &str) -> Result<PathBuf, ImageError> {
    let key = sha256::key(&[made_of, include_str!("images.rs")]);
    Ok(cache.folder("images")?.join(format!("{name}-{key}.tar")))
}

fn save(archive: &Path, name: &str, program: &str, binary: &Path, user: &str) -> Result<(), ImageError> {
    let image = Image {
        architecture: host_architecture().to_owned(),
        layers: vec![
            vec![Entry::Host { path: program.to_owned(), mode: 0o755, source: binary.into() }].into(),
        ],
        format: LayerFormat::Plain,
        entrypoint: vec![format!("/{program}")],
        user: user.to_owned(),
    };
    let mut layout = Layout::default();
    layout.add(name, &[image])?;
    // Renamed when complete: an archive that was cut short never looks like a finished one.
    let keep = |source| ImageError::Keep { path: archive.into(), source };
    let parent = archive.parent().unwrap_or(archive);
    let scratch = tempfile::tempdir_in(parent).map_err(keep)?;
    let whole = scratch.path().join("image.tar");
    layout.write_archive(&whole)?;
    fs::rename(&whole, archive).map_err(keep)
}
