//! A volume moves between distribution and this registry, both ways, and nothing on it changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod support;

use support::{
    ALICE, REGISTRY,
    client::Client,
    image::Image,
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry, configure},
    snapshot::{Snapshot, Tags},
    volume::stored,
};

#[test]
fn distribution_3_and_back() {
    round_trip(Program::Distribution3);
}

#[test]
fn distribution_2_and_back() {
    round_trip(Program::Distribution2);
}

fn round_trip(peer: Program) {
    let sandbox = Sandbox::new();
    let theirs = Server::start(&sandbox, peer);
    Client::Skopeo.login(&sandbox, ALICE).succeeded();
    push_first(&sandbox);
    let before = Snapshot::take(&sandbox);
    theirs.stop();

    let files = stored(&sandbox);
    let ours = Server::start(&sandbox, Program::Entrepot);
    assert_eq!(Snapshot::take(&sandbox), before);
    assert_eq!(stored(&sandbox), files, "to serve a volume is not to change it");

    push_second(&sandbox);
    let after = Snapshot::take(&sandbox);
    assert_eq!(after.tags, expected_tags(&before));
    assert!(ours.stop().success());

    let theirs = Server::start(&sandbox, peer);
    let mut seen = Snapshot::take(&sandbox);
    // It goes on listing a repository that has nothing left; we do not.
    assert_eq!(seen.tags.remove("emptied"), Some([].into()));
    assert_eq!(seen, after);
    theirs.stop();
    let config = configure(&sandbox, peer);
    sandbox.run(peer.path(), &["garbage-collect", config.to_str().unwrap()]).succeeded();
    let _ours = Server::start(&sandbox, Program::Entrepot);
    assert_eq!(Snapshot::take(&sandbox), after, "their garbage is nothing that we serve");
}

/// Several tags of one image, an image of docker's own format, an index, and names of one to three parts.
fn push_first(sandbox: &Sandbox) {
    let image = Layout::write(sandbox, "first", &Image::new("first"));
    copy(sandbox, &[], &image, "app:1");
    copy(sandbox, &[], &image, "app:latest");
    copy(sandbox, &[], &image, "app:moves");
    copy(sandbox, &["--format", "v2s2"], &image, "team/docker:1");
    let index = Layout::write(sandbox, "first-index", &Image::multi_arch("first index"));
    copy(sandbox, &["--all"], &index, "team/backend/api:1.2");
    copy(sandbox, &[], &image, "emptied:1");
    leave_an_upload(sandbox);
}

/// An index into a new repository, an image into an old one, a moved tag, a mounted blob; a tag deleted, a manifest, and
/// all that a repository had.
fn push_second(sandbox: &Sandbox) {
    let index = Layout::write(sandbox, "second-index", &Image::multi_arch("second index"));
    copy(sandbox, &["--all"], &index, "team/backend/new:1");
    let image = Image::new("second");
    let layout = Layout::write(sandbox, "second", &image);
    copy(sandbox, &[], &layout, "team/docker:2");
    copy(sandbox, &[], &layout, "app:moves");
    mount(sandbox, &image, "app", "mounted/app");
    delete(sandbox, "app", "latest");
    for (repository, tag) in [("team/docker", "1"), ("emptied", "1")] {
        let head = Request::new("HEAD", format!("/v2/{repository}/manifests/{tag}")).by_alice().send(sandbox);
        delete(sandbox, repository, head.header("docker-content-digest"));
    }
    leave_an_upload(sandbox);
}

fn delete(sandbox: &Sandbox, repository: &str, reference: &str) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let answer = Request::new("DELETE", path).by_alice().send(sandbox);
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// A client that goes away in the middle.
fn leave_an_upload(sandbox: &Sandbox) {
    let started = Request::new("POST", "/v2/app/blobs/uploads/").by_alice().send(sandbox);
    let location = started.header("location").trim_start_matches(&format!("https://{REGISTRY}")).to_owned();
    let chunk = Request::patch(location, vec![7; 100_000]).by_alice();
    let answer = chunk.header("Content-Type", "application/octet-stream").send(sandbox);
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn copy(sandbox: &Sandbox, options: &[&str], from: &Layout, to: &str) {
    let (from, to) = (from.reference(), format!("docker://{}", at_registry(to)));
    Client::Skopeo.run(sandbox, &[&["copy"], options, &[&from, &to]].concat()).succeeded();
}

/// Makes `image`, whose blobs `from` has, appear as `to`:1 without sending a byte of a blob.
fn mount(sandbox: &Sandbox, image: &Image, from: &str, to: &str) {
    for blob in &image.parts {
        let path = format!("/v2/{to}/blobs/uploads/?mount={}&from={from}", blob.digest());
        let answer = Request::new("POST", path).by_alice().send(sandbox);
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let manifest = Request::put(format!("/v2/{to}/manifests/1"), image.top.content.clone());
    let answer = manifest.by_alice().header("Content-Type", image.top.media_type).send(sandbox);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// What `push_second` makes of the tags that were there before.
fn expected_tags(before: &Snapshot) -> Tags {
    let second = Image::new("second").top.digest();
    let index = Image::multi_arch("second index").top.digest();
    let mut tags = before.tags.clone();
    let app = tags.get_mut("app").unwrap();
    app.remove("latest").unwrap();
    app.insert("moves".into(), second.clone());
    tags.remove("emptied").unwrap();
    tags.insert("team/docker".into(), [("2".into(), second.clone())].into());
    tags.insert("team/backend/new".into(), [("1".into(), index)].into());
    tags.insert("mounted/app".into(), [("1".into(), second)].into());
    tags
}
