//! The registry's configuration file: distribution's schema, `REGISTRY_*` overrides, validation.
//!
//! ```text
//! file text ─┐
//!            ├─> tree (every value knows its line or variable) ──read──> Config, warnings
//! REGISTRY_* ┘
//! ```
//!
//! A [`Config`] is a valid one: [`Config::load`] is the only way from text to the type, and it answers with *every*
//! problem it found. The same type serialises to a file that loads as the same value, so whoever writes
//! configuration files for the server builds a [`Config`] and cannot misspell a key.
//!
//! Keys are those of the [distribution configuration](https://distribution.github.io/distribution/about/configuration/);
//! whatever is our own lies beneath the one top-level key `entrepot`.

mod address;
mod config;
mod duration;
mod entrepot;
mod env;
mod error;
mod http;
mod load;
mod log;
mod public_url;
mod reader;
mod secret;
mod storage;
mod tree;
mod user_file;

pub use address::{ListenAddress, ListenAddressError};
pub use config::{Auth, Config, Htpasswd, Version};
pub use duration::{GoDuration, GoDurationError};
pub use entrepot::{CertificatePair, Entrepot, EntrepotAuth, EntrepotHttp, EntrepotTls, ManagedUsers};
pub use error::{ConfigError, Place, Problem, Warning};
pub use http::{Debug as DebugListener, Http, Prometheus};
pub use log::{AccessLog, Formatter, Level, Log};
pub use public_url::{PublicUrl, PublicUrlError};
pub use secret::Secret;
pub use storage::{Delete, Filesystem, Storage};
pub use user_file::{UserFile, UserFileError};
