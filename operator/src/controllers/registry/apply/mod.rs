//! Step four: writes what differs, in the order in which one thing needs another.

mod diff;
mod error;
mod fields;
mod writer;

use entrepot_crds::conditions::{ConditionType, Reason};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, Service};
use kube::Client;

pub use self::error::{ApplyError, Refusal};
use self::writer::Writer;
use super::build::{Child, Plan, PlannedService};
use super::finding::Finding;
use super::ownership::{Identity, Standing};
use super::validate::Validated;

/// The children that the status speaks of, as they are after the writes, and what went wrong with others.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The claim in use, if it is one of ours.
    pub claim: Option<PersistentVolumeClaim>,
    /// The CA's Secret.
    pub ca: Option<Secret>,
    /// The generated certificate's Secret.
    pub tls: Option<Secret>,
    /// The admin's Secret.
    pub admin: Option<Secret>,
    /// The pull-only identity's Secret.
    pub pull: Option<Secret>,
    /// The data Service.
    pub service: Option<Service>,
    /// The server's Deployment.
    pub deployment: Option<Deployment>,
    /// Writes that the API server refused.
    pub refusals: Vec<Refusal>,
}

/// Makes the cluster as `plan` says.
///
/// The order matters: the volume and the material that others are made from come first, so that a crash between two
/// writes leaves nothing that was made from something lost; the Deployment comes last, so that its Pod starts once.
/// A lost race ends the round: what was built from the loser must not be written. Nor is what was built from something
/// that the API server refused.
pub async fn apply(client: &Client, validated: &Validated, plan: Plan) -> Result<Applied, ApplyError> {
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
    let live = &validated.live;
    let Identity { namespace, .. } = &validated.identity;
    let writer = Writer::new(client.clone(), namespace.clone());
    let mut round = Round::default();
    let claim = match claim {
        Child::Present(wanted) => {
            let written = writer.claim(wanted, live.claim.ours()).await;
            round.keep(written, live.claim.ours())?
        }
        Child::Absent | Child::NotYet(_) => live.claim.ours().cloned(),
    };
    let ca = round.generated(&writer, ca, &live.ca).await?;
    round.generated(&writer, keys, &live.keys).await?;
    let service = match service {
        Child::Present(PlannedService { service, addresses }) => {
            let written = writer.service(service, &addresses, live.service.ours()).await;
            round.keep(written, live.service.ours())?
        }
        Child::Absent | Child::NotYet(_) => live.service.ours().cloned(),
    };
    round.owned(&writer, internal_service, &live.internal_service).await?;
    round.owned(&writer, network_policy, &live.network_policy).await?;
    let admin = round.generated(&writer, admin, &live.admin).await?;
    let pull = round.generated(&writer, pull, &live.pull).await?;
    let htpasswd = round.derived(htpasswd);
    round.generated(&writer, htpasswd, &live.htpasswd).await?;
    let tls = round.derived(tls);
    let tls = round.generated(&writer, tls, &live.tls).await?;
    let trust = round.derived(trust);
    round.owned(&writer, trust, &live.trust).await?;
    if let Child::Present(wanted) = config_map {
        let written = writer.owned(wanted, live.config_map.ours()).await;
        round.keep_input(written, live.config_map.ours())?;
    }
    let deployment = round.derived(deployment);
    let deployment = Box::pin(round.owned(&writer, deployment, &live.deployment)).await?;
    Ok(Applied { claim, ca, tls, admin, pull, service, deployment, refusals: round.refusals })
}

/// Collects what the API server refused, so that one child it does not accept leaves those alone that are not made
/// from it.
#[derive(Default)]
struct Round {
    refusals: Vec<Refusal>,
    /// Something was refused that others are made from.
    lacks_input: bool,
}

impl Round {
    async fn owned<T: writer::Applicable>(
        &mut self,
        writer: &Writer,
        child: Child<T>,
        live: &Standing<T>,
    ) -> Result<Option<T>, ApplyError> {
        match child {
            Child::Present(wanted) => self.keep(writer.owned(wanted, live.ours()).await, live.ours()),
            Child::Absent | Child::NotYet(_) => Ok(live.ours().cloned()),
        }
    }

    async fn generated(
        &mut self,
        writer: &Writer,
        child: Child<Secret>,
        live: &Standing<Secret>,
    ) -> Result<Option<Secret>, ApplyError> {
        match child {
            Child::Present(wanted) => {
                self.keep_input(writer.generated(wanted, live.ours()).await, live.ours())
            }
            Child::Absent | Child::NotYet(_) => Ok(live.ours().cloned()),
        }
    }

    /// What is made from others; not yet, as long as one of them could not be stored. Generated material is another one
    /// with every round: whatever was made from what was refused would be made from something lost.
    fn derived<T>(&self, child: Child<T>) -> Child<T> {
        if !self.lacks_input {
            return child;
        }
        let why = "waits until the API server accepts what it is made from";
        Child::NotYet(Finding::new(ConditionType::Reconciling, Reason::WriteRefused, why))
    }

    /// As [`Self::keep`], for what others are made from.
    fn keep_input<T: Clone>(
        &mut self,
        written: Result<T, ApplyError>,
        live: Option<&T>,
    ) -> Result<Option<T>, ApplyError> {
        self.lacks_input |= matches!(written, Err(ApplyError::Refused(_)));
        self.keep(written, live)
    }

    /// What is there now: the written object, or the live one if the write was refused.
    fn keep<T: Clone>(
        &mut self,
        written: Result<T, ApplyError>,
        live: Option<&T>,
    ) -> Result<Option<T>, ApplyError> {
        match written {
            Ok(object) => Ok(Some(object)),
            Err(ApplyError::Refused(refusal)) => {
                self.refusals.push(refusal);
                Ok(live.cloned())
            }
            Err(other) => Err(other),
        }
    }
}
