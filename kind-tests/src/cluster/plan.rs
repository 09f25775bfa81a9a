//! The fixed facts of the built cluster: its nodes, names and addresses. One place, since each of them appears in routes,
//! certificates and configuration at once.

use std::net::{IpAddr, Ipv4Addr};

/// A node of the built cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Node {
    /// The first node, whose namespaces also hold the control plane.
    N1,
    /// The second node.
    N2,
}

/// Where Services live.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// Where Pods live, a /24 a node.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The link between the nodes.
pub const NODE_RANGE: &str = "10.201.0.0/24";
/// The first address of the Service range: `kubernetes.default.svc`.
pub const API_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));
/// The cluster's DNS server.
pub const DNS_SERVICE: &str = "10.96.0.10";
/// The domain under which Services have names.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// The host's end of its link to the first node.
pub const HOST_ADDRESS: &str = "10.200.0.1/30";
/// The first node's end of that link: where the host talks to the apiserver.
pub const API_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 200, 0, 2));
/// The host's end by its device name.
pub const HOST_DEVICE: &str = "entrepot0";

impl Node {
    /// Both nodes.
    pub const ALL: [Self; 2] = [Self::N1, Self::N2];

    /// The name of the Kubernetes Node.
    pub fn name(self) -> &'static str {
        match self {
            Self::N1 => "n1",
            Self::N2 => "n2",
        }
    }

    /// The network namespace, and the cgroup that the node's Pods are in.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::N1 => "entrepot-n1",
            Self::N2 => "entrepot-n2",
        }
    }

    /// The node's address.
    pub fn address(self) -> IpAddr {
        match self {
            Self::N1 => Ipv4Addr::new(10, 201, 0, 1).into(),
            Self::N2 => Ipv4Addr::new(10, 201, 0, 2).into(),
        }
    }

    /// The addresses of the node's Pods.
    pub fn pod_range(self) -> &'static str {
        match self {
            Self::N1 => "10.244.1.0/24",
            Self::N2 => "10.244.2.0/24",
        }
    }

    /// What runs on it for as long as it lives.
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::N1 => &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "containerd",
                "kubelet",
                "kube-proxy",
            ],
            Self::N2 => &["containerd", "kubelet", "kube-proxy"],
        }
    }

    /// The other node.
    pub fn other(self) -> Self {
        match self {
            Self::N1 => Self::N2,
            Self::N2 => Self::N1,
        }
    }
}
