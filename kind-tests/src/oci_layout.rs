//! Makes container images out of files: layers, images, indexes over several architectures, as an OCI image layout
//! (image-spec 1.1, image-layout.md) in a folder or in a tar archive.
//!
//! The same input gives the same bytes, and so the same digests: times are zero, owners are root, order is given.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A file, folder or link of a layer; `path` is relative to the image's root.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A folder with its permission bits.
    Folder {
        /// Where in the image.
        path: String,
        /// Permission bits, e.g. `0o755`.
        mode: u32,
    },
    /// A regular file whose bytes are given.
    Bytes {
        /// Where in the image.
        path: String,
        /// Permission bits.
        mode: u32,
        /// The content.
        content: Vec<u8>,
    },
    /// A regular file whose bytes are those of a file of the host.
    Host {
        /// Where in the image.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Where on the host.
        source: PathBuf,
    },
    /// A symbolic link.
    Link {
        /// Where in the image.
        path: String,
        /// What it points to.
        target: String,
    },
}

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFormat {
    /// `tar`: as large as its files, and no time is spent on it.
    Plain,
    /// `tar+gzip`.
    Gzip,
}

/// One image for one architecture.
#[derive(Debug, Clone)]
pub struct Image {
    /// The Go name of the architecture: `amd64`, `arm64`, ….
    pub architecture: String,
    /// The layers, lowest first.
    pub layers: Vec<Vec<Entry>>,
    /// How each of them is stored.
    pub format: LayerFormat,
    /// What runs.
    pub entrypoint: Vec<String>,
    /// `uid:gid`, a name, or empty for root.
    pub user: String,
}

/// An image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file that goes into a layer cannot be read.
    #[error("cannot put {path} into a layer: {source}")]
    Layer {
        /// The path in the image.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The layout cannot be written.
    #[error("cannot write the image to {path}: {source}")]
    Write {
        /// The folder or archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Blobs and tagged manifests, kept in memory until written.
#[derive(Debug, Default)]
pub struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    tagged: Vec<Value>,
}

impl Layout {
    /// A layout with one image per architecture called `name` (`host/repository:tag`): one image is tagged by itself,
    /// several through an index. Answers the digest of what was tagged (`sha256:…`).
    pub fn add(&mut self, name: &str, images: &[Image]) -> Result<String, LayoutError> {
        let mut manifests = images.iter().map(|image| self.image(image)).collect::<Result<Vec<_>, _>>()?;
        let mut descriptor = if manifests.len() == 1 {
            manifests.remove(0)
        } else {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
            self.blob(INDEX, to_bytes(&index))
        };
        let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        descriptor["annotations"] = json!({
            // containerd's and docker's importers name the image by the first, skopeo and crane by the second.
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": tag,
        });
        let digest = descriptor["digest"].as_str().unwrap_or_default().to_owned();
        self.tagged.push(descriptor);
        Ok(digest)
    }

    /// Writes the layout as a folder, which crane and skopeo (`oci:FOLDER:TAG`) read.
    pub fn write_folder(&self, folder: &Path) -> Result<(), LayoutError> {
        let failed = |source| LayoutError::Write { path: folder.into(), source };
        fs::create_dir_all(folder.join("blobs/sha256")).map_err(failed)?;
        self.files().try_for_each(|(path, bytes)| fs::write(folder.join(path), bytes)).map_err(failed)
    }

    /// Writes the layout as one archive, which `ctr images import` and skopeo (`oci-archive:FILE`) read.
    pub fn write_archive(&self, file: &Path) -> Result<(), LayoutError> {
        let failed = |source| LayoutError::Write { path: file.into(), source };
        let mut archive = tar::Builder::new(File::create(file).map_err(failed)?);
        for (path, bytes) in self.files() {
            append(&mut archive, &path, 0o644, bytes.len() as u64, bytes.as_slice()).map_err(failed)?;
        }
        archive.into_inner().and_then(|mut file| file.flush()).map_err(failed)
    }

    fn files(&self) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.tagged});
        let fixed = [
            ("oci-layout".to_owned(), to_bytes(&json!({"imageLayoutVersion": "1.0.0"}))),
            ("index.json".to_owned(), to_bytes(&index)),
        ];
        let blobs = self.blobs.iter().map(|(hex, bytes)| (format!("blobs/sha256/{hex}"), bytes.clone()));
        fixed.into_iter().chain(blobs)
    }

    fn image(&mut self, image: &Image) -> Result<Value, LayoutError> {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for entries in &image.layers {
            let plain = layer(entries)?;
            diff_ids.push(sha256(&plain));
            layers.push(match image.format {
                LayerFormat::Plain => self.blob(LAYER_TAR, plain),
                LayerFormat::Gzip => self.blob(LAYER_GZIP, gzip(&plain)),
            });
        }
        let config = json!({
            "architecture": image.architecture,
            "os": "linux",
            "config": {"Entrypoint": image.entrypoint, "User": image.user, "WorkingDir": "/",
                       "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(CONFIG, to_bytes(&config));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let mut descriptor = self.blob(MANIFEST, to_bytes(&manifest));
        descriptor["platform"] = json!({"architecture": image.architecture, "os": "linux"});
        Ok(descriptor)
    }

    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = sha256(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.blobs.insert(digest["sha256:".len()..].to_owned(), bytes);
        descriptor
    }
}

/// The architecture of this machine by its Go name, as image indexes spell it.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn layer(entries: &[Entry]) -> Result<Vec<u8>, LayoutError> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let (path, result) = match entry {
            Entry::Folder { path, mode } => (path, append_folder(&mut archive, path, *mode)),
            Entry::Bytes { path, mode, content } => {
                (path, append(&mut archive, path, *mode, content.len() as u64, content.as_slice()))
            }
            Entry::Host { path, mode, source } => (path, append_host_file(&mut archive, path, *mode, source)),
            Entry::Link { path, target } => (path, append_link(&mut archive, path, target)),
        };
        result.map_err(|source| LayoutError::Layer { path: path.clone(), source })?;
    }
    archive.into_inner().map_err(|source| LayoutError::Layer { path: "/".to_owned(), source })
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    mode: u32,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    archive.append_data(&mut header(tar::EntryType::Regular, mode, size), path, content)
}

fn append_folder<W: Write>(archive: &mut tar::Builder<W>, path: &str, mode: u32) -> io::Result<()> {
    let name = format!("{}/", path.trim_end_matches('/'));
    archive.append_data(&mut header(tar::EntryType::Directory, mode, 0), name, io::empty())
}

fn append_host_file<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    mode: u32,
    source: &Path,
) -> io::Result<()> {
    let annotate = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", source.display()));
    let file = File::open(source).map_err(annotate)?;
    let size = file.metadata().map_err(annotate)?.len();
    append(archive, path, mode, size, file)
}

fn append_link<W: Write>(archive: &mut tar::Builder<W>, path: &str, target: &str) -> io::Result<()> {
    archive.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), path, target)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
    // Writing to a Vec cannot fail; if it ever did, the digest of the short layer would give it away at once.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", crate::sha256::of(bytes))
}

fn to_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
