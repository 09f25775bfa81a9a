use std::fs;

use crate::support::{
    ALICE,
    client::Client::{Docker, Podman, Skopeo},
    dockerd::Dockerd,
    program::Program,
    sandbox::Sandbox,
    server::Server,
};

/// What makes the other tests worth something: a client that does not know the authority does not talk.
#[test]
fn clients_that_do_not_know_the_authority_refuse() {
    let sandbox = Sandbox::new();
    fs::remove_dir_all(sandbox.path("etc-docker/certs.d")).unwrap();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let _engine = Dockerd::start(&sandbox);
    for client in [Docker, Podman, Skopeo] {
        client.login(&sandbox, ALICE).failed_saying(&["x509: certificate signed by unknown authority"]);
    }
}
