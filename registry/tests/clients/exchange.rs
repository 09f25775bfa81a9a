use crate::support::{
    ALICE,
    client::Client::{self, Crane, Docker, Podman, Skopeo},
    dockerd::Dockerd,
    image::Image,
    layout::Layout,
    program::Program,
    sandbox::Sandbox,
    server::{Server, at_registry},
};

const CLIENTS: [Client; 4] = [Docker, Podman, Skopeo, Crane];

#[test]
fn what_one_client_pushed_every_other_one_pulls() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let _engine = Dockerd::start(&sandbox);
    for client in CLIENTS {
        client.login(&sandbox, ALICE).succeeded();
        push(&sandbox, client);
    }
    // Both engines name an image by the digest of its config, which says what is in every layer.
    let ids = CLIENTS.map(|by| CLIENTS.map(|pusher| pull(&sandbox, by, &name(pusher))));
    for of_one in &ids {
        assert_eq!(of_one, &ids[0]);
    }
}

fn name(pusher: Client) -> String {
    at_registry(&format!("by/{pusher:?}:1").to_lowercase())
}

/// Pushes an image of the client's own.
fn push(sandbox: &Sandbox, client: Client) {
    let layout = Layout::write(sandbox, "image", &Image::new(&format!("{client:?}")));
    let there = name(client);
    match client {
        Docker => {
            let destination = format!("docker-archive:docker.tar:{there}");
            Skopeo.run(sandbox, &["copy", &layout.reference(), &destination]).succeeded();
            Docker.run(sandbox, &["load", "--input", "docker.tar"]).succeeded();
            Docker.run(sandbox, &["push", &there]).succeeded();
        }
        Podman => {
            let id = Podman.run(sandbox, &["pull", "--quiet", "oci:image:latest"]).succeeded();
            Podman.run(sandbox, &["push", id.trim(), &there]).succeeded();
        }
        Skopeo => {
            let destination = format!("docker://{there}");
            Skopeo.run(sandbox, &["copy", &layout.reference(), &destination]).succeeded();
        }
        Crane => {
            Crane.run(sandbox, &["push", "image", &there]).succeeded();
        }
    }
}

/// Pulls `name` whole, and says the digest of its config, in hex.
fn pull(sandbox: &Sandbox, client: Client, name: &str) -> String {
    let id = match client {
        Docker => {
            Docker.run(sandbox, &["pull", "--quiet", name]).succeeded();
            Docker.run(sandbox, &["image", "inspect", "--format={{.Id}}", name]).succeeded()
        }
        Podman => Podman.run(sandbox, &["pull", "--quiet", name]).succeeded(),
        Skopeo => {
            let folder = format!("dir:{}", sandbox.path("pulled").display());
            Skopeo.run(sandbox, &["copy", &format!("docker://{name}"), &folder]).succeeded();
            config_digest(&std::fs::read_to_string(sandbox.path("pulled/manifest.json")).unwrap())
        }
        Crane => {
            Crane.run(sandbox, &["validate", "--remote", name]).succeeded();
            config_digest(&Crane.run(sandbox, &["manifest", name]).succeeded())
        }
    };
    id.trim().trim_start_matches("sha256:").to_owned()
}

fn config_digest(manifest: &str) -> String {
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}
