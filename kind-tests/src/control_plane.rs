//! An apiserver with its etcd and nothing else, for tests of what talks to an apiserver: no root, no nodes, no Pods, up in
//! seconds, any number at once.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;

use crate::{
    apiserver::{self, AUDIT_POLICY, Apiserver},
    cache::Cache,
    child::Child,
    cluster::{self, ClusterError, plan::SERVICE_RANGE},
    kubeconfig,
    pki::{self, Authority, Issued, Subject},
    process,
    progress::Progress,
    state::{self, StateError},
    tools::{self, Tool},
    wait::{Seen, wait_until},
};

const PORT: u16 = 6443;
/// Sockets in the working directory of both programs: no port to be taken by somebody else in between.
const ETCD: &str = "unix://etcd.sock:0";
const ETCD_PEER: &str = "unix://etcd-peer.sock:0";
const READY_WITHIN: Duration = Duration::from_secs(90);
const ATTEMPTS: usize = 5;

/// What a control plane should have beyond an apiserver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keep an audit log of writes ([`ControlPlane::audit_log`]).
    pub audit_log: bool,
    /// Run the controller manager too: garbage collection by owner, deletion of namespaces, replicas of Deployments.
    pub controllers: bool,
}

/// The control plane could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// A part that a whole cluster has as well.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A program ended before the apiserver was ready.
    #[error("{program} ended at its start:\n{log}")]
    Ended {
        /// Which one.
        program: &'static str,
        /// The last lines that it wrote.
        log: String,
    },
    /// A program or its folder cannot be had.
    #[error("cannot start {what}: {source}")]
    Start {
        /// Which one.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A running control plane. It ends when this value goes, and also when the process that holds it is killed.
pub struct ControlPlane {
    client: Client,
    // In this order: what is killed first no longer writes to the folder that is removed last.
    _children: Vec<Child>,
    folder: TempDir,
}

impl ControlPlane {
    /// Builds the tools if the cache lacks them (minutes, with progress), then starts; answers once `/readyz` says ok.
    pub async fn start(options: Options) -> Result<Self, ControlPlaneError> {
        let cache = Cache::from_environment().map_err(ClusterError::from)?;
        let ensured = tools::ensure(&cache, &Tool::CONTROL_PLANE, &Progress::on_stderr()).await;
        let bin = ensured.map_err(ClusterError::from)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(&bin, options).await {
                Err(ControlPlaneError::Ended { log, .. })
                    if attempt < ATTEMPTS && address_was_taken(&log) =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// The administrator's kubeconfig file; it goes with the control plane.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client that is nobody but `user` in `groups`: it may do what RBAC grants to these.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, ClusterError> {
        let path = self.kubeconfig();
        let failed = |reason: String| ClusterError::Kubeconfig { path: path.clone(), reason };
        let mut read = Kubeconfig::read_from(&path).map_err(|error| failed(error.to_string()))?;
        for auth in read.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
            auth.impersonate = Some(user.to_owned());
            auth.impersonate_groups = Some(groups.iter().map(|group| (*group).to_owned()).collect());
        }
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| failed(error.to_string()))?;
        Client::try_from(config).map_err(|error| failed(error.to_string()))
    }

    /// The audit log, if asked for: one JSON event of level Metadata a line, writes only.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    async fn attempt(bin: &Path, options: Options) -> Result<Self, ControlPlaneError> {
        let folder = tempfile::Builder::new().prefix("entrepot-apiserver-").tempdir();
        let folder = folder.map_err(|source| ControlPlaneError::Start { what: "a folder", source })?;
        let address = random_loopback();
        write_credentials(folder.path(), address)?;
        let spawn = |program: &'static str, arguments: Vec<String>| {
            let log = folder.path().join(format!("{program}.log"));
            Child::spawn(&bin.join(program), &arguments, folder.path(), &log)
                .map_err(|source| ControlPlaneError::Start { what: program, source })
        };
        let etcd = spawn("etcd", apiserver::etcd_arguments(&folder.path().join("etcd"), ETCD, ETCD_PEER))?;
        let server = spawn("kube-apiserver", server_arguments(folder.path(), address, options))?;
        let mut children = vec![("etcd", etcd), ("kube-apiserver", server)];
        let client = cluster::client(&folder.path().join("admin.kubeconfig")).await?;
        wait_ready(&client, &mut children, folder.path()).await?;
        if options.controllers {
            children.push((
                "kube-controller-manager",
                spawn("kube-controller-manager", manager_arguments(folder.path()))?,
            ));
        }
        let children = children.into_iter().map(|(_, child)| child).collect();
        Ok(Self { client, _children: children, folder })
    }
}

