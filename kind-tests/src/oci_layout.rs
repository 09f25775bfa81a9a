//! Makes container images out of files: layers, images, indexes over several architectures, as an OCI image layout
//! (image-spec 1.1, image-layout.md) in a folder or in a tar archive.
//!
//! The same input gives the same bytes, and so the same digests: times are zero, owners are root, order is given.

use std::{
    borrow::Cow,
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

/// The files of a layer.
#[derive(Debug, Clone)]
pub enum Layer {
    /// These, in this order.
    Entries(Vec<Entry>),
    /// Those of an uncompressed tar archive of the host, byte for byte: a root file system that another program made.
    Tar(PathBuf),
}

impl From<Vec<Entry>> for Layer {
    fn from(entries: Vec<Entry>) -> Self {
        Self::Entries(entries)
    }
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
    pub layers: Vec<Layer>,
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
            append(&mut archive, &path, 0o644, bytes.len() as u64, &*bytes).map_err(failed)?;
        }
        archive.into_inner().and_then(|mut file| file.flush()).map_err(failed)
    }

    fn files(&self) -> impl Iterator<Item = (String, Cow<'_, [u8]>)> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.tagged});
        let fixed = [
            ("oci-layout".to_owned(), to_bytes(&json!({"imageLayoutVersion": "1.0.0"})).into()),
            ("index.json".to_owned(), to_bytes(&index).into()),
        ];
        let blobs = self
            .blobs
            .iter()
            .map(|(hex, bytes)| (format!("blobs/sha256/{hex}"), Cow::from(bytes.as_slice())));
        fixed.into_iter().chain(blobs)
    }

    fn image(&mut self, image: &Image) -> Result<Value, LayoutError> {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for layer in &image.layers {
            let plain = match layer {
                Layer::Entries(entries) => archive(entries)?,
                Layer::Tar(path) => fs::read(path)
                    .map_err(|source| LayoutError::Layer { path: path.display().to_string(), source })?,
            };
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

fn archive(entries: &[Entry]) -> Result<Vec<u8>, LayoutError> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let (path, result) = match entry {
            Entry::Folder { path, mode } => (path.as_str(), append_folder(&mut archive, path, *mode)),
            Entry::Bytes { path, mode, content } => {
                (path.as_str(), append(&mut archive, path, *mode, content.len() as u64, content.as_slice()))
            }
            Entry::Host { path, mode, source } => {
                (path.as_str(), append_host_file(&mut archive, path, *mode, source))
            }
            Entry::Link { path, target } => (path.as_str(), append_link(&mut archive, path, target)),
        };
        result.map_err(|source| LayoutError::Layer { path: path.to_owned(), source })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn image(format: LayerFormat) -> Image {
        let bottom = vec![
            Entry::Folder { path: "etc".into(), mode: 0o755 },
            Entry::Bytes { path: "etc/motd".into(), mode: 0o644, content: b"hello\n".to_vec() },
            Entry::Link { path: "etc/issue".into(), target: "motd".into() },
        ];
        let top = vec![Entry::Bytes { path: "x".repeat(150), mode: 0o600, content: vec![0; 1000] }];
        Image {
            architecture: "amd64".into(),
            layers: vec![bottom.into(), top.into()],
            format,
            entrypoint: vec!["/bin/true".into()],
            user: "65532:65532".into(),
        }
    }

    fn read(layout: &Layout, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().unwrap();
        let bytes = &layout.blobs[digest.strip_prefix("sha256:").unwrap()];
        assert_eq!(descriptor["size"], bytes.len());
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_same_files_give_the_same_digests_for_ever() {
        let made = || {
            let mut layout = Layout::default();
            let digest = layout.add("localhost/test:1", &[image(LayerFormat::Plain)]).unwrap();
            (digest, read(&layout, &layout.tagged[0])["layers"].clone())
        };
        let (digest, layers) = made();
        assert_eq!(made().0, digest);
        let digests: Vec<_> =
            layers.as_array().unwrap().iter().map(|layer| layer["digest"].clone()).collect();
        assert_eq!(
            digests,
            [
                "sha256:3a7dc042ea4eb9820228c7a57597d888c7e6382c9b4009601da339dd7167a558",
                "sha256:8cf80037420bc47faa19a1f4e33af45f5bd1916ec74bdcd7b4a83c75e6c40a50"
            ]
        );
    }

    #[test]
    fn a_layer_is_described_packed_and_named_unpacked() {
        let mut layout = Layout::default();
        layout.add("localhost/test:1", &[image(LayerFormat::Gzip)]).unwrap();
        let manifest = read(&layout, &layout.tagged[0]);
        let config = read(&layout, &manifest["config"]);
        let layers = manifest["layers"].as_array().unwrap();
        for (layer, diff_id) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().unwrap()) {
            assert_eq!(layer["mediaType"], LAYER_GZIP);
            let packed = &layout.blobs[&layer["digest"].as_str().unwrap()["sha256:".len()..]];
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut plain).unwrap();
            assert_eq!(sha256(&plain), *diff_id);
        }
        assert_eq!(layers.len(), 2);
        assert_eq!(config["config"]["User"], "65532:65532");
    }

    #[test]
    fn two_architectures_are_tagged_by_an_index() {
        let mut layout = Layout::default();
        let other = Image { architecture: "arm64".into(), ..image(LayerFormat::Plain) };
        layout.add("localhost/test:2", &[image(LayerFormat::Plain), other]).unwrap();
        let index = read(&layout, &layout.tagged[0]);
        let platforms: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["platform"]["architecture"].clone())
            .collect();
        assert_eq!(platforms, ["amd64", "arm64"]);
        assert_eq!(layout.tagged[0]["annotations"]["org.opencontainers.image.ref.name"], "2");
    }

    #[test]
    fn an_archive_of_the_host_becomes_a_layer_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let tar = folder.path().join("base.tar");
        fs::write(&tar, archive(&[Entry::Folder { path: "srv".into(), mode: 0o700 }]).unwrap()).unwrap();
        let mut layout = Layout::default();
        let image = Image { layers: vec![Layer::Tar(tar.clone())], ..image(LayerFormat::Plain) };
        layout.add("localhost/test:3", &[image]).unwrap();
        let manifest = read(&layout, &layout.tagged[0]);
        assert_eq!(manifest["layers"][0]["digest"], sha256(&fs::read(&tar).unwrap()));
    }

    #[test]
    fn the_folder_and_the_archive_hold_the_same_files() {
        let mut layout = Layout::default();
        layout.add("localhost/test:1", &[image(LayerFormat::Plain)]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        layout.write_folder(&folder.path().join("layout")).unwrap();
        let file = folder.path().join("layout.tar");
        layout.write_archive(&file).unwrap();
        let mut archive = tar::Archive::new(File::open(&file).unwrap());
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert_eq!(fs::read(folder.path().join("layout").join(&path)).unwrap(), bytes);
            names.push(path);
        }
        assert_eq!(names.len(), 2 + layout.blobs.len());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = Entry::Host { path: "bin/x".into(), mode: 0o755, source: "/no/such/file".into() };
        let error = archive(&[missing]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot put bin/x into a layer: /no/such/file: No such file or directory (os error 2)"
        );
    }
}
