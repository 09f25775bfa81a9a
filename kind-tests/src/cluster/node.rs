//! What runs on every node: containerd, kubelet, kube-proxy, and how they are configured.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    ClusterError, daemon,
    images::PAUSE_NAME,
    namespaces::Inside,
    plan::{CLUSTER_DOMAIN, DNS_SERVICE, Node, POD_RANGE},
};
use crate::{
    prerequisites::CNI_FOLDER,
    process,
    state::{self, ClusterDir},
    wait::{Seen, wait_until},
};

/// Starts containerd, waits until it answers and gives it the images that no registry has.
pub async fn start_runtime(
    dir: &ClusterDir,
    node: Node,
    inside: Inside,
    images: &[&Path],
) -> Result<(), ClusterError> {
    let config = dir.node_data(node, "etc-containerd").join("config.toml");
    state::create_folder(&dir.node_data(node, "etc-containerd/certs.d"))?;
    state::write_private(&config, &containerd_config())?;
    let network = format!("{:#}\n", cni_config(node));
    state::write_private(&dir.node_data(node, "etc-cni").join("10-entrepot.conflist"), &network)?;
    daemon(dir, node, inside, "containerd", &[])?;
    // The kubelet gives up for good if the runtime does not answer when it starts.
    let answers = || async { super::ctr(inside, &["version"]).await.map(|_| Seen::Ready(())) };
    wait_until("containerd", Duration::from_secs(30), answers).await?;
    for image in images {
        import(inside, image).await?;
    }
    Ok(())
}

/// Gives a node's containerd the images of an OCI or docker archive.
pub async fn import(inside: Inside, archive: &Path) -> Result<(), ClusterError> {
    // Inside, the working folder is another one.
    let path =
        archive.canonicalize().map_err(|source| ClusterError::Archive { path: archive.into(), source })?;
    let path = path.display().to_string();
    super::ctr(inside, &["images", "import", &path]).await?;
    Ok(())
}

/// Starts the kubelet and kube-proxy; the runtime and the apiserver answer already.
pub fn start_kubelet(dir: &ClusterDir, node: Node, inside: Inside) -> Result<(), ClusterError> {
    let resolv_conf = dir.node_state(node, "resolv.conf");
    // Pods with `dnsPolicy: Default` get this one; the host's would have them ask a server that they cannot reach.
    state::write_private(&resolv_conf, &format!("nameserver {DNS_SERVICE}\n"))?;
    let kubelet = dir.node_state(node, "kubelet.json");
    state::write_private(&kubelet, &format!("{:#}\n", kubelet_config(dir, node, &resolv_conf)))?;
    let arguments = [
        format!("--config={}", kubelet.display()),
        format!("--kubeconfig={}", dir.pki(&format!("{}.kubeconfig", node.name())).display()),
        format!("--hostname-override={}", node.name()),
        format!("--node-ip={}", node.address()),
    ];
    daemon(dir, node, inside, "kubelet", &arguments)?;
    let proxy = dir.node_state(node, "kube-proxy.json");
    state::write_private(&proxy, &format!("{:#}\n", proxy_config(dir, node)))?;
    daemon(dir, node, inside, "kube-proxy", &[format!("--config={}", proxy.display())])?;
    Ok(())
}

fn containerd_config() -> String {
    format!(
        r#"version = 3
# They would make folders on the host outside of what the node has to itself, and nothing here uses them.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE_NAME}"
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "/etc/containerd/certs.d"
[plugins.'io.containerd.cri.v1.runtime']
  # Lowering the score takes a capability that root lacks inside many containers and virtual machines.
  restrict_oom_score_adj = true
  # A profile that is loaded into the kernel would outlive the cluster.
  disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{CNI_FOLDER}"]
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
"#
    )
}

fn cni_config(node: Node) -> Value {
    json!({"cniVersion": "1.0.0", "name": "entrepot", "plugins": [
        {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": {
            "type": "host-local", "dataDir": "/run/containerd/ipam", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": node.pod_range()}]]}},
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
}

fn kubelet_config(dir: &ClusterDir, node: Node, resolv_conf: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true},
                           "x509": {"clientCAFile": dir.pki("ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": dir.pki(&format!("{}.crt", node.name())),
        "tlsPrivateKeyFile": dir.pki(&format!("{}.key", node.name())),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": resolv_conf,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", node.namespace()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        // The values it wants are shown to it; it must never set them, they are the whole machine's.
        "protectKernelDefaults": true,
        // The disk is the machine's own: how full it is says nothing about the cluster.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                         "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": false,
    })
}

fn proxy_config(dir: &ClusterDir, node: Node) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "clientConnection": {"kubeconfig": dir.pki("proxy.kubeconfig")},
        "hostnameOverride": node.name(),
        // Zero means: leave the setting of the kernel alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
}

/// Runs a command in a node's namespaces and answers its standard output.
pub async fn run(inside: Inside, program: &str, arguments: &[&str]) -> Result<String, process::CommandError> {
    let mut command = inside.command(program);
    command.args(arguments);
    command.env_clear().env("PATH", super::SYSTEM_PATH);
    process::run(&mut command.into()).await
}
