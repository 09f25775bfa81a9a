//! The operator and its kinds against a real apiserver: `cargo test -p entrepot-operator --test apiserver`.

// In a test a panic is the report, in its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod children;
mod faults;
mod lifecycle;
mod permissions;
mod refusals;
mod rules;
mod running;
mod unions;
mod world;
