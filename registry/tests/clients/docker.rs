use crate::support::{
    ALICE, READER, User,
    client::Client::{Docker, Skopeo},
    dockerd::Dockerd,
    image::{Blob, Image},
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry},
    volume::stored,
};

/// Puts `image` into the engine's own store, under the name `there`.
fn load(sandbox: &Sandbox, image: &Image, there: &str) {
    let layout = Layout::write(sandbox, "image", image);
    let archive = sandbox.path("image.tar");
    let destination = format!("docker-archive:{}:{there}", archive.display());
    Skopeo.run(sandbox, &["copy", &layout.reference(), &destination]).succeeded();
    Docker.run(sandbox, &["load", "--input", archive.to_str().unwrap()]).succeeded();
}

fn image_id(sandbox: &Sandbox, name: &str) -> String {
    Docker.run(sandbox, &["image", "inspect", "--format={{.Id}}", name]).succeeded().trim().to_owned()
}

#[test]
fn an_image_comes_back_as_it_was_pushed() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let _engine = Dockerd::start(&sandbox);
    let there = at_registry("team/docker:1");
    load(&sandbox, &Image::new("docker"), &there);
    let id = image_id(&sandbox, &there);
    Docker.login(&sandbox, ALICE).succeeded();
    let pushed = Docker.run(&sandbox, &["push", &there]).succeeded();
    let answer = Request::get("/v2/team/docker/manifests/1").by_alice().send(&sandbox);
    assert_eq!(answer.header("content-type"), "application/vnd.docker.distribution.manifest.v2+json");
    let digest = answer.header("docker-content-digest");
    assert!(pushed.contains(&format!("digest: {digest} size: {}", answer.body.len())), "{pushed}");

    Docker.run(&sandbox, &["rmi", &there]).succeeded();
    let pulled = Docker.run(&sandbox, &["pull", &there]).succeeded();
    assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
    assert_eq!(image_id(&sandbox, &there), id);
    // The engine mounts layers of one repository into another; the answer must be one that it understands.
    let elsewhere = at_registry("elsewhere/docker:1");
    Docker.run(&sandbox, &["tag", &there, &elsewhere]).succeeded();
    let pushed = Docker.run(&sandbox, &["push", &elsewhere]).succeeded();
    assert!(pushed.contains("Mounted from team/docker"), "{pushed}");
    assert!(pushed.contains(&format!("digest: {digest}")), "{pushed}");
}

#[test]
fn oci_images_and_indexes_are_pulled() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let _engine = Dockerd::start(&sandbox);
    Skopeo.login(&sandbox, ALICE).succeeded();
    Docker.login(&sandbox, ALICE).succeeded();
    let image = Image::new("docker oci");
    let index = Image::multi_arch("docker index");
    // An index's first part is the manifest of amd64, followed by its config.
    for (name, image, config) in [("image", &image, &image.parts[0]), ("index", &index, &index.parts[1])] {
        let layout = Layout::write(&sandbox, name, image);
        let there = at_registry(&format!("team/{name}:1"));
        let destination = format!("docker://{there}");
        Skopeo.run(&sandbox, &["copy", "--all", &layout.reference(), &destination]).succeeded();
        let pulled = Docker.run(&sandbox, &["pull", "--platform=linux/amd64", &there]).succeeded();
        assert!(pulled.contains(&format!("Digest: {}", image.top.digest())), "{pulled}");
        assert_eq!(image_id(&sandbox, &there), Blob::digest(config));
    }
}

#[test]
fn what_goes_wrong_is_said() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let _engine = Dockerd::start(&sandbox);
    let there = at_registry("team/docker:1");
    load(&sandbox, &Image::new("docker refused"), &there);
    let wrong = User { password: "guessed", ..ALICE };
    Docker.login(&sandbox, wrong).failed_saying(&["401 Unauthorized"]);
    Docker.run(&sandbox, &["push", &there]).failed_saying(&["no basic auth credentials"]);
    Docker.login(&sandbox, READER).succeeded();
    Docker.run(&sandbox, &["push", &there]).failed_saying(&[
        "denied",
        "user `reader` may only pull",
        "team/docker",
    ]);
    assert_eq!(stored(&sandbox), [].into());
    let absent = Docker.run(&sandbox, &["pull", &at_registry("team/docker:absent")]);
    absent.failed_saying(&["team/docker:absent not found", "manifest unknown"]);
    let digest = format!("sha256:{}", "0".repeat(64));
    let absent = Docker.run(&sandbox, &["pull", &at_registry(&format!("team/docker@{digest}"))]);
    absent.failed_saying(&["manifest unknown"]);
}
