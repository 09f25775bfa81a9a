use std::fs;

use crate::support::{
    ALICE, READER, REGISTRY, User,
    client::Client::Crane,
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
fn an_image_and_an_index_come_back_as_they_were_pushed() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Crane.login(&sandbox, ALICE).succeeded();
    for (name, image) in [("image", Image::new("crane")), ("index", Image::multi_arch("crane index"))] {
        let layout = Layout::write(&sandbox, name, &image);
        let there = at_registry(&format!("team/{name}:1"));
        Crane.run(&sandbox, &["push", layout.folder.to_str().unwrap(), &there]).succeeded();
        assert_eq!(Crane.run(&sandbox, &["digest", &there]).succeeded().trim(), image.top.digest());
        assert_eq!(Crane.run(&sandbox, &["manifest", &there]).succeeded().as_bytes(), image.top.content);
        let back = sandbox.path(&format!("{name}-back"));
        Crane.run(&sandbox, &["pull", "--format=oci", &there, back.to_str().unwrap()]).succeeded();
        for blob in image.parts.iter().chain([&image.top]) {
            let file = back.join("blobs/sha256").join(blob.digest().trim_start_matches("sha256:"));
            assert_eq!(fs::read(file).unwrap(), blob.content);
        }
        Crane.run(&sandbox, &["validate", "--remote", &there]).succeeded();
    }
    assert_eq!(Crane.run(&sandbox, &["catalog", REGISTRY]).succeeded(), "team/image\nteam/index\n");
}

#[test]
fn copying_tagging_and_deleting() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    Crane.login(&sandbox, ALICE).succeeded();
    let image = Image::multi_arch("crane copies");
    let layout = Layout::write(&sandbox, "index", &image);
    let (there, copy) = (at_registry("team/app:1"), at_registry("other/app:1"));
    Crane.run(&sandbox, &["push", layout.folder.to_str().unwrap(), &there]).succeeded();
    Crane.run(&sandbox, &["copy", &there, &copy]).succeeded();
    Crane.run(&sandbox, &["tag", &there, "2"]).succeeded();
    Crane.run(&sandbox, &["delete", &there]).succeeded();
    assert_eq!(Crane.run(&sandbox, &["ls", &at_registry("team/app")]).succeeded(), "2\n");
    let digest = image.top.digest();
    let expected = [("other/app", "1"), ("team/app", "2")];
    let expected = expected.map(|(name, tag)| (name.into(), [(tag.into(), digest.clone())].into()));
    assert_eq!(Snapshot::take(&sandbox).tags, expected.into());
    Crane.run(&sandbox, &["delete", &at_registry(&format!("team/app@{digest}"))]).succeeded();
    let gone = Request::get("/v2/team/app/manifests/2").by_alice().send(&sandbox);
    assert_eq!(gone.status, 404);
}

#[test]
fn what_goes_wrong_is_said() {
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox, Program::Entrepot);
    let layout = Layout::write(&sandbox, "image", &Image::new("crane refused"));
    let (folder, there) = (layout.folder.to_str().unwrap().to_owned(), at_registry("team/app:1"));
    let push = || Crane.run(&sandbox, &["push", &folder, &there]);
    // It begins by asking with HEAD, whose answer has no body: the status is all it can say.
    push().failed_saying(&["401 Unauthorized"]);
    let pull = || Crane.run(&sandbox, &["manifest", &there]);
    pull().failed_saying(&["UNAUTHORIZED", "authentication required"]);
    // crane's login asks nobody: the push finds out.
    Crane.login(&sandbox, User { password: "guessed", ..ALICE }).succeeded();
    push().failed_saying(&["401 Unauthorized"]);
    pull().failed_saying(&["UNAUTHORIZED", "the user name or the password is wrong"]);
    Crane.login(&sandbox, READER).succeeded();
    push().failed_saying(&["DENIED", "user `reader` may only pull"]);
    assert_eq!(stored(&sandbox), [].into());
    pull().failed_saying(&["MANIFEST_UNKNOWN"]);
}
