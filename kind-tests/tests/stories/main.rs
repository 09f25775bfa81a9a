//! What users do, told on a real cluster with the operator installed: one file a story, a namespace each, all at once.
//!
//! They take the images that `make images` builds, and the machine's one cluster, which they bring up if it is down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod actions;
mod certificate;
mod clients;
mod debian;
mod dns;
mod faults;
mod in_cluster_ci;
mod name_conflict;
mod node_files;
mod quick_start;
mod refusals;
mod retain;
mod storage_class;
mod user_certificate;
mod users;
