//! What happens to Registries when the operator dies, is there twice, or has nothing to do.
//!
//! There is one operator, so these stories are told one after the other, whatever the number of threads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod leaders;
mod operator;
mod steady_state;
mod sudden_death;

use tokio::sync::{Mutex, MutexGuard};

/// Waits for its turn. A story that failed leaves the operator as it found it, or the next one says so.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
