//! What an upload needs between two requests: who may go on with it, and the digest so far. Both are values; no I/O.

mod closed;
mod session;
mod state;

pub use closed::ClosedUploads;
pub use session::{Session, SessionError, Sessions};
pub use state::SavedState;
