use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    image::sha256,
    request::{Request, Response},
    sandbox::Sandbox,
};

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// Repository -> tag -> digest of the manifest.
pub(crate) type Tags = BTreeMap<String, BTreeMap<String, String>>;

/// All that a registry serves: what a client sees that asks for everything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) tags: Tags,
    /// (Repository, digest) -> media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, String)>,
    /// (Repository, digest) whose bytes were read whole and hash to it.
    pub(crate) blobs: BTreeSet<(String, String)>,
}

impl Snapshot {
    /// Reads everything: catalog, tags, manifests and what they lead to.
    pub(crate) fn take(sandbox: &Sandbox) -> Self {
        let mut snapshot = Self { tags: BTreeMap::new(), manifests: BTreeMap::new(), blobs: BTreeSet::new() };
        let catalog = get(sandbox, "/v2/_catalog?n=1000").json();
        for repository in strings(&catalog["repositories"]) {
            // distribution keeps a repository in its catalog whose tags are all gone, and answers null or 404.
            let list = Request::get(format!("/v2/{repository}/tags/list?n=1000")).by_alice().send(sandbox);
            let names = if list.status == 404 { Vec::new() } else { strings(&list.json()["tags"]) };
            let mut tags = BTreeMap::new();
            for tag in names {
                let digest = snapshot.add_manifest(sandbox, &repository, &tag);
                tags.insert(tag, digest);
            }
            snapshot.tags.insert(repository, tags);
        }
        snapshot
    }

    /// The digest of what `reference` names.
    fn add_manifest(&mut self, sandbox: &Sandbox, repository: &str, reference: &str) -> String {
        let response = get(sandbox, &format!("/v2/{repository}/manifests/{reference}"));
        let digest = response.header("docker-content-digest").to_owned();
        assert_eq!(digest, sha256(&response.body));
        let key = (repository.to_owned(), digest.clone());
        let body = String::from_utf8(response.body.clone()).unwrap();
        if self.manifests.insert(key, (response.header("content-type").to_owned(), body)).is_some() {
            return digest;
        }
        let manifest = response.json();
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            self.add_manifest(sandbox, repository, child["digest"].as_str().unwrap());
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for descriptor in layers.chain(manifest.get("config")) {
            self.add_blob(sandbox, repository, descriptor);
        }
        digest
    }

    fn add_blob(&mut self, sandbox: &Sandbox, repository: &str, descriptor: &Value) {
        let digest = descriptor["digest"].as_str().unwrap();
        if self.blobs.insert((repository.to_owned(), digest.to_owned())) {
            let response = get(sandbox, &format!("/v2/{repository}/blobs/{digest}"));
            assert_eq!(digest, sha256(&response.body));
            assert_eq!(descriptor["size"], response.body.len());
        }
    }
}

#[track_caller]
fn get(sandbox: &Sandbox, path: &str) -> Response {
    let response = Request::get(path).by_alice().header("Accept", ACCEPT).send(sandbox);
    assert_eq!(response.status, 200, "{path}: {}", String::from_utf8_lossy(&response.body));
    response
}

fn strings(array: &Value) -> Vec<String> {
    let texts = array.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}
