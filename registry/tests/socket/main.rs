//! The real program on a real socket: what no test in memory can show.

// A panic is how a test reports, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod client;
mod crash;
mod early_errors;
mod handover;
mod inputs;
mod process;
mod slow_peers;
mod stop;
mod tls;
mod users;
