//! The cluster's DNS server, as objects of the cluster itself.

use std::{path::Path, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use super::ClusterError;
use crate::{
    process,
    state::ClusterDir,
    wait::{Seen, wait_until},
};

const MANIFEST: &str = include_str!("coredns.yaml");

/// Applies the DNS server's objects.
pub async fn apply(dir: &ClusterDir, kubectl: &Path) -> Result<(), ClusterError> {
    let file = dir.state.join("coredns.yaml");
    crate::state::write_private(&file, MANIFEST)?;
    let arguments = [
        "--kubeconfig".as_ref(),
        dir.kubeconfig().into_os_string().as_os_str(),
        "apply".as_ref(),
        "--server-side".as_ref(),
        "--force-conflicts".as_ref(),
        "-f".as_ref(),
        file.as_os_str(),
    ]
    .map(std::ffi::OsStr::to_owned);
    process::call(kubectl, arguments).await?;
    Ok(())
}

/// Waits until the DNS server answers.
pub async fn wait_ready(client: &Client, bound: Duration) -> Result<(), ClusterError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    wait_until("the cluster's DNS", bound, || async {
        let status = deployments.get("coredns").await?.status.unwrap_or_default();
        let available = status.available_replicas.unwrap_or_default();
        Ok::<_, kube::Error>(Seen::when(available > 0, (), &status.conditions))
    })
    .await?;
    Ok(())
}
