//! One control plane for all tests of the binary, a namespace for each, and clients that count and fail on demand.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entrepot_crds::{Registry, RegistrySpec, crd, labels};
use entrepot_kind_tests::wait::{Seen, wait_until};
use entrepot_kind_tests::{ControlPlane, ControlPlaneOptions};
use entrepot_operator::context::{Context, Settings};
use entrepot_operator::controllers::registry::{Reconciler, reconcile};
use entrepot_operator::metrics::Metrics;
use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Long enough for a machine that does much else; a wait ends with what it waits for.
pub(crate) const BOUND: Duration = Duration::from_mins(3);

/// An apiserver alone: nobody but the test touches a status.
static BARE: OnceCell<ControlPlane> = OnceCell::const_new();
/// One with the controllers that follow a deletion.
static COLLECTED: OnceCell<ControlPlane> = OnceCell::const_new();

/// One where operators run. They see every Registry of it, so the many that other tests make are not here.
static RUNNING: OnceCell<ControlPlane> = OnceCell::const_new();

async fn start(controllers: bool) -> ControlPlane {
    let options = ControlPlaneOptions { controllers, ..ControlPlaneOptions::default() };
    let plane = ControlPlane::start(options).await.unwrap();
    install(&plane.client()).await;
    plane
}

/// The control plane without controllers, with the definitions installed.
pub(crate) async fn plane() -> &'static ControlPlane {
    BARE.get_or_init(|| start(false)).await
}

async fn install(client: &Client) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in crd::all() {
        let name = definition.name_any();
        api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.unwrap();
        wait_until("the definition", BOUND, || async {
            let conditions = api.get(&name).await?.status.unwrap_or_default().conditions.unwrap_or_default();
            let established = conditions.iter().any(|one| one.type_ == "Established" && one.status == "True");
            Ok::<_, kube::Error>(Seen::when(established, (), conditions))
        })
        .await
        .unwrap();
    }
    // Established comes before served.
    wait_until("Registries to be served", BOUND, || async {
        Api::<Registry>::all(client.clone()).list(&kube::api::ListParams::default()).await?;
        Ok::<_, kube::Error>(Seen::Ready(()))
    })
    .await
    .unwrap();
}

/// A client of this test's own: one that another test's runtime drives ends with that test.
async fn client_of(plane: &ControlPlane) -> Client {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// A client of the apiserver alone.
pub(crate) async fn client() -> Client {
    client_of(plane().await).await
}

/// The control plane where operators run.
pub(crate) async fn running_plane() -> &'static ControlPlane {
    RUNNING.get_or_init(|| start(false)).await
}

/// A client of the control plane where operators run.
pub(crate) async fn running_client() -> Client {
    client_of(running_plane().await).await
}

/// A client of the control plane whose garbage collector works.
pub(crate) async fn collected_client() -> Client {
    client_of(COLLECTED.get_or_init(|| start(true)).await).await
}

/// A namespace of this test's own.
pub(crate) async fn namespace(client: &Client) -> String {
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "registry-test-"}})).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap().name_any()
}

pub(crate) fn settings(namespace: &str) -> Settings {
    Settings {
        registry_image: "registry.example.com/entrepot/registry:test".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        node_agent_namespace: namespace.to_owned(),
        concurrency: 4,
    }
}

pub(crate) fn context(client: &Client, namespace: &str) -> Context {
    let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
    Context::new(client.clone(), metrics, settings(namespace), "test")
}

/// A Registry of the least spec, changed as `change` says, created.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    name: &str,
    change: impl FnOnce(&mut RegistrySpec),
) -> Registry {
    let spec = json!({"storage": {"volume": {"size": "1Gi"}}});
    let mut registry = Registry::new(name, serde_json::from_value(spec).unwrap());
    change(&mut registry.spec);
    registries(client, namespace).create(&PostParams::default(), &registry).await.unwrap()
}

pub(crate) fn registries(client: &Client, namespace: &str) -> Api<Registry> {
    Api::namespaced(client.clone(), namespace)
}

/// One round for a Registry as it is now. An error ends the round, as it would in the operator.
pub(crate) async fn round(client: &Client, registry: &Registry) -> Result<(), String> {
    let namespace = registry.namespace().unwrap();
    let (reconciler, _changes) = Reconciler::new(context(client, &namespace));
    let guarded = DeserializeGuard(Ok(registry.clone()));
    reconcile(&guarded, &reconciler).await.map(|_| ()).map_err(|error| error.to_string())
}

/// Rounds until one writes nothing. Lost races are repeated, as the operator repeats them.
pub(crate) async fn settle(client: &Client, registry: &Registry) {
    for _ in 0..20 {
        let (recording, writes) = recording(client.clone());
        let result = round(&recording, registry).await;
        if result.is_ok() && writes.lock().unwrap().is_empty() {
            return;
        }
    }
    panic!("rounds go on writing");
}

/// What every child says that the operator wrote, by kind and name; what is random or the apiserver's is left out.
pub(crate) async fn children(client: &Client, namespace: &str) -> BTreeMap<String, Value> {
    children_with(client, namespace, labels::REGISTRY).await
}

