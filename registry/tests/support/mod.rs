//! What tests against real programs need: a sandbox to run them in, images to push, a registry to push to.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod dockerd;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod outcome;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod request;
pub(crate) mod sandbox;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod volume;

/// The registry's name in every sandbox. RFC 6761 keeps `.test` out of the real world.
pub(crate) const HOST: &str = "registry.test";
/// Where the name leads. Of RFC 5737's documentation range and no loopback address: docker verifies no certificate
/// of a registry that resolves into 127.0.0.0/8.
pub(crate) const ADDRESS: &str = "192.0.2.1";
/// What clients call the registry.
pub(crate) const REGISTRY: &str = "registry.test:5000";

/// May do everything; of the file that users write.
pub(crate) const ALICE: User = User { name: "alice", password: "correct horse: battery/staple" };
/// May only pull; of the file that an operator writes.
pub(crate) const READER: User = User { name: "reader", password: "may-only-pull" };

/// A name and a password.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}
