//! A namespace that lasts as long as a story.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use k8s_openapi::{
    api::core::v1::Namespace as NamespaceObject, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};

use crate::{cache::Cache, cluster::ClusterError};

/// A namespace that goes when this value does.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    kubeconfig: PathBuf,
    ended: bool,
}

impl Namespace {
    /// Makes `<prefix>-<8 hexadecimal digits>`.
    pub(crate) async fn create(
        client: Client,
        kubeconfig: &Path,
        prefix: &str,
    ) -> Result<Self, ClusterError> {
        let digits = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{prefix}-{}", &digits[..8]);
        let object = NamespaceObject {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..NamespaceObject::default()
        };
        let created = Api::all(client).create(&PostParams::default(), &object).await;
        created.map_err(|source| ClusterError::Api {
            action: format!("make the namespace {name}"),
            source: Box::new(source),
        })?;
        Ok(Self { name, kubeconfig: kubeconfig.into(), ended: false })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it, without waiting until all that is in it has gone.
    pub async fn end(mut self, client: Client) -> Result<(), ClusterError> {
        self.ended = true;
        let namespaces: Api<NamespaceObject> = Api::all(client);
        match namespaces.delete(&self.name, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => {
                let action = format!("delete the namespace {}", self.name);
                Err(ClusterError::Api { action, source: Box::new(source) })
            }
        }
    }
}

impl Drop for Namespace {
    /// A story that panics ends here; `ENTREPOT_KEEP=1` leaves its namespace for looking at.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if std::thread::panicking() && std::env::var_os("ENTREPOT_KEEP").is_some() {
            eprintln!("keeping the namespace {}", self.name);
            return;
        }
        // Dropping cannot wait for a future, and the runtime may be going down: a process of its own does it.
        let built = Cache::from_environment().map(|cache| cache.bin().join("kubectl"));
        let kubectl = built.ok().filter(|path| path.exists()).unwrap_or_else(|| "kubectl".into());
        let deleted = Command::new(kubectl)
            .args(["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .stdout(Stdio::null())
            .status();
        if !deleted.is_ok_and(|status| status.success()) {
            eprintln!("the namespace {} could not be deleted", self.name);
        }
    }
}
