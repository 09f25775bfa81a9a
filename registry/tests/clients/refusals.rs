//! What clients let through and the server refuses, as people read it who never see a status code.

use serde_json::json;

use crate::support::{
    ALICE,
    client::Client::{Crane, Skopeo},
    image::Image,
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry},
};

#[test]
fn a_manifest_of_more_than_4_mib() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let padding = json!({ "padding": "x".repeat(5 << 20) });
    let image = Image::new("large manifest").with(|manifest| manifest["annotations"] = padding);
    let layout = Layout::write(&sandbox, "image", &image);
    let said = format!("the manifest has {} bytes; at most 4194304 are accepted", image.top.content.len());
    let there = at_registry("team/large:1");
    for client in [Skopeo, Crane] {
        client.login(&sandbox, ALICE).succeeded();
    }
    Crane.run(&sandbox, &["push", "image", &there]).failed_saying(&["MANIFEST_INVALID", &said]);
    let destination = format!("docker://{there}");
    // Free to choose, it would try docker's format next, which has no annotations, and succeed.
    let copy = ["copy", "--preserve-digests", &layout.reference(), &destination];
    Skopeo.run(&sandbox, &copy).failed_saying(&[&said]);
    assert_eq!(tag(&sandbox, "team/large"), 404);
}

#[test]
fn a_manifest_that_lies_about_the_size_of_a_layer() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let honest = Image::new("size");
    let (layer, size) = (honest.parts[1].digest(), honest.parts[1].content.len());
    let layout = Layout::write(&sandbox, "honest", &honest);
    let kept = format!("docker://{}", at_registry("team/size:honest"));
    Skopeo.run(&sandbox, &["copy", &layout.reference(), &kept]).succeeded();

    let lying = honest.with(|manifest| manifest["layers"][0]["size"] = json!(7));
    let layout = Layout::write(&sandbox, "lying", &lying);
    let there = format!("docker://{}", at_registry("team/size:1"));
    let said = format!("blob {layer} has {size} bytes, not the 7 that the manifest declares");
    Skopeo.run(&sandbox, &["copy", &layout.reference(), &there]).failed_saying(&["manifest invalid", &said]);
    assert_eq!(tag(&sandbox, "team/size"), 404);
    // The layer that was lied about is still served to those who do not.
    let back = format!("dir:{}", sandbox.path("back").display());
    Skopeo.run(&sandbox, &["copy", &kept, &back]).succeeded();
}

#[test]
fn an_index_without_its_images_is_no_mistake() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Skopeo.login(&sandbox, ALICE).succeeded();
    let layout = Layout::write(&sandbox, "index", &Image::multi_arch("sparse"));
    let there = format!("docker://{}", at_registry("team/sparse:1"));
    Skopeo.run(&sandbox, &["copy", "--multi-arch=index-only", &layout.reference(), &there]).succeeded();
    assert_eq!(tag(&sandbox, "team/sparse"), 200);
    Skopeo.run(&sandbox, &["inspect", &there]).failed_saying(&["manifest unknown"]);
}

/// The status of the tag `1`.
fn tag(sandbox: &Sandbox, repository: &str) -> u16 {
    Request::get(format!("/v2/{repository}/manifests/1")).by_alice().send(sandbox).status
}
