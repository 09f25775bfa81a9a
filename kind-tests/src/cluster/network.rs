//! Links and routes. Nodes have no default route, and the host refuses the cluster's ranges, so that no packet for a
//! cluster address ever leaves the machine, whether or not something answers it here.

use super::plan::{API_ADDRESS, HOST_ADDRESS, HOST_DEVICE, NODE_RANGE, Node, POD_RANGE, SERVICE_RANGE};
use crate::process::{self, CommandError};

/// Marks the host's routes as ours, for their removal (`ip route` shows it as `proto 201`).
const ROUTE_PROTOCOL: &str = "201";
/// High, so that an existing route of exactly the same range, which has its reason, stays in force.
const ROUTE_METRIC: &str = "42000";

/// Joins the nodes' namespaces, which exist, to each other and the first one to the host.
pub async fn connect() -> Result<(), CommandError> {
    for arguments in connect_commands() {
        process::ip(&arguments).await?;
    }
    Ok(())
}

/// Removes what [`connect`] made outside the namespaces; what is not there counts as removed.
pub async fn disconnect() {
    let _ = process::ip(&format!("link delete {HOST_DEVICE}")).await;
    for range in refused_ranges() {
        let route = format!("route delete unreachable {range} metric {ROUTE_METRIC} proto {ROUTE_PROTOCOL}");
        let _ = process::ip(&route).await;
    }
}

fn refused_ranges() -> [&'static str; 3] {
    [SERVICE_RANGE, POD_RANGE, NODE_RANGE]
}

fn connect_commands() -> Vec<String> {
    let (first, second) = (Node::N1.namespace(), Node::N2.namespace());
    let mut commands: Vec<String> = refused_ranges()
        .map(|range| {
            format!("route replace unreachable {range} metric {ROUTE_METRIC} proto {ROUTE_PROTOCOL}")
        })
        .into();
    commands.extend([
        format!("link add {HOST_DEVICE} type veth peer name host0 netns {first}"),
        format!("address add {HOST_ADDRESS} dev {HOST_DEVICE}"),
        format!("link set {HOST_DEVICE} up"),
        format!("-n {first} address add {API_ADDRESS}/30 dev host0"),
        format!("-n {first} link set host0 up"),
        format!("-n {first} link add nodes0 type veth peer name nodes0 netns {second}"),
    ]);
    // One kubeconfig serves on the host and on both nodes.
    let api_route = format!("-n {second} route add {API_ADDRESS} via {}", Node::N1.address());
    for node in Node::ALL {
        let (namespace, other) = (node.namespace(), node.other());
        commands.extend([
            format!("-n {namespace} link set lo up"),
            format!("-n {namespace} address add {}/24 dev nodes0", node.address()),
            format!("-n {namespace} link set nodes0 up"),
            // kube-proxy rewrites a Service address only after a route for it was found; this one leads nowhere else.
            format!("-n {namespace} route add {SERVICE_RANGE} dev lo"),
            format!("-n {namespace} route add {} via {}", other.pod_range(), other.address()),
        ]);
    }
    commands.push(api_route);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_node_has_a_way_out() {
        let commands = connect_commands();
        assert!(commands.iter().all(|command| !command.contains("default")), "{commands:#?}");
    }

    #[test]
    fn the_host_refuses_the_ranges_before_any_link_exists() {
        let commands = connect_commands();
        let first_link = commands.iter().position(|command| command.starts_with("link")).unwrap();
        assert_eq!(first_link, 3, "{commands:#?}");
        assert!(commands[..3].iter().all(|command| command.starts_with("route replace unreachable")));
    }
}
