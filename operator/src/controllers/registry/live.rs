//! Where each child of a Registry stands.

use entrepot_crds::conditions::{ConditionType, Reason};
use entrepot_crds::names::Names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Resource;

use super::finding::Finding;
use super::observe::Observed;
use super::ownership::{Identity, Standing};

/// Where each child stands.
#[derive(Clone, Debug)]
pub struct Live {
    /// The claim made for the Registry.
    pub claim: Standing<PersistentVolumeClaim>,
    /// The CA's Secret.
    pub ca: Standing<Secret>,
    /// The Secret of the server's keys.
    pub keys: Standing<Secret>,
    /// The admin's Secret.
    pub admin: Standing<Secret>,
    /// The pull-only identity's Secret.
    pub pull: Standing<Secret>,
    /// The generated htpasswd Secret.
    pub htpasswd: Standing<Secret>,
    /// The generated certificate's Secret.
    pub tls: Standing<Secret>,
    /// The data Service.
    pub service: Standing<Service>,
    /// The Service of health and metrics.
    pub internal_service: Standing<Service>,
    /// The network policy.
    pub network_policy: Standing<NetworkPolicy>,
    /// The configuration.
    pub config_map: Standing<ConfigMap>,
    /// The trust bundle.
    pub trust: Standing<ConfigMap>,
    /// The server's Deployment.
    pub deployment: Standing<Deployment>,
}

impl Live {
    /// Sorts what was observed.
    pub fn of(identity: &Identity, observed: Observed) -> Self {
        Self {
            claim: identity.kept(observed.claim),
            ca: identity.kept(observed.ca),
            keys: identity.kept(observed.keys),
            admin: identity.kept(observed.admin),
            pull: identity.kept(observed.pull),
            htpasswd: identity.owned(observed.htpasswd),
            tls: identity.owned(observed.tls),
            service: identity.owned(observed.service),
            internal_service: identity.owned(observed.internal_service),
            network_policy: identity.owned(observed.network_policy),
            config_map: identity.owned(observed.config_map),
            trust: identity.owned(observed.trust),
            deployment: identity.owned(observed.deployment),
        }
    }

    /// Every child whose name somebody else has taken.
    pub fn conflicts(&self, names: &Names) -> Vec<Finding> {
        let Self {
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
        } = self;
        [
            conflict(claim, &names.data_claim()),
            conflict(ca, &names.ca_secret()),
            conflict(keys, &names.keys_secret()),
            conflict(admin, &names.admin_secret()),
            conflict(pull, &names.pull_secret()),
            conflict(htpasswd, &names.htpasswd_secret()),
            conflict(tls, &names.tls_secret()),
            conflict(service, &names.service()),
            conflict(internal_service, &names.internal_service()),
            conflict(network_policy, &names.network_policy()),
            conflict(config_map, &names.config_map()),
            conflict(trust, &names.trust_config_map()),
            conflict(deployment, &names.deployment()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn conflict<T: Resource<DynamicType = ()>>(standing: &Standing<T>, name: &str) -> Option<Finding> {
    let Standing::Foreign(why) = standing else { return None };
    let kind = T::kind(&());
    Some(Finding::new(
        ConditionType::Stalled,
        Reason::NameConflict,
        format!(
            "{kind} {name} is not this Registry's: {why}. It is left alone; delete or rename it, or give the Registry another name"
        ),
    ))
}
