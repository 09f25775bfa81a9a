use std::path::{Path, PathBuf};

use entrepot_oci::{Algorithm, Digest, RepositoryName, Tag};
use uuid::Uuid;

use crate::store::{LinkKind, UploadKey};

/// Where everything is beneath the root: distribution's own layout, so that a volume moves in and out, and `entrepot/` for
/// what is ours. Paths are made of parsed types only, none of which holds a `/`, a `..` or a name that starts with `_`.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

/// The file in a `link` folder's parent that grants, and the file of a blob, have these names to distribution.
const LINK: &str = "link";
const DATA: &str = "data";

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// `docker/registry/v2`
    pub(super) fn base(&self) -> PathBuf {
        self.root.join("docker/registry/v2")
    }

    /// `blobs/<alg>/<first2>/<hex>/data`
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let (algorithm, hex) = (digest.algorithm().as_str(), digest.hex());
        // The hex of a digest is ASCII and never shorter than 64.
        let first = hex.get(..2).unwrap_or(hex);
        let mut path = self.base();
        path.extend(["blobs", algorithm, first, hex, DATA]);
        path
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.base().join("repositories")
    }

    pub(super) fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.repositories().join(name.as_str())
    }

    /// The folder that distribution 2.8 knows a repository by.
    pub(super) fn layers(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_layers")
    }

    /// `_layers/<alg>` or `_manifests/revisions/<alg>`
    pub(super) fn links(&self, name: &RepositoryName, kind: LinkKind, algorithm: Algorithm) -> PathBuf {
        let folder = match kind {
            LinkKind::Layer => "_layers",
            LinkKind::Revision => "_manifests/revisions",
        };
        self.repository(name).join(folder).join(algorithm.as_str())
    }

    pub(super) fn link(&self, name: &RepositoryName, kind: LinkKind, digest: &Digest) -> PathBuf {
        self.links(name, kind, digest.algorithm()).join(digest.hex()).join(LINK)
    }

    /// The `link` file of an entry of [`Layout::links`].
    pub(super) fn link_in(links: &Path, hex: &str) -> PathBuf {
        links.join(hex).join(LINK)
    }

    pub(super) fn tags(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_manifests/tags")
    }

    pub(super) fn tag(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tags(name).join(tag.as_str())
    }

    pub(super) fn tag_current(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tag(name, tag).join("current").join(LINK)
    }

    /// The tag's history, without which distribution's collector misses what the tag named before.
    pub(super) fn tag_index(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.tag(name, tag).join("index")
    }

    pub(super) fn tag_index_entry(&self, name: &RepositoryName, tag: &Tag, digest: &Digest) -> PathBuf {
        let mut path = self.tag_index(name, tag);
        path.extend([digest.algorithm().as_str(), digest.hex(), LINK]);
        path
    }

    /// `_uploads/<uuid>`
    pub(super) fn upload(&self, upload: &UploadKey) -> PathBuf {
        self.repository(&upload.repository).join("_uploads").join(upload.id.to_string())
    }

    pub(super) fn upload_data(&self, upload: &UploadKey) -> PathBuf {
        self.upload(upload).join(DATA)
    }

    /// Distribution purges old uploads by this file's text, and never one without it.
    pub(super) fn upload_started(&self, upload: &UploadKey) -> PathBuf {
        self.upload(upload).join("startedat")
    }

    /// `entrepot`, ours alone.
    pub(super) fn own(&self) -> PathBuf {
        self.root.join("entrepot")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.own().join("lock")
    }

    pub(super) fn running(&self) -> PathBuf {
        self.own().join("running")
    }

    pub(super) fn temp_dir(&self) -> PathBuf {
        self.own().join("temp")
    }

    pub(super) fn temp(&self, id: Uuid) -> PathBuf {
        self.temp_dir().join(id.to_string())
    }

    pub(super) fn quarantine_dir(&self) -> PathBuf {
        self.own().join("quarantine")
    }

    pub(super) fn upload_states(&self) -> PathBuf {
        self.own().join("uploads")
    }

    pub(super) fn upload_state(&self, upload: &UploadKey) -> PathBuf {
        self.upload_states().join(upload.id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_layout_of_distribution() {
        let layout = Layout::new(Path::new("/r"));
        let digest = Digest::of(Algorithm::Sha256, b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (name, tag) = ("team/app".parse().unwrap(), "v1".parse().unwrap());
        let upload = UploadKey {
            repository: "team/app".parse().unwrap(),
            id: Uuid::nil(),
            started: chrono::DateTime::UNIX_EPOCH,
        };
        let base = "/r/docker/registry/v2";
        let repository = format!("{base}/repositories/team/app");
        for (path, expected) in [
            (layout.blob(&digest), format!("{base}/blobs/sha256/e3/{hex}/data")),
            (layout.link(&name, LinkKind::Layer, &digest), format!("{repository}/_layers/sha256/{hex}/link")),
            (
                layout.link(&name, LinkKind::Revision, &digest),
                format!("{repository}/_manifests/revisions/sha256/{hex}/link"),
            ),
            (layout.tag_current(&name, &tag), format!("{repository}/_manifests/tags/v1/current/link")),
            (
                layout.tag_index_entry(&name, &tag, &digest),
                format!("{repository}/_manifests/tags/v1/index/sha256/{hex}/link"),
            ),
            (
                layout.upload_data(&upload),
                format!("{repository}/_uploads/00000000-0000-0000-0000-000000000000/data"),
            ),
            (
                layout.upload_started(&upload),
                format!("{repository}/_uploads/00000000-0000-0000-0000-000000000000/startedat"),
            ),
            (layout.lock(), "/r/entrepot/lock".into()),
        ] {
            assert_eq!(path, PathBuf::from(expected));
        }
    }
}
