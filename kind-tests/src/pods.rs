//! Pods of a story: made, waited for, read.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{
    Api, Client,
    api::{LogParams, PostParams},
};
use serde_json::Value;

use crate::{
    cluster::ClusterError,
    wait::{Seen, wait_until},
};

/// The Pods of one namespace.
#[derive(Clone)]
pub struct Pods {
    api: Api<Pod>,
}

impl Pods {
    /// Those of `namespace`.
    pub fn of(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// Makes a Pod from its name and spec, labelled `app: <name>`.
    pub async fn create(&self, name: &str, spec: Value) -> Result<(), ClusterError> {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec,
        });
        let action = format!("make the Pod {name}");
        let pod: Pod = serde_json::from_value(object).map_err(|error| ClusterError::Api {
            action: action.clone(),
            source: Box::new(kube::Error::SerdeError(error)),
        })?;
        let created = self.api.create(&PostParams::default(), &pod).await;
        created.map_err(|source| ClusterError::Api { action, source: Box::new(source) })?;
        Ok(())
    }

    /// Waits until a Pod is Ready.
    pub async fn wait_ready(&self, name: &str, bound: Duration) -> Result<(), ClusterError> {
        let look = || async {
            let pod = self.api.get(name).await?;
            Ok::<_, kube::Error>(Seen::when(is_ready(&pod), (), describe(&pod)))
        };
        Ok(wait_until(&format!("the Pod {name} to be Ready"), bound, look).await?)
    }

    /// Waits until a Pod has run to its end, and answers whether it succeeded and what it wrote.
    pub async fn wait_finished(&self, name: &str, bound: Duration) -> Result<(bool, String), ClusterError> {
        let look = || async {
            let pod = self.api.get(name).await?;
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
            let finished = phase == "Succeeded" || phase == "Failed";
            Ok::<_, kube::Error>(Seen::when(finished, phase == "Succeeded", describe(&pod)))
        };
        let succeeded = wait_until(&format!("the Pod {name} to finish"), bound, look).await?;
        Ok((succeeded, self.logs(name).await?))
    }

    /// What a Pod's only container has written so far.
    pub async fn logs(&self, name: &str) -> Result<String, ClusterError> {
        let logs = self.api.logs(name, &LogParams::default()).await;
        let action = format!("read what the Pod {name} wrote");
        logs.map_err(|source| ClusterError::Api { action, source: Box::new(source) })
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The phase, and why what does not run does not.
fn describe(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else { return vec!["no status".to_owned()] };
    let mut told = vec![status.phase.clone().unwrap_or_default()];
    let conditions = status.conditions.iter().flatten();
    told.extend(conditions.filter(|c| c.status != "True").filter_map(|c| c.message.clone()));
    let statuses = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    told.extend(statuses.filter_map(trouble));
    told
}

fn trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let (reason, message) = match (&state.waiting, &state.terminated) {
        (Some(waiting), _) => (&waiting.reason, &waiting.message),
        (_, Some(ended)) => (&ended.reason, &ended.message),
        _ => return None,
    };
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Some(format!("{}: {} {}", container.name, text(reason), text(message)))
}
