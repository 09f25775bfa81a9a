//! What people push and pull with, against the registry itself: over TLS, with passwords, and when things go wrong.

mod support;

mod clients {
    mod crane;
    mod curl;
    mod docker;
    mod podman;
    mod skopeo;
}
