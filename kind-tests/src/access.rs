//! How a client gets at a Registry: its address, what to trust, who to be. Read from where the operator says.

use std::time::Duration;

use entrepot_crds::{Registry, names::Names};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{Api, Client, ResourceExt};

use crate::{cluster::ClusterError, progress::Progress, wait::Seen};

/// A user of a Registry as its Secret names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
    /// What docker, podman, skopeo and crane read as `config.json`.
    pub docker_config: String,
}

/// What a client in the cluster needs.
#[derive(Clone)]
pub struct Access {
    /// The name in image references: `main.registries.svc`.
    pub host: String,
    /// The Service's address, with its port unless that is 443. It is in the certificate, as the name is.
    pub address: String,
    /// PEM certificates to trust.
    pub ca: String,
    /// Who may do everything.
    pub admin: Credential,
    /// Who may only pull.
    pub pull: Credential,
}

/// A Registry is not what it should be by now.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The apiserver refused, or the wait was in vain.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Something that a Registry that is Ready has is absent.
    #[error("Registry {registry} is Ready but has no {what}")]
    Absent {
        /// `namespace/name`.
        registry: String,
        /// What is absent.
        what: String,
    },
}

/// Waits until a Registry is Ready in its current generation, and answers it as it then is.
pub async fn wait_ready(
    client: &Client,
    names: &Names,
    bound: Duration,
    progress: &Progress,
) -> Result<Registry, ClusterError> {
    let api: Api<Registry> = Api::namespaced(client.clone(), names.namespace());
    let awaited = format!("Registry {}/{} to be Ready", names.namespace(), names.name());
    let look = || async {
        let registry = api.get(names.name()).await?;
        let (ready, state) = readiness(&registry);
        Ok::<_, kube::Error>(if ready { Seen::Ready(registry) } else { Seen::NotYet(state) })
    };
    Ok(progress.wait(&awaited, bound, look).await?)
}

/// Is it Ready in its current generation? And in a word what its condition says.
pub fn readiness(registry: &Registry) -> (bool, String) {
    let status = registry.status.clone().unwrap_or_default();
    let Some(ready) = status.conditions.iter().find(|condition| condition.type_ == "Ready") else {
        return (false, "the operator has not looked at it yet".to_owned());
    };
    let current = registry.metadata.generation == ready.observed_generation;
    let state = format!("{}={} {}: {}", ready.type_, ready.status, ready.reason, ready.message);
    (current && ready.status == "True", state)
}

/// Waits until as many nodes as given can pull from a Registry.
pub async fn wait_nodes(
    client: &Client,
    names: &Names,
    nodes: i32,
    bound: Duration,
    progress: &Progress,
) -> Result<(), ClusterError> {
    let api: Api<Registry> = Api::namespaced(client.clone(), names.namespace());
    let awaited = format!("{nodes} nodes to be able to pull from {}/{}", names.namespace(), names.name());
    let look = || async {
        let status = api.get(names.name()).await?.status.unwrap_or_default();
        let reported = status.conditions.into_iter().find(|condition| condition.type_ == "NodeAccessReady");
        let message = reported.map(|condition| condition.message).unwrap_or_default();
        let nodes_now = status.node_access.unwrap_or_default();
        let all = nodes_now.desired_nodes == nodes && nodes_now.configured_nodes == nodes;
        let state = format!("{} of {}: {message}", nodes_now.configured_nodes, nodes_now.desired_nodes);
        Ok::<_, kube::Error>(if all { Seen::Ready(()) } else { Seen::NotYet(state) })
    };
    Ok(progress.wait(&awaited, bound, look).await?)
}

impl Access {
    /// Reads it for a Registry that is Ready.
    pub async fn read(client: &Client, registry: &Registry) -> Result<Self, AccessError> {
        let namespace = registry.namespace().unwrap_or_default();
        let names = Names::new(registry.name_any(), namespace.clone());
        let absent = |what: &str| AccessError::Absent {
            registry: format!("{}/{}", names.namespace(), names.name()),
            what: what.to_owned(),
        };
        let status = registry.status.clone().unwrap_or_default();
        let ip = status.cluster_ips.first().ok_or_else(|| absent("status.clusterIPs"))?;
        let url = status.internal_url.ok_or_else(|| absent("status.internalURL"))?;
        let host = url.strip_prefix("https://").ok_or_else(|| absent("https:// in status.internalURL"))?;
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let trust =
            config_maps.get(&names.trust_config_map()).await.map_err(api_error("read the trust bundle"))?;
        let ca = trust.data.unwrap_or_default().remove("ca.crt");
        let port = host.split_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        Ok(Self {
            address: format!("{ip}{port}"),
            host: host.to_owned(),
            ca: ca.ok_or_else(|| absent("ca.crt in the trust bundle"))?,
            admin: credential(client, &namespace, &names.admin_secret())
                .await?
                .ok_or_else(|| absent("admin's credential"))?,
            pull: credential(client, &namespace, &names.pull_secret())
                .await?
                .ok_or_else(|| absent("pull-only credential"))?,
        })
    }
}

async fn credential(client: &Client, namespace: &str, name: &str) -> Result<Option<Credential>, AccessError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = api.get(name).await.map_err(api_error("read a credential"))?;
    let mut data = secret.data.unwrap_or_default();
    let mut text = |key: &str| data.remove(key).and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
    let parts = (text("username"), text("password"), text(".dockerconfigjson"));
    Ok(match parts {
        (Some(username), Some(password), Some(docker_config)) => {
            Some(Credential { username, password, docker_config })
        }
        _ => None,
    })
}

fn api_error(action: &str) -> impl FnOnce(kube::Error) -> ClusterError + '_ {
    move |source| ClusterError::Api { action: action.to_owned(), source: Box::new(source) }
}
