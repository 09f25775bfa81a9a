//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use entrepot_kind_tests::{cluster::plan::Node, tools::Tool};

/// Brings a real two-node Kubernetes cluster up on this machine, and down again.
#[derive(Debug, Parser)]
#[command(name = "kind-tests", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring the cluster up, or make sure that it is; builds what it needs, which takes minutes the first time
    Up,
    /// From nothing to a Pod on each node that runs an image out of a Registry; `make images` comes first
    Demo,
    /// Take the cluster down and leave nothing behind but the cache
    Down,
    /// Say whether the cluster is up and well
    Status,
    /// Build tools, and link their commands in the cache's `bin` folder
    Tools {
        /// Which ones
        #[arg(required = true)]
        tools: Vec<Tool>,
    },
    /// Give both nodes' containerd the images of OCI or docker archives
    LoadImage {
        /// The archives
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run a command in a node's namespaces, and end with its exit code
    On {
        /// The node
        node: Node,
        /// The command and its arguments
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
}
