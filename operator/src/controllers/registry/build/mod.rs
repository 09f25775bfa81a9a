//! Step three: what the children should be. Pure: one file per child, each answering with the whole object.

mod authority;
mod certificate;
mod checksum;
mod claim;
mod config;
mod credentials;
mod deployment;
mod htpasswd;
mod internal_service;
mod keys;
mod metadata;
mod network_policy;
mod paths;
mod pod;
mod secret;
mod service;
mod trust;
mod volumes;

use entrepot_crds::conditions::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Resource;
use rand::CryptoRng;

pub use self::authority::remembered_ips;
pub(super) use self::checksum::hex;
pub use self::service::PlannedService;
use super::finding::Finding;
use super::ownership::Standing;
use super::validate::Validated;
use crate::credentials::HtpasswdError;
use crate::pki::PkiError;

/// What is to become of one child.
#[derive(Clone, Debug, PartialEq)]
pub enum Child<T> {
    /// It is to be so.
    Present(T),
    /// The spec asks for none.
    Absent,
    /// It cannot be said yet: the live object, if any, stays as it is.
    NotYet(Finding),
}

impl<T> Child<T> {
    /// The object, or why it cannot be said yet.
    fn ready(&self) -> Result<&T, Finding> {
        match self {
            Self::Present(object) => Ok(object),
            Self::NotYet(finding) => Err(finding.clone()),
            Self::Absent => Err(Finding::new(
                ConditionType::Reconciling,
                Reason::Progressing,
                "an object that others need is not asked for",
            )),
        }
    }

    fn from_result(result: Result<T, Finding>) -> Self {
        match result {
            Ok(object) => Self::Present(object),
            Err(finding) => Self::NotYet(finding),
        }
    }
}

/// What is to become of every child.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The claim made for the Registry.
    pub claim: Child<PersistentVolumeClaim>,
    /// The CA's Secret.
    pub ca: Child<Secret>,
    /// The Secret of the server's keys.
    pub keys: Child<Secret>,
    /// The admin's Secret.
    pub admin: Child<Secret>,
    /// The pull-only identity's Secret.
    pub pull: Child<Secret>,
    /// The generated htpasswd Secret.
    pub htpasswd: Child<Secret>,
    /// The generated certificate's Secret.
    pub tls: Child<Secret>,
    /// The data Service.
    pub service: Child<PlannedService>,
    /// The Service of health and metrics.
    pub internal_service: Child<Service>,
    /// The network policy.
    pub network_policy: Child<NetworkPolicy>,
    /// The configuration.
    pub config_map: Child<ConfigMap>,
    /// The trust bundle.
    pub trust: Child<ConfigMap>,
    /// The server's Deployment.
    pub deployment: Child<Deployment>,
}

/// A child cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Making a CA or a certificate failed.
    #[error("making the {what}: {source}")]
    Certificate {
        /// What was being made.
        what: &'static str,
        /// What went wrong.
        source: PkiError,
    },
    /// Hashing a generated password failed.
    #[error("hashing the generated passwords: {0}")]
    Htpasswd(#[from] HtpasswdError),
    /// Writing a file's text failed.
    #[error("writing {what}: {why}")]
    Text {
        /// The file.
        what: &'static str,
        /// What the serializer answered.
        why: String,
    },
}