/// The same for those whose labels fit `selector`.
pub(crate) async fn children_with(
    client: &Client,
    namespace: &str,
    selector: &str,
) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (group, plural) in [
        ("api/v1", "persistentvolumeclaims"),
        ("api/v1", "secrets"),
        ("api/v1", "configmaps"),
        ("api/v1", "services"),
        ("apis/apps/v1", "deployments"),
        ("apis/networking.k8s.io/v1", "networkpolicies"),
    ] {
        let uri = format!("/{group}/namespaces/{namespace}/{plural}?labelSelector={selector}");
        let list: Value = client.request(Request::get(uri).body(Vec::new()).unwrap()).await.unwrap();
        for item in list["items"].as_array().unwrap() {
            let meta = &item["metadata"];
            let keys: Vec<&String> =
                item["data"].as_object().map(|data| data.keys().collect()).unwrap_or_default();
            let mut labels = meta["labels"].clone();
            labels[labels::REGISTRY_UID] = json!("<uid>");
            let name = format!("{plural}/{}", meta["name"].as_str().unwrap());
            let owners = meta["ownerReferences"].as_array().map_or(0, Vec::len);
            all.insert(name, json!({"labels": labels, "keys": keys, "owners": owners, "type": item["type"]}));
        }
    }
    all
}

/// Every write that passes, as `METHOD path`.
pub(crate) type Writes = Arc<Mutex<Vec<String>>>;

/// A client that notes every write.
pub(crate) fn recording(inner: Client) -> (Client, Writes) {
    let writes = Writes::default();
    let notes = Arc::clone(&writes);
    let client = wrapped(inner, move |inner, request| {
        if is_write(request.method()) {
            notes.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
        }
        Box::pin(async move { inner.send(request).await })
    });
    (client, writes)
}

/// A client that notes every request which its user has no permission for, reads and watches included.
pub(crate) fn supervised(inner: Client) -> (Client, Writes) {
    let forbidden = Writes::default();
    let notes = Arc::clone(&forbidden);
    let client = wrapped(inner, move |inner, request| {
        let notes = Arc::clone(&notes);
        Box::pin(async move {
            let text = format!("{} {}", request.method(), request.uri());
            let answer = inner.send(request).await?;
            if answer.status() == http::StatusCode::FORBIDDEN {
                notes.lock().unwrap().push(text);
            }
            Ok(answer)
        })
    });
    (client, forbidden)
}

/// When a client dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// Before its write of this number, counted from 1, reaches the apiserver.
    Before(usize),
    /// After that write is done and before its answer arrives.
    After(usize),
}

/// A client of a process that dies at a write: from then on no request succeeds.
pub(crate) fn mortal(inner: Client, death: Death) -> Client {
    let count = Arc::new(Mutex::new(0_usize));
    wrapped(inner, move |inner, request| {
        let (Death::Before(at) | Death::After(at)) = death;
        let number = {
            let mut count = count.lock().unwrap();
            *count += usize::from(is_write(request.method()));
            *count
        };
        let is_the_one = number == at && is_write(request.method());
        Box::pin(async move {
            let dead = || kube::Error::Service("the process is dead".into());
            match death {
                _ if number > at || (number == at && !is_the_one) => Err(dead()),
                Death::Before(_) if is_the_one => Err(dead()),
                Death::After(_) if is_the_one => {
                    inner.send(request).await?;
                    Err(dead())
                }
                _ => inner.send(request).await,
            }
        })
    })
}

/// A client whose requests that `refuses` picks, by method and path, are answered as admission does.
pub(crate) fn refused(
    inner: Client,
    refuses: impl Fn(&Method, &str) -> bool + Clone + Send + 'static,
) -> Client {
    wrapped(inner, move |inner, request| {
        let is_refused = refuses(request.method(), request.uri().path());
        Box::pin(async move {
            if !is_refused {
                return inner.send(request).await;
            }
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                "message": "refused by the test",
            });
            let body = Body::from(status.to_string().into_bytes());
            Ok(Response::builder().status(403).body(body).unwrap())
        })
    })
}

/// A client before whose first request that `is_met` picks somebody else does `interfere`.
pub(crate) fn interrupted(
    inner: Client,
    is_met: impl Fn(&Method, &str) -> bool + Clone + Send + 'static,
    interfere: impl Fn(Client) -> Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync + 'static,
) -> Client {
    let first = Arc::new(AtomicBool::new(true));
    wrapped(inner, move |inner, request| {
        let now = is_met(request.method(), request.uri().path()) && first.swap(false, Ordering::Relaxed);
        let interfere = interfere.clone();
        Box::pin(async move {
            if now {
                interfere(inner.clone()).await;
            }
            inner.send(request).await
        })
    })
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

fn wrapped(
    inner: Client,
    handle: impl Fn(Client, Request<Body>) -> Answer + Clone + Send + 'static,
) -> Client {
    Client::new(tower::service_fn(move |request| handle(inner.clone(), request)), "default")
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}
