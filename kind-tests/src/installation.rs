//! The operator on a cluster, from the images that were built here and the file that users apply.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use entrepot_crds::names::Names;
use k8s_openapi::{
    api::apps::v1::{DaemonSet, Deployment},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    Cluster,
    cache::{Cache, CacheError},
    cluster::ClusterError,
    kubectl::Kubectl,
    process::CommandError,
    progress::Progress,
    sha256,
    wait::Seen,
};

/// The operator's Deployment: its namespace and name.
pub const OPERATOR: (&str, &str) = ("entrepot-system", "entrepot-operator");
/// The node agent's DaemonSet: its namespace and name.
pub const AGENT: (&str, &str) = ("entrepot-nodes", "entrepot-node-agent");
/// The definition that the operator's objects need before they can be applied.
const DEFINITION: &str = "registries.entrepot.dev";
/// Set on what runs our images, and on its Pods where these must be replaced: images keep their names when they are
/// built again, and only a template that changes replaces Pods.
const BUILT_FROM: &str = "kind-tests/built-from";
const BOUND: Duration = Duration::from_mins(3);

/// The operator could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The images have not been built.
    #[error("no image {0}: run `make images` first")]
    NoImage(PathBuf),
    /// An image cannot be read.
    #[error("cannot read the image {path}: {source}")]
    Image {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The file cannot be applied.
    #[error(transparent)]
    Apply(#[from] CommandError),
    /// The cluster refused, or what was installed does not become ready.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// A file of this source tree, e.g. `deploy/install.yaml`.
pub fn source_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).join(path)
}

/// Installs the operator and its node agent, or brings them up to what was built last; waits until they run. Answers
/// whether others ran before: Registries that are there then still run the server of those ([`restart`]).
pub async fn install(cluster: &Cluster, progress: &Progress) -> Result<bool, InstallError> {
    let archives = archives(&Cache::from_environment()?)?;
    let built_from = fingerprint(&archives)?;
    for archive in &archives {
        let name = archive.file_stem().unwrap_or_default().to_string_lossy();
        progress.step(&format!("loading the image {name}"), cluster.load_image(archive)).await?;
    }
    // What is made by the file starts from the images as they are now; what is there already may run older ones.
    let stale = (
        runs_others::<Deployment>(cluster, OPERATOR, &built_from).await?,
        runs_others::<DaemonSet>(cluster, AGENT, &built_from).await?,
    );
    let kubectl = Kubectl::new(cluster.kubeconfig());
    let file = source_file("deploy/install.yaml");
    progress.step("applying deploy/install.yaml", kubectl.apply_server_side(&file)).await?;
    established(cluster, progress).await?;
    roll_out::<Deployment>(cluster, OPERATOR, &built_from, stale.0, progress).await?;
    roll_out::<DaemonSet>(cluster, AGENT, &built_from, stale.1, progress).await?;
    Ok(stale.0)
}

/// Makes a Registry's server, if it has one by now, run the image that was built last.
pub async fn restart(cluster: &Cluster, names: &Names, progress: &Progress) -> Result<(), InstallError> {
    let kubectl = Kubectl::new(cluster.kubeconfig());
    let server = [&format!("deployment/{}", names.deployment()), "--namespace", names.namespace()];
    let found = [&["get", "--ignore-not-found", "--output=name"], &server[..]].concat();
    if kubectl.run(&found).await?.is_empty() {
        return Ok(());
    }
    kubectl.run(&[&["rollout", "restart"], &server[..]].concat()).await?;
    let status = [&["rollout", "status", "--timeout=180s"], &server[..]].concat();
    progress.step("restarting the registry with the image that was built last", kubectl.run(&status)).await?;
    Ok(())
}

/// What `make images` leaves behind.
fn archives(cache: &Cache) -> Result<[PathBuf; 2], InstallError> {
    let folder = cache.folder("images")?;
    let archives = ["operator", "registry"].map(|name| folder.join(format!("{name}.tar")));
    match archives.iter().find(|path| !path.is_file()) {
        Some(absent) => Err(InstallError::NoImage(absent.clone())),
        None => Ok(archives),
    }
}