/// Says what every child of a Registry should be at `now`. Only material that is missing or no longer good is made
/// anew, with `rng`; everything else follows from `validated`.
pub fn build(validated: &Validated, now: Timestamp, rng: &mut impl CryptoRng) -> Result<Plan, BuildError> {
    let service = slot(&validated.live.service, |_| Ok(service::build(validated)));
    let ca = try_slot(&validated.live.ca, |live| authority::build(validated, live, now))?;
    let keys = slot(&validated.live.keys, |live| keys::build(validated, live, rng));
    let admin =
        try_slot(&validated.live.admin, |live| credentials::build(validated, credentials::ADMIN, live, rng))?;
    let pull =
        try_slot(&validated.live.pull, |live| credentials::build(validated, credentials::PULL, live, rng))?;
    let htpasswd =
        try_slot(&validated.live.htpasswd, |live| htpasswd::build(validated, &admin, &pull, live))?;
    let tls = try_slot(&validated.live.tls, |live| certificate::build(validated, &ca, live, now))?;
    let config_map = try_slot(&validated.live.config_map, |_| config::build(validated).map(Ok))?;
    let inputs = deployment::Inputs { keys: &keys, htpasswd: &htpasswd, tls: &tls, config_map: &config_map };
    let deployment = slot(&validated.live.deployment, |_| deployment::build(validated, &inputs));
    let plan = Plan {
        claim: claim::build(validated),
        trust: slot(&validated.live.trust, |_| trust::build(validated, &ca)),
        internal_service: slot(&validated.live.internal_service, |_| Ok(internal_service::build(validated))),
        network_policy: slot(&validated.live.network_policy, |_| Ok(network_policy::build(validated))),
        ca,
        keys,
        admin,
        pull,
        htpasswd,
        tls,
        service,
        config_map,
        deployment,
    };
    Ok(match &validated.hold {
        Some(why) => plan.held(validated, why),
        None => plan,
    })
}

impl Plan {
    /// The plan of a Registry whose children are left as they are, but for a certificate that is there: one that runs
    /// out would stop every pull.
    fn held(self, validated: &Validated, why: &Finding) -> Self {
        let renewable = validated.live.ca.ours().is_some() && validated.live.tls.ours().is_some();
        Self {
            claim: Child::NotYet(why.clone()),
            ca: Child::NotYet(why.clone()),
            keys: Child::NotYet(why.clone()),
            admin: Child::NotYet(why.clone()),
            pull: Child::NotYet(why.clone()),
            htpasswd: Child::NotYet(why.clone()),
            tls: if renewable { self.tls } else { Child::NotYet(why.clone()) },
            service: Child::NotYet(why.clone()),
            internal_service: Child::NotYet(why.clone()),
            network_policy: Child::NotYet(why.clone()),
            config_map: Child::NotYet(why.clone()),
            trust: Child::NotYet(why.clone()),
            deployment: Child::NotYet(why.clone()),
        }
    }

    /// Why the plan is not complete: one finding for each cause.
    pub fn pending(&self) -> Vec<Finding> {
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
        let mut findings: Vec<Finding> = Vec::new();
        let secrets = [ca, keys, admin, pull, htpasswd, tls].map(finding);
        let others = [
            finding(claim),
            finding(service),
            finding(internal_service),
            finding(network_policy),
            finding(config_map),
            finding(trust),
            finding(deployment),
        ];
        for finding in secrets.into_iter().chain(others).flatten() {
            if !findings.contains(finding) {
                findings.push(finding.clone());
            }
        }
        findings
    }
}

fn finding<T>(child: &Child<T>) -> Option<&Finding> {
    match child {
        Child::NotYet(finding) => Some(finding),
        Child::Present(_) | Child::Absent => None,
    }
}

/// Builds a child whose name is free or whose live object is ours.
fn slot<L, T>(standing: &Standing<L>, build: impl FnOnce(Option<&L>) -> Result<T, Finding>) -> Child<T>
where
    L: Resource<DynamicType = ()>,
{
    Child::from_result(usable(standing).and_then(build))
}

/// The same, where building can fail.
fn try_slot<L, T>(
    standing: &Standing<L>,
    build: impl FnOnce(Option<&L>) -> Result<Result<T, Finding>, BuildError>,
) -> Result<Child<T>, BuildError>
where
    L: Resource<DynamicType = ()>,
{
    Ok(match usable(standing) {
        Ok(live) => Child::from_result(build(live)?),
        Err(finding) => Child::NotYet(finding),
    })
}

fn usable<L: Resource<DynamicType = ()>>(standing: &Standing<L>) -> Result<Option<&L>, Finding> {
    let kind = L::kind(&());
    match standing {
        Standing::Missing => Ok(None),
        Standing::Ours(live) => Ok(Some(live)),
        Standing::Leaving => Err(Finding::new(
            ConditionType::Reconciling,
            Reason::Progressing,
            format!("waits until the {kind} of an earlier Registry of this name is gone"),
        )),
        Standing::Foreign(_) => Err(Finding::new(
            ConditionType::Stalled,
            Reason::NameConflict,
            format!("the name of a {kind} it needs is taken"),
        )),
    }
}
