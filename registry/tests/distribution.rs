//! A volume moves between distribution and this registry, both ways, and nothing on it changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod support;

use support::{
    ALICE,
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
    assert_eq!(Snapshot::take(&sandbox), after);
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
}

/// An index into a new repository, an image into an old one, a moved tag, a mounted blob, a deleted tag.
fn push_second(sandbox: &Sandbox) {
    let index = Layout::write(sandbox, "second-index", &Image::multi_arch("second index"));
    copy(sandbox, &["--all"], &index, "team/backend/new:1");
    let image = Image::new("second");
    let layout = Layout::write(sandbox, "second", &image);
    copy(sandbox, &[], &layout, "team/docker:2");
    copy(sandbox, &[], &layout, "app:moves");
    mount(sandbox, &image, "app", "mounted/app");
    let answer = Request::new("DELETE", "/v2/app/manifests/latest").by_alice().send(sandbox);
    assert_eq!(answer.status, 202);
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
    tags.get_mut("team/docker").unwrap().insert("2".into(), second.clone());
    tags.insert("team/backend/new".into(), [("1".into(), index)].into());
    tags.insert("mounted/app".into(), [("1".into(), second)].into());
    tags
}
