//! The OCI registry server.

pub mod domain;
pub mod store;
pub mod upload;
