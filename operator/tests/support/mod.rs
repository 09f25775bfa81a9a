//! A cluster in memory that does what it is told: every child that is planned comes into being, Services get
//! addresses, claims get volumes and Deployments get Pods.

use std::path::Path;

use entrepot_crds::node_report::NodeReport;
use entrepot_crds::{Registry, RegistryStatus};
use entrepot_operator::context::Settings;
use entrepot_operator::controllers::registry::apply::Applied;
use entrepot_operator::controllers::registry::build::{self, Child, Plan};
use entrepot_operator::controllers::registry::live::Live;
use entrepot_operator::controllers::registry::nodes::OnNode;
use entrepot_operator::controllers::registry::observe::{Observed, StorageClassFacts};
use entrepot_operator::controllers::registry::status;
use entrepot_operator::controllers::registry::validate::{Validated, validate};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DeploymentStatus;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimStatus, Secret, Service};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};

/// A Registry and what is around it before the operator comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Case {
    registry: Value,
    #[serde(default)]
    references: Vec<Value>,
    #[serde(default)]
    node_reports: Vec<NodeReport>,
}

/// A Registry in its cluster.
pub(crate) struct Cluster {
    pub(crate) registry: Registry,
    pub(crate) observed: Observed,
    /// What becomes of the claim, if it is not to get its volume.
    pub(crate) claim_status: Option<PersistentVolumeClaimStatus>,
    rng: StdRng,
}

/// What one round came to.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) status: RegistryStatus,
}

/// A moment within the lives of the fixtures.
pub(crate) fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        registry_image: "registry.example.com/entrepot/registry:test".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        node_agent_namespace: "entrepot-nodes".to_owned(),
        concurrency: 1,
    }
}

impl Cluster {
    pub(crate) fn of(case: Case) -> Self {
        let mut registry = case.registry;
        registry["apiVersion"] = json!("entrepot.dev/v1alpha1");
        registry["kind"] = json!("Registry");
        let registry: Registry = serde_json::from_value(registry).unwrap();
        let uid = registry.metadata.uid.clone().unwrap();
        let nodes = case.node_reports.iter().map(|report| OnNode::of(report, &uid)).collect();
        let mut observed = Observed { nodes: Some(nodes), ..Observed::default() };
        for reference in case.references {
            put(&mut observed, &registry, reference);
        }
        Self { registry, observed, claim_status: None, rng: StdRng::seed_from_u64(1) }
    }

    /// One round, whose status the Registry then has.
    pub(crate) fn round(&mut self, at: Timestamp) -> Outcome {
        let validated = validate(&self.registry, self.observed.clone(), &settings(), at).unwrap();
        let plan = build::build(&validated, at, &mut self.rng).unwrap();
        let pending = plan.pending();
        self.carry_out(&plan);
        let applied = self.applied(&validated);
        let round = status::Round {
            previous: self.registry.status.as_ref(),
            generation: self.registry.metadata.generation,
            validated: &validated,
            pending: &pending,
            applied: &applied,
        };
        let status = status::status(&round, at);
        self.registry.status = Some(status.clone());
        Outcome { plan, status }
    }

    /// Rounds until nothing changes any more.
    pub(crate) fn settle(&mut self) -> Outcome {
        let mut last = self.round(now());
        for _ in 0..5 {
            let next = self.round(now());
            if next.plan == last.plan && next.status == last.status {
                return next;
            }
            last = next;
        }
        panic!("the plan does not settle");
    }

    /// The status speaks of live objects, as far as they are the Registry's.
    fn applied(&self, validated: &Validated) -> Applied {
        let live = Live::of(&validated.identity, self.observed.clone());
        Applied {
            claim: live.claim.ours().cloned(),
            ca: live.ca.ours().cloned(),
            tls: live.tls.ours().cloned(),
            admin: live.admin.ours().cloned(),
            pull: live.pull.ours().cloned(),
            service: live.service.ours().cloned(),
            deployment: live.deployment.ours().cloned(),
            refusals: Vec::new(),
        }
    }

