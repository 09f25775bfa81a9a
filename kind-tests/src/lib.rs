//! Brings a real cluster up and down, and tells the user stories on it.

pub mod access;
pub mod apiserver;
pub mod busybox;
pub mod cache;
mod child;
pub mod cluster;
pub mod control_plane;
pub mod crane;
pub mod demo;
pub mod handle;
pub mod installation;
pub mod kubeconfig;
pub mod kubectl;
pub mod namespace;
pub mod oci_layout;
pub mod pki;
pub mod pods;
pub mod prerequisites;
pub mod process;
pub mod progress;
pub mod provider;
mod sha256;
pub mod state;
pub mod tools;
pub mod wait;

pub use cluster::plan::Node;
pub use control_plane::{ControlPlane, Options as ControlPlaneOptions};
pub use handle::Cluster;
pub use namespace::Namespace;
pub use pods::Pods;
pub use provider::Capability;
