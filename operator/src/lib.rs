//! Reconciles Registries into the objects that make them run; the node agent.

pub mod args;
pub mod context;
pub mod controllers;
pub mod credentials;
pub mod health;
pub mod lease;
pub mod manager;
pub mod metrics;
pub mod node_agent;
pub mod pki;
pub mod telemetry;
