//! The API without a socket: one request in, the whole answer out.

// A panic is how a test reports, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answer;
mod auth;
mod base;
mod blobs;
mod fixture;
mod lists;
mod manifests;
mod uploads;
