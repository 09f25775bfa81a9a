//! The API over HTTP: headers in, a verb of the domain, headers out.
//!
//! ```text
//! request ──route──> Action ──dispatch: who? may they? while stopping?──> one file a resource ──> answer
//!                                        any error ──error──> status, code, message
//! ```

mod access_log;
mod action;
mod app;
mod blobs;
mod body;
mod call;
mod dispatch;
mod error;
mod lists;
mod location;
mod manifests;
mod range;
mod rate;
mod record;
mod route;
mod uploads;

pub use access_log::AccessLog;
pub use action::{Action, StartUpload, Upload};
pub use app::App;
pub use dispatch::router;
pub use error::ApiError;
pub use location::Locations;
pub use record::Peer;
pub use route::{RouteError, route};
