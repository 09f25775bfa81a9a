//! Who asks, and whether they may.
//!
//! ```text
//! Authorization header ──basic──> Credentials ──authenticator──> Identity ┐
//! method, path ──http::route──> Action ──> Permission ────────────────────┴─decide──> Decision
//! ```

mod authenticator;
mod basic;
mod decide;
mod identity;
mod nobody;
mod permission;
mod verified;

pub use authenticator::{AuthenticationError, Authenticator};
pub use basic::Credentials;
pub use decide::{Decision, Denial, decide};
pub use identity::{Identity, Role};
pub use permission::{Access, Permission};
