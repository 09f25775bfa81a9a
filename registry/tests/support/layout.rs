use std::{fs, path::PathBuf};

use serde_json::json;

use super::{image::Image, sandbox::Sandbox};

/// An OCI image layout on disk, which every client can read: `latest` is the one image in it.
pub(crate) struct Layout {
    pub(crate) folder: PathBuf,
}

impl Layout {
    /// Writes `image` to the folder `name` of the sandbox.
    pub(crate) fn write(sandbox: &Sandbox, name: &str, image: &Image) -> Self {
        let folder = sandbox.path(name);
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for blob in image.parts.iter().chain([&image.top]) {
            fs::write(blobs.join(blob.digest().trim_start_matches("sha256:")), &blob.content).unwrap();
        }
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": image.top.media_type,
                "digest": image.top.digest(),
                "size": image.top.content.len(),
                "annotations": {"org.opencontainers.image.ref.name": "latest"},
            }],
        });
        fs::write(folder.join("index.json"), index.to_string()).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder }
    }

    /// What skopeo and podman call the image.
    pub(crate) fn reference(&self) -> String {
        format!("oci:{}:latest", self.folder.display())
    }
}
