//! The command line: every flag and its environment variable, once.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Container registries as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = "operator", version, disable_help_subcommand = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which log lines to write: a level, or directives as in `info,kube_client=debug`.
    #[arg(long, global = true, env = "ENTREPOT_LOG", default_value = "info")]
    pub log: String,
    /// How to write them.
    #[arg(long, global = true, env = "ENTREPOT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

/// What the one binary can be.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers; of several replicas the one that holds the Lease works.
    Run(RunArgs),
    /// Configure this node's container runtime so that it pulls from every Registry.
    NodeAgent(NodeAgentArgs),
    /// Have every node agent remove its files, and wait for it: the step before an uninstall.
    CleanNodes(CleanNodesArgs),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's terminal.
    Text,
}

/// Flags of the controller manager.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The image of the registry server, for Registries that name none.
    #[arg(long, env = "ENTREPOT_REGISTRY_IMAGE", value_parser = not_empty)]
    pub registry_image: String,
    /// The cluster's DNS domain, as the kubelets' `clusterDomain` has it.
    #[arg(long, env = "ENTREPOT_CLUSTER_DOMAIN", default_value = "cluster.local", value_parser = domain)]
    pub cluster_domain: String,
    /// Where the node agents report.
    #[arg(long, env = "ENTREPOT_NODE_AGENT_NAMESPACE", default_value = "entrepot-nodes", value_parser = not_empty)]
    pub node_agent_namespace: String,
    /// Where the Lease is kept: the operator's own namespace.
    #[arg(long, env = "POD_NAMESPACE", value_parser = not_empty)]
    pub namespace: String,
    /// This replica's name in the Lease and in events.
    #[arg(long, env = "POD_NAME", default_value = "entrepot-operator", value_parser = not_empty)]
    pub pod_name: String,
    /// How many objects of one kind are reconciled at a time.
    #[arg(long, env = "ENTREPOT_CONCURRENCY", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    #[arg(long, env = "ENTREPOT_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,
}

/// Flags of the node agent.
#[derive(Debug, Clone, clap::Args)]
pub struct NodeAgentArgs {
    /// The node that this agent runs on.
    #[arg(long, env = "NODE_NAME", value_parser = not_empty)]
    pub node_name: String,
    /// Where to report: the agent's own namespace.
    #[arg(long, env = "POD_NAMESPACE", value_parser = not_empty)]
    pub namespace: String,
    /// The cluster's DNS domain, as the kubelets' `clusterDomain` has it.
    #[arg(long, env = "ENTREPOT_CLUSTER_DOMAIN", default_value = "cluster.local", value_parser = domain)]
    pub cluster_domain: String,
    /// The runtime's configuration folder. It must be mounted at the same path as on the node, for
    /// the files written there name each other by that path.
    #[arg(long, default_value = "/etc/containerd")]
    pub containerd_dir: PathBuf,
    /// Remove everything that agents wrote on this node, report so, and wait for the end.
    #[arg(long)]
    pub cleanup: bool,
}

/// Flags of the step before an uninstall.
#[derive(Debug, clap::Args)]
pub struct CleanNodesArgs {
    /// Where the node agents run.
    #[arg(long, env = "ENTREPOT_NODE_AGENT_NAMESPACE", default_value = "entrepot-nodes", value_parser = not_empty)]
    pub namespace: String,
    /// The agents' DaemonSet.
    #[arg(long, default_value = "entrepot-node-agent", value_parser = not_empty)]
    pub daemon_set: String,
    /// How many seconds to wait before giving up on nodes that do not answer.
    #[arg(long, default_value = "120", value_parser = seconds)]
    pub timeout: Duration,
}

fn not_empty(value: &str) -> Result<String, String> {
    if value.trim().is_empty() { Err("it must not be empty".to_owned()) } else { Ok(value.to_owned()) }
}

fn seconds(value: &str) -> Result<Duration, String> {
    value.parse().map(Duration::from_secs).map_err(|_| "it must be a number of seconds".to_owned())
}

/// A DNS domain without its final dot, in lower case: it becomes part of certificates and file names.
fn domain(value: &str) -> Result<String, String> {
    let domain = value.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 200 && domain.split('.').all(label) {
        Ok(domain)
    } else {
        Err("it must be a DNS domain such as cluster.local".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_domain_is_normalised_or_refused() {
        assert_eq!(domain("Cluster.Local."), Ok("cluster.local".to_owned()));
        for bad in ["", ".", "a..b", "-a.b", "../etc", "a/b", "a b", &"a".repeat(64)] {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_empty_image_is_refused() {
        let answer = Args::try_parse_from(["operator", "run", "--registry-image=", "--namespace=n"]);
        assert!(answer.unwrap_err().to_string().contains("--registry-image"));
    }
}
