use std::fs;

use crate::support::{
    ALICE, READER, User,
    client::Client::Skopeo,
    image::Image,
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry},
    snapshot::Snapshot,
    volume::stored,
};

#[test]
fn an_image_comes_back_as_it_was_pushed() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    for (name, image, all) in [
        ("image", Image::new("skopeo"), &[][..]),
        ("index", Image::multi_arch("skopeo index"), &["--all"][..]),
    ] {
        let layout = Layout::write(&sandbox, name, &image);
        let there = format!("docker://{}", at_registry(&format!("team/{name}:1")));
        let back = sandbox.path(&format!("{name}-back"));
        let returned = format!("oci:{}:latest", back.display());
        Skopeo.run(&sandbox, &[&["copy"], all, &[&layout.reference(), &there]].concat()).succeeded();
        Skopeo.run(&sandbox, &[&["copy"], all, &[&there, &returned]].concat()).succeeded();
        for blob in image.parts.iter().chain([&image.top]) {
            let file = back.join("blobs/sha256").join(blob.digest().trim_start_matches("sha256:"));
            assert_eq!(fs::read(file).unwrap(), blob.content);
        }
        let raw = Skopeo.run(&sandbox, &["inspect", "--raw", &there]).succeeded();
        assert_eq!(raw.as_bytes(), image.top.content);
    }
}

#[test]
fn an_image_in_dockers_format_keeps_its_digest() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let layout = Layout::write(&sandbox, "image", &Image::new("v2s2"));
    let folder = format!("dir:{}", sandbox.path("v2s2").display());
    let there = format!("docker://{}", at_registry("team/docker:1"));
    let back = format!("dir:{}", sandbox.path("v2s2-back").display());
    Skopeo.run(&sandbox, &["copy", "--format", "v2s2", &layout.reference(), &folder]).succeeded();
    Skopeo.run(&sandbox, &["copy", "--preserve-digests", &folder, &there]).succeeded();
    Skopeo.run(&sandbox, &["copy", "--preserve-digests", &there, &back]).succeeded();
    let manifest = fs::read(sandbox.path("v2s2/manifest.json")).unwrap();
    assert_eq!(fs::read(sandbox.path("v2s2-back/manifest.json")).unwrap(), manifest);
    let answer = Request::get("/v2/team/docker/manifests/1").by_alice().send(&sandbox);
    assert_eq!(answer.header("content-type"), "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(answer.body, manifest);
}

#[test]
fn pushing_again_changes_nothing() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let layout = Layout::write(&sandbox, "index", &Image::multi_arch("twice"));
    let there = format!("docker://{}", at_registry("team/twice:1"));
    let copy = || Skopeo.run(&sandbox, &["copy", "--all", &layout.reference(), &there]).succeeded();
    copy();
    let (seen, files) = (Snapshot::take(&sandbox), stored(&sandbox));
    copy();
    assert_eq!(Snapshot::take(&sandbox), seen);
    assert_eq!(stored(&sandbox), files);
}

#[test]
fn a_wrong_password_is_refused_and_nothing_is_stored() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let wrong = User { password: "guessed", ..ALICE };
    Skopeo.login(&sandbox, wrong).failed_saying(&["invalid username/password"]);
    let layout = Layout::write(&sandbox, "image", &Image::new("refused"));
    let there = format!("docker://{}", at_registry("team/refused:1"));
    let anonymous = Skopeo.run(&sandbox, &["copy", &layout.reference(), &there]);
    anonymous.failed_saying(&["authentication required"]);
    let credentials = format!("--dest-creds={}:{}", wrong.name, wrong.password);
    let guessed = Skopeo.run(&sandbox, &["copy", &credentials, &layout.reference(), &there]);
    guessed.failed_saying(&["unauthorized"]);
    assert_eq!(stored(&sandbox), [].into());
}

#[test]
fn a_pull_only_user_pulls_and_reads_why_pushing_is_refused() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let layout = Layout::write(&sandbox, "image", &Image::new("reader"));
    let there = format!("docker://{}", at_registry("team/app:1"));
    Skopeo.login(&sandbox, ALICE).succeeded();
    Skopeo.run(&sandbox, &["copy", &layout.reference(), &there]).succeeded();
    let files = stored(&sandbox);

    Skopeo.login(&sandbox, READER).succeeded();
    let back = format!("oci:{}:latest", sandbox.path("back").display());
    Skopeo.run(&sandbox, &["copy", &there, &back]).succeeded();
    let other = format!("docker://{}", at_registry("team/other:1"));
    let push = Skopeo.run(&sandbox, &["copy", &layout.reference(), &other]);
    push.failed_saying(&["user `reader` may only pull", "team/other"]);
    let delete = Skopeo.run(&sandbox, &["delete", &there]);
    delete.failed_saying(&["user `reader` may only pull", "team/app"]);
    assert_eq!(stored(&sandbox), files);
}

#[test]
fn what_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let layout = Layout::write(&sandbox, "image", &Image::new("present"));
    let there = format!("docker://{}", at_registry("team/app:1"));
    Skopeo.run(&sandbox, &["copy", &layout.reference(), &there]).succeeded();
    let tag = format!("docker://{}", at_registry("team/app:absent"));
    Skopeo.run(&sandbox, &["inspect", &tag]).failed_saying(&["manifest unknown", "absent"]);
    let digest = format!("{}@sha256:{}", at_registry("team/app"), "0".repeat(64));
    Skopeo.run(&sandbox, &["inspect", &format!("docker://{digest}")]).failed_saying(&["manifest unknown"]);
    let repository = format!("docker://{}", at_registry("nobody/here"));
    Skopeo.run(&sandbox, &["list-tags", &repository]).failed_saying(&["404 (Not Found)"]);
}

#[test]
fn schema_1_is_refused_with_what_to_do() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let layout = Layout::write(&sandbox, "image", &Image::new("schema 1"));
    let there = format!("docker://{}", at_registry("team/old:1"));
    let push = Skopeo.run(&sandbox, &["copy", "--format", "v2s1", &layout.reference(), &there]);
    push.failed_saying(&["schema 1"]);
    assert!(stored(&sandbox).keys().all(|path| !path.to_string_lossy().contains("_manifests")));
}

#[test]
fn deleting_removes_every_tag_of_the_manifest() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let kept = Layout::write(&sandbox, "kept", &Image::new("kept"));
    let gone = Layout::write(&sandbox, "gone", &Image::new("gone"));
    for (layout, tag) in [(&kept, "kept"), (&gone, "one"), (&gone, "two")] {
        let there = format!("docker://{}", at_registry(&format!("team/app:{tag}")));
        Skopeo.run(&sandbox, &["copy", &layout.reference(), &there]).succeeded();
    }
    // skopeo deletes the digest that the tag leads to.
    let there = format!("docker://{}", at_registry("team/app:one"));
    Skopeo.run(&sandbox, &["delete", &there]).succeeded();
    let expected = [("team/app".to_owned(), [("kept".to_owned(), Image::new("kept").top.digest())].into())];
    assert_eq!(Snapshot::take(&sandbox).tags, expected.into());
}
