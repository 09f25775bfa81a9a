use std::fs;

use crate::support::{
    ALICE, READER, User,
    client::Client::Podman,
    image::Image,
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry},
    volume::stored,
};

/// Puts `image` into podman's own store, under the name `there`.
fn load(sandbox: &Sandbox, image: &Image, there: &str) -> String {
    Layout::write(sandbox, "image", image);
    // A relative path: podman makes a name of it, and refuses the upper case of a temporary folder's.
    let id = Podman.run(sandbox, &["pull", "--quiet", "oci:image:latest"]).succeeded().trim().to_owned();
    Podman.run(sandbox, &["tag", &id, there]).succeeded();
    id
}

#[test]
fn an_image_comes_back_as_it_was_pushed() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let there = at_registry("team/podman:1");
    let id = load(&sandbox, &Image::new("podman"), &there);
    Podman.login(&sandbox, ALICE).succeeded();
    let digest_file = sandbox.path("digest");
    let option = format!("--digestfile={}", digest_file.display());
    Podman.run(&sandbox, &["push", &option, &there]).succeeded();
    let digest = fs::read_to_string(digest_file).unwrap();
    let answer = Request::new("HEAD", "/v2/team/podman/manifests/1").by_alice().send(&sandbox);
    assert_eq!(answer.header("docker-content-digest"), digest);

    Podman.run(&sandbox, &["rmi", "--all", "--force"]).succeeded();
    let pulled = Podman.run(&sandbox, &["pull", "--quiet", &there]).succeeded();
    assert_eq!(pulled.trim(), id);
    let inspected = Podman.run(&sandbox, &["image", "inspect", "--format={{.Digest}}", &there]).succeeded();
    assert_eq!(inspected.trim(), digest);
}

#[test]
fn an_index_is_pushed_whole_and_pulled_by_architecture() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Podman.login(&sandbox, ALICE).succeeded();
    let image = Image::multi_arch("podman index");
    let layout = Layout::write(&sandbox, "index", &image);
    let there = at_registry("team/multi:1");
    Podman.run(&sandbox, &["manifest", "create", "--all", "multi", &layout.reference()]).succeeded();
    Podman.run(&sandbox, &["manifest", "push", "--all", "multi", &format!("docker://{there}")]).succeeded();
    for (architecture, manifest) in [("amd64", 0), ("arm64", 1)] {
        let descriptor =
            &Request::get("/v2/team/multi/manifests/1").by_alice().send(&sandbox).json()["manifests"];
        assert_eq!(descriptor[manifest]["platform"]["architecture"], architecture);
        Podman.run(&sandbox, &["pull", "--quiet", "--arch", architecture, &there]).succeeded();
        let inspect = ["image", "inspect", "--format={{.Architecture}}", &there];
        assert_eq!(Podman.run(&sandbox, &inspect).succeeded().trim(), architecture);
    }
}

#[test]
fn what_goes_wrong_is_said() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let there = at_registry("team/podman:1");
    load(&sandbox, &Image::new("podman refused"), &there);
    let wrong = User { password: "guessed", ..ALICE };
    Podman.login(&sandbox, wrong).failed_saying(&["invalid username/password"]);
    Podman.run(&sandbox, &["push", &there]).failed_saying(&["authentication required"]);
    Podman.login(&sandbox, READER).succeeded();
    Podman.run(&sandbox, &["push", &there]).failed_saying(&["user `reader` may only pull", "team/podman"]);
    assert_eq!(stored(&sandbox), [].into());
    Podman.run(&sandbox, &["pull", &at_registry("team/podman:absent")]).failed_saying(&["manifest unknown"]);
}
