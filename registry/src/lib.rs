//! The OCI registry server.
