//! The controller of Registries: five steps, each in a file or folder of its own.

pub mod apply;
pub mod build;
pub mod deletion;
pub mod events;
pub mod finding;
pub mod live;
mod misunderstood;
pub mod nodes;
pub mod observe;
pub mod ownership;
mod publish;
pub mod references;
mod retry;
mod run;
mod secret_watches;
pub mod status;
pub mod validate;

use std::time::Duration;

use entrepot_crds::Registry;
use entrepot_crds::conditions::Reason;
use entrepot_crds::names::Names;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use self::deletion::FinalizerStep;
use self::finding::Finding;
use self::publish::Found;
use self::retry::next_look;
pub use self::run::{Reconciler, run};
use crate::context::Context;

/// A round could not be finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Reading what is there.
    #[error(transparent)]
    Observe(#[from] observe::ObserveError),
    /// Making what is to be there.
    #[error(transparent)]
    Build(#[from] build::BuildError),
    /// Writing it.
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
    /// Removing what a Registry would leave behind.
    #[error(transparent)]
    Deletion(#[from] deletion::DeletionError),
    /// Reading the Registry or writing its status.
    #[error(transparent)]
    Publish(#[from] publish::PublishError),
}

impl ReconcileError {
    /// Two writers met, and this one lost: the next round reads what the other wrote.
    pub fn is_lost_race(&self) -> bool {
        match self {
            Self::Apply(error) => matches!(error, apply::ApplyError::Lost { .. }),
            Self::Publish(error) => error.is_conflict(),
            Self::Deletion(error) => error.is_conflict(),
            Self::Observe(_) | Self::Build(_) => false,
        }
    }
}

/// One round for one Registry. The object that triggered it may be old: the round works on what the API server has.
pub async fn reconcile(
    cached: &DeserializeGuard<Registry>,
    reconciler: &Reconciler,
) -> Result<Action, ReconcileError> {
    let context = &reconciler.context;
    let registry = match publish::read(context, cached).await? {
        Found::Registry(registry) => *registry,
        Found::Invalid(invalid) => {
            // Its status cannot be written without understanding it, and the others must not wait for it.
            if reconciler.misunderstood.is_news(&invalid.metadata) {
                events::not_understood(context, cached, &invalid.error).await;
            }
            return Ok(Action::await_change());
        }
        Found::Gone => {
            reconciler.secrets.forget(&cached.namespace().unwrap_or_default(), &cached.name_any());
            reconciler.misunderstood.forget(cached.meta());
            return Ok(Action::await_change());
        }
    };
    reconciler.secrets.watch(&registry);
    let identity = match validate::identity(&registry) {
        Ok(identity) => identity,
        Err(error) => return invalid(context, &registry, &error.to_string()).await,
    };
    let names = Names::new(&identity.name, &identity.namespace);
    match deletion::step(&registry) {
        FinalizerStep::Reconcile => {
            let nodes = reconciler.nodes.of(&identity.uid);
            Box::pin(round(context, &registry, &names, nodes)).await
        }
        FinalizerStep::Add => {
            deletion::set_finalizer(&context.client, &registry, true).await?;
            Ok(Action::requeue(Duration::ZERO))
        }
        FinalizerStep::Remove => {
            deletion::set_finalizer(&context.client, &registry, false).await?;
            Ok(Action::requeue(Duration::ZERO))
        }
        FinalizerStep::DeleteAndRemove => {
            deletion::delete_kept(&context.client, &identity, &names).await?;
            deletion::set_finalizer(&context.client, &registry, false).await?;
            Ok(Action::await_change())
        }
        FinalizerStep::LetGo => Ok(Action::await_change()),
    }
}

/// The five steps.
async fn round(
    context: &Context,
    registry: &Registry,
    names: &Names,
    nodes: Option<Vec<nodes::OnNode>>,
) -> Result<Action, ReconcileError> {
    let now = (context.clock)();
    // What is there (client)
    let observed = Box::pin(observe::observe(&context.client, registry, names, nodes)).await?;
    // What of it is sound (pure)
    let validated = match validate::validate(registry, observed, &context.settings, now) {
        Ok(validated) => validated,
        Err(error) => return invalid(context, registry, &error.to_string()).await,
    };
    // What is to be there (pure but for randomness)
    let plan = build::build(&validated, now, &mut rand::rng())?;
    let pending = plan.pending();
    // Make it so (client)
    let applied = Box::pin(apply::apply(&context.client, &validated, plan)).await?;
    // What to tell (pure)
    let round = status::Round {
        previous: registry.status.as_ref(),
        generation: registry.metadata.generation,
        validated: &validated,
        pending: &pending,
        applied: &applied,
    };
    let next = status::status(&round, now);
    publish::status(context, registry, next).await?;
    Ok(Action::requeue(next_look(&validated, &pending, &applied, now)))
}

async fn invalid(context: &Context, registry: &Registry, message: &str) -> Result<Action, ReconcileError> {
    let now = (context.clock)();
    let next = status::invalid(registry.status.as_ref(), registry.metadata.generation, message, now);
    publish::status(context, registry, next).await?;
    Ok(Action::await_change())
}

/// Whether `pending` holds something that the next round has anyway.
fn waits_for_address(pending: &[Finding]) -> bool {
    pending.iter().any(|finding| finding.reason == Reason::ServiceAddressPending)
}
