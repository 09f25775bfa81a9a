use std::{path::Path, sync::Arc};

use axum::{Router, body::Body};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use entrepot_oci::{Algorithm, Digest};
use entrepot_registry::{
    auth::Authenticator,
    domain::Registry,
    gate::WriteGate,
    http::{AccessLog, App, Locations},
    metrics::Metrics,
    store::filesystem::{Attempt, FilesystemStore, StoreLock},
};
use entrepot_registry_config::UserFile;
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::answer::Answer;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A registry on a folder of its own.
pub(crate) struct Fixture {
    router: Router,
    pub(crate) gate: Arc<WriteGate>,
    pub(crate) metrics: Arc<Metrics>,
    root: TempDir,
    _lock: StoreLock,
}

impl Fixture {
    /// Anybody may do everything.
    pub(crate) fn open() -> Self {
        Self::with(|_| {})
    }

    /// `ada` (password `a`) may do everything, `pull` (password `p`) may pull.
    pub(crate) fn with_users() -> Self {
        let file = |name: &str, password: &str| {
            UserFile::parse(format!("{name}:{}", bcrypt::hash(password, 4).unwrap())).unwrap()
        };
        let (users, managed) = (file("ada", "a"), file("pull", "p"));
        let authenticator = Authenticator::htpasswd("Team registry".into(), users, managed, &["pull".into()]);
        Self::with(|app| app.authenticator = Arc::new(authenticator))
    }

    pub(crate) fn with(change: impl FnOnce(&mut App)) -> Self {
        let root = folder();
        let Attempt::Locked(lock) = StoreLock::try_acquire(root.path()).unwrap() else { panic!("busy") };
        let store = FilesystemStore::open(&lock).unwrap();
        let (gate, metrics) = (Arc::new(WriteGate::default()), Metrics::new());
        let mut app = App {
            registry: Registry::new(Arc::new(store), b"secret"),
            authenticator: Arc::new(Authenticator::open()),
            gate: Arc::clone(&gate),
            metrics: Arc::clone(&metrics),
            access_log: AccessLog::Disabled,
            locations: Locations::default(),
            delete_enabled: true,
        };
        change(&mut app);
        Self { router: entrepot_registry::app(app), gate, metrics, root, _lock: lock }
    }

    /// `request` is a method and a path, `headers` lines of `name: value`.
    pub(crate) async fn send(&self, request: &str, headers: &[&str], body: impl Into<Body>) -> Answer {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut builder = Request::builder().method(method).uri(uri);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            builder = builder.header(name, value);
        }
        let response = self.router.clone().oneshot(builder.body(body.into()).unwrap()).await.unwrap();
        Answer::read(response, method == "HEAD").await
    }

    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.send(request, &[], Body::empty()).await
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let request = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.send(&request, &[], bytes.to_vec()).await;
        assert_eq!(answer.status, 201, "{answer}");
        digest
    }

    /// Pushes an image of one layer; answers its manifest's digest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Digest {
        self.push_blob(repository, b"{}").await;
        self.push_blob(repository, layer).await;
        let bytes = image(layer).to_string();
        let request = format!("PUT /v2/{repository}/manifests/{tag}");
        let answer = self.send(&request, &[&format!("content-type: {MANIFEST}")], bytes.clone()).await;
        assert_eq!(answer.status, 201, "{answer}");
        sha256(bytes.as_bytes())
    }

    /// Every file in the store but the lock and our own bookkeeping, by its path.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.root.path().join("docker"), self.root.path(), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, root: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, root, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// In memory where there is such a filesystem: these tests are not about disks, and a flush may take seconds.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// The manifest of an image with the configuration `{}` and one layer.
pub(crate) fn image(layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": LAYER, "digest": sha256(layer), "size": layer.len()}],
    })
}

/// An `Authorization` header.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("authorization: Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
