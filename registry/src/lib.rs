//! The OCI registry server.
//!
//! ```text
//! cli ─> server ─> http ─> domain ─> store
//!                   └──> auth
//! ```
//! No arrow points back: what a push means knows nothing of HTTP, and what a store keeps nothing of pushes.

pub mod auth;
pub mod cli;
pub mod domain;
pub mod gate;
pub mod health;
pub mod http;
pub mod metrics;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod upload;

/// Everything that the data port answers, ready to be served or to be tested without a socket.
pub fn app(app: http::App) -> axum::Router {
    http::router(std::sync::Arc::new(app))
}
