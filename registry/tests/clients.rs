//! What people push and pull with, against the registry itself: over TLS, with passwords, and when things go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod support;

mod clients {
    mod certificates;
    mod crane;
    mod crash;
    mod curl;
    mod docker;
    mod drop_in;
    mod exchange;
    mod podman;
    mod refusals;
    mod skopeo;
}