    fn carry_out(&mut self, plan: &Plan) {
        let seen = &mut self.observed;
        let Plan {
            claim,
            ca,
            keys,
            admin,
            pull,
            htpasswd,
            tls,
            service,
            internal_service,
            network_policy,
            config_map,
            trust,
            deployment,
        } = plan;
        for (child, slot) in [
            (ca, &mut seen.ca),
            (keys, &mut seen.keys),
            (admin, &mut seen.admin),
            (pull, &mut seen.pull),
            (htpasswd, &mut seen.htpasswd),
            (tls, &mut seen.tls),
        ] {
            live(child, slot);
        }
        live(internal_service, &mut seen.internal_service);
        live(network_policy, &mut seen.network_policy);
        live(config_map, &mut seen.config_map);
        live(trust, &mut seen.trust);
        live(claim, &mut seen.claim);
        live(deployment, &mut seen.deployment);
        if let Child::Present(planned) = service {
            seen.service = Some(with_addresses(planned.service.clone()));
        }
        if let Some(claim) = &mut seen.claim {
            let size = claim.spec.clone().unwrap().resources.unwrap().requests.unwrap();
            let bound = PersistentVolumeClaimStatus {
                phase: Some("Bound".to_owned()),
                capacity: Some(size),
                ..PersistentVolumeClaimStatus::default()
            };
            claim.status = Some(self.claim_status.clone().unwrap_or(bound));
        }
        if let Some(deployment) = &mut seen.deployment {
            deployment.status = Some(DeploymentStatus {
                available_replicas: Some(1),
                updated_replicas: Some(1),
                ..DeploymentStatus::default()
            });
        }
    }
}

fn live<T: Clone>(child: &Child<T>, slot: &mut Option<T>) {
    if let Child::Present(object) = child {
        *slot = Some(object.clone());
    }
}

fn with_addresses(mut service: Service) -> Service {
    let spec = service.spec.as_mut().unwrap();
    spec.cluster_ip = Some("10.96.0.17".to_owned());
    spec.cluster_ips = Some(vec!["10.96.0.17".to_owned(), "fd00::17".to_owned()]);
    service
}

/// Puts an object that is there before the operator comes where `observe` would have found it.
fn put(observed: &mut Observed, registry: &Registry, mut object: Value) {
    object["metadata"]["namespace"] = json!(registry.metadata.namespace);
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let spec = &registry.spec;
    match object["kind"].as_str().unwrap() {
        "StorageClass" => {
            let annotation =
                &object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"];
            let is_default = annotation == "true";
            let classes = observed.references.storage_classes.get_or_insert_default();
            classes.push(StorageClassFacts { name, is_default });
        }
        "PersistentVolumeClaim" => {
            observed.references.existing_claim = Some(serde_json::from_value(object).unwrap());
        }
        "Service" => observed.service = Some(serde_json::from_value(object).unwrap()),
        "Secret" => {
            let secret = Some(secret(object));
            if spec
                .tls
                .as_ref()
                .is_some_and(|tls| tls.secret_ref.as_ref().is_some_and(|one| one.name == name))
            {
                observed.references.certificate = secret;
            } else {
                observed.references.htpasswd = secret;
            }
        }
        other => panic!("a case cannot hold a {other}"),
    }
}

/// A Secret whose `stringData` may name a fixture: `fixture:<file>`.
fn secret(mut object: Value) -> Secret {
    let values = object.as_object_mut().unwrap().remove("stringData").unwrap_or_else(|| json!({}));
    let mut secret: Secret = serde_json::from_value(object).unwrap();
    let data = secret.data.get_or_insert_default();
    for (key, value) in values.as_object().unwrap() {
        let text = value.as_str().unwrap();
        let content = match text.strip_prefix("fixture:") {
            Some(file) => fixture(file),
            None => text.as_bytes().to_vec(),
        };
        data.insert(key.clone(), k8s_openapi::ByteString(content));
    }
    secret
}

pub(crate) fn fixture(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pki/fixtures").join(file)).unwrap()
}

pub(crate) fn case(name: &str) -> Case {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases").join(format!("{name}.yaml"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
