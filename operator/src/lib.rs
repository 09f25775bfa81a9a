//! Reconciles Registries into the objects that make them run; the node agent.

pub mod credentials;
pub mod pki;
