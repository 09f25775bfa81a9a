//! What users do, told on a real cluster with the operator installed: one file a story, a namespace each, all at once.
//!
//! They take the images that `make images` builds, and the machine's one cluster, which they bring up if it is down.

mod support;

mod clients;
mod faults;
mod quick_start;
mod retain;
mod user_certificate;