/// Any of the four million addresses 127.64.0.0 to 127.127.255.255: parallel tests do not meet, and the port stays fixed.
fn random_loopback() -> IpAddr {
    let random = uuid::Uuid::new_v4().into_bytes();
    // The last octet is neither a network's nor a broadcast address.
    Ipv4Addr::new(127, 64 + random[0] % 64, random[1], 1 + random[2] % 254).into()
}

fn address_was_taken(log: &str) -> bool {
    log.contains("address already in use")
}

fn write_credentials(folder: &Path, address: IpAddr) -> Result<(), ClusterError> {
    let now = SystemTime::now();
    let authority = Authority::generate("entrepot-control-plane", now)?;
    let write = |name: &str, content: &str| state::write_private(&folder.join(name), content);
    let write_pair = |name: &str, issued: &Issued| -> Result<(), StateError> {
        write(&format!("{name}.crt"), &issued.certificate)?;
        write(&format!("{name}.key"), &issued.key)
    };
    write("ca.crt", authority.certificate())?;
    let (public, private) = pki::token_key("ServiceAccount tokens")?;
    write("token.pub", &public)?;
    write("token.key", &private)?;
    let addresses = [address, Ipv4Addr::LOCALHOST.into()];
    let server = Subject { common_name: "kube-apiserver", addresses: &addresses, ..Subject::default() };
    write_pair("apiserver", &authority.issue(&server, now)?)?;
    let admin = Subject { common_name: "admin", organization: Some("system:masters"), ..Subject::default() };
    let admin = authority.issue(&admin, now)?;
    write_pair("kubelet-client", &admin)?;
    let url = format!("https://{address}:{PORT}");
    write("admin.kubeconfig", &kubeconfig::render(&url, authority.certificate(), &admin))?;
    write("audit-policy.json", AUDIT_POLICY)?;
    Ok(())
}

fn server_arguments(folder: &Path, address: IpAddr, options: Options) -> Vec<String> {
    let (policy, log) = (folder.join("audit-policy.json"), folder.join("audit.log"));
    apiserver::apiserver_arguments(&Apiserver {
        pki: folder,
        etcd: ETCD,
        bind: address,
        port: PORT,
        advertise: None,
        service_range: SERVICE_RANGE,
        audit: options.audit_log.then_some((&policy, &log)),
    })
}

fn manager_arguments(folder: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.join("admin.kubeconfig").display()),
        format!("--service-account-private-key-file={}", folder.join("token.key").display()),
        format!("--root-ca-file={}", folder.join("ca.crt").display()),
        format!("--flex-volume-plugin-dir={}", folder.join("volume-plugins").display()),
        "--leader-elect=false".to_owned(),
        // It serves nobody here, and would meet the next one at its port.
        "--secure-port=0".to_owned(),
    ]
}

async fn wait_ready(
    client: &Client,
    children: &mut [(&'static str, Child)],
    folder: &Path,
) -> Result<(), ControlPlaneError> {
    let children = std::sync::Mutex::new(children);
    let ended = || {
        let mut children = children.lock().ok()?;
        children.iter_mut().find_map(|(program, child)| child.has_ended().then_some(*program))
    };
    let look = || async {
        if let Some(program) = ended() {
            return Ok(Seen::Ready(Some(program)));
        }
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
        let answer = client.request_text(request).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(Seen::when(answer == "ok", None, answer))
    };
    match wait_until("the apiserver", READY_WITHIN, look).await {
        Ok(None) => Ok(()),
        Ok(Some(program)) => Err(ControlPlaneError::Ended { program, log: log_end(folder, program) }),
        Err(timed_out) => {
            let logs = format!("\n{}", log_end(folder, "kube-apiserver"));
            Err(ClusterError::TimedOut { source: timed_out, logs }.into())
        }
    }
}

fn log_end(folder: &Path, program: &str) -> String {
    process::last_lines(&fs::read(folder.join(format!("{program}.log"))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_loopback_and_rarely_meet() {
        let addresses: std::collections::BTreeSet<_> = (0..64).map(|_| random_loopback()).collect();
        assert!(addresses.iter().all(IpAddr::is_loopback));
        assert!(addresses.len() > 60, "{addresses:?}");
    }
}