/// Changes when any of the archives does.
fn fingerprint(archives: &[PathBuf]) -> Result<String, InstallError> {
    let digest = |path: &PathBuf| {
        let read = fs::read(path).map_err(|source| InstallError::Image { path: path.clone(), source });
        read.map(|bytes| sha256::of(&bytes))
    };
    let digests = archives.iter().map(digest).collect::<Result<Vec<_>, _>>()?;
    Ok(sha256::key(&digests.iter().map(String::as_str).collect::<Vec<_>>()))
}

async fn established(cluster: &Cluster, progress: &Progress) -> Result<(), ClusterError> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let look = || async {
        let conditions = api.get(DEFINITION).await?.status.and_then(|status| status.conditions);
        let told: Vec<_> =
            conditions.into_iter().flatten().map(|c| format!("{}={}", c.type_, c.status)).collect();
        let established = told.iter().any(|condition| condition == "Established=True");
        Ok::<_, kube::Error>(Seen::when(established, (), told.join(", ")))
    };
    progress.wait(&format!("the definition {DEFINITION}"), BOUND, look).await?;
    Ok(())
}

/// Something that runs Pods from a template, and how far it is with it.
trait Workload:
    Resource<Scope = kube::core::NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
    /// Do all its Pods run the current template? And in a few words how many do.
    fn rolled_out(&self) -> (bool, String);
}

impl Workload for Deployment {
    fn rolled_out(&self) -> (bool, String) {
        let wanted = self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = self.status.clone().unwrap_or_default();
        let seen = status.observed_generation >= self.metadata.generation;
        let counts =
            [status.updated_replicas, status.ready_replicas, status.replicas].map(Option::unwrap_or_default);
        (seen && counts == [wanted; 3], format!("{} of {wanted} Pods ready", counts[1]))
    }
}

impl Workload for DaemonSet {
    fn rolled_out(&self) -> (bool, String) {
        let status = self.status.clone().unwrap_or_default();
        let wanted = status.desired_number_scheduled;
        let seen = status.observed_generation >= self.metadata.generation;
        let updated = status.updated_number_scheduled.unwrap_or_default();
        let done = seen && wanted > 0 && updated == wanted && status.number_ready == wanted;
        (done, format!("{} of {wanted} Pods ready", status.number_ready))
    }
}

/// Is a workload there that was not started from the images as they are now?
async fn runs_others<K>(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    built_from: &str,
) -> Result<bool, ClusterError>
where
    K: Workload,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(cluster.client(), namespace);
    let found = api.get_metadata_opt(name).await.map_err(|source| ClusterError::Api {
        action: format!("look for {namespace}/{name}"),
        source: Box::new(source),
    })?;
    Ok(found.is_some_and(|found| found.annotations().get(BUILT_FROM).is_none_or(|value| value != built_from)))
}

/// Makes a workload run the images that were built last, and waits until it does.
async fn roll_out<K>(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    built_from: &str,
    stale: bool,
    progress: &Progress,
) -> Result<(), ClusterError>
where
    K: Workload,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(cluster.client(), namespace);
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    let mark = json!({"metadata": {"annotations": {BUILT_FROM: built_from}}});
    let mut patch = mark.clone();
    if stale {
        patch["spec"] = json!({"template": mark});
    }
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched.map_err(|source| ClusterError::Api {
        action: format!("roll out {kind} {namespace}/{name}"),
        source: Box::new(source),
    })?;
    let look = || async {
        let (done, told) = api.get(name).await?.rolled_out();
        Ok::<_, kube::Error>(if done { Seen::Ready(()) } else { Seen::NotYet(told) })
    };
    progress.wait(&format!("{kind} {namespace}/{name}"), BOUND, look).await?;
    Ok(())
}
