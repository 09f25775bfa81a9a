use std::io::Write;

use entrepot_oci::{Algorithm, Digest};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Bytes, addressed by their digest.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    pub(crate) content: Vec<u8>,
}

/// An OCI image that docker and podman can unpack, or an index of some.
#[derive(Clone)]
pub(crate) struct Image {
    /// Manifest or index.
    pub(crate) top: Blob,
    /// All that `top` leads to; an index's manifests come before their parts.
    pub(crate) parts: Vec<Blob>,
}

impl Blob {
    pub(crate) fn digest(&self) -> String {
        sha256(&self.content)
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.content.len()})
    }
}

impl Image {
    /// Three layers, one of them of 3 MiB, that differ from those of every other `seed`.
    pub(crate) fn new(seed: &str) -> Self {
        Self::of(seed, "amd64", 3)
    }

    /// The same, but that layer has `mebibytes`.
    pub(crate) fn large(seed: &str, mebibytes: usize) -> Self {
        Self::of(seed, "amd64", mebibytes)
    }

    /// The same for amd64 and arm64, and an index of both.
    pub(crate) fn multi_arch(seed: &str) -> Self {
        let mut parts = Vec::new();
        let mut descriptors = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let image = Self::of(seed, architecture, 3);
            let mut descriptor = image.top.descriptor();
            descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
            descriptors.push(descriptor);
            parts.push(image.top);
            parts.extend(image.parts);
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors});
        Self { top: document(INDEX, &index), parts }
    }

    /// With another manifest, and nothing else changed to match it.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = serde_json::from_slice(&self.top.content).unwrap();
        change(&mut manifest);
        self.top = document(self.top.media_type, &manifest);
        self
    }

    fn of(seed: &str, architecture: &str, mebibytes: usize) -> Self {
        let binary = noise(&format!("{seed} {architecture}"), mebibytes << 20);
        let tars = [
            // The same in every architecture, so that a layer is shared.
            archive(&[("etc/seed", seed.as_bytes())]),
            archive(&[("usr/share/noise", &binary)]),
            archive(&[("etc/architecture", architecture.as_bytes()), ("etc/empty", b"")]),
        ];
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/etc/seed"], "Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": tars.iter().map(|tar| sha256(tar)).collect::<Vec<_>>()},
            "history": tars.iter().map(|_| json!({"created_by": "a test"})).collect::<Vec<_>>(),
        });
        let config = document(CONFIG, &config);
        let layers: Vec<Blob> =
            tars.iter().map(|tar| Blob { media_type: LAYER, content: gzip(tar) }).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
        });
        Self { top: document(MANIFEST, &manifest), parts: [vec![config], layers].concat() }
    }
}

/// The digest of `content`.
pub(crate) fn sha256(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}

fn document(media_type: &'static str, value: &Value) -> Blob {
    Blob { media_type, content: serde_json::to_vec(value).unwrap() }
}

/// A tar of files, the same bytes at every call.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(1_767_225_600);
        header.set_size(content.len().try_into().unwrap());
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Stored, not squeezed: what squeezes is slow without optimisation, and the noise would not shrink.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::none());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// Bytes that no compression shortens, the same for the same seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let blocks = (0u32..).map(|block| Sha512::digest(format!("{seed} {block}")));
    blocks.take(length / 64).flatten().collect()
}
