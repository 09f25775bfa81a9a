//! The credentials that a Registry is born with: generated, never defaulted.
//!
//! Everything here is pure; randomness comes in as an argument, except bcrypt's salt, which the
//! library draws from the operating system.

mod docker_config;
mod htpasswd;
mod random;

pub use docker_config::docker_config_json;
pub use htpasswd::{HtpasswdError, htpasswd_line, htpasswd_verifies};
pub use random::{http_secret, password};
