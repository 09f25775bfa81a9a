//! The exact files of a pushed multi-arch image: what distribution would have written, and ours in `entrepot/`.

use std::fs;
use std::path::Path;

use super::client::*;

#[tokio::test]
async fn a_pushed_index_lies_on_disk_as_distribution_would_have_it() {
    let served = Served::new();
    let registry = &served.registry;
    let (amd, arm) = (image(b"{\"amd\":1}", b"amd layer"), image(b"{\"arm\":1}", b"arm layer"));
    for (config, layer, manifest) in
        [(b"{\"amd\":1}", b"amd layer", &amd), (b"{\"arm\":1}", b"arm layer", &arm)]
    {
        push_blob(registry, "team/app", layer).await.unwrap();
        push_blob(registry, "team/app", config).await.unwrap();
        push_manifest(registry, "team/app", &sha256(manifest).to_string(), manifest).await.unwrap();
    }
    let both = index(&[amd.clone(), arm.clone()]);
    push_manifest(registry, "team/app", "v1", &index(&[])).await.unwrap();
    push_manifest(registry, "team/app", "v1", &both).await.unwrap();

    let mut expected = Vec::new();
    let mut file =
        |path: String, content: &[u8]| expected.push((path, String::from_utf8(content.into()).unwrap()));
    let repository = "docker/registry/v2/repositories/team/app";
    let blobs = [b"{\"amd\":1}".as_slice(), b"amd layer", b"{\"arm\":1}", b"arm layer"];
    let manifests = [amd.as_slice(), &arm, &both, &index(&[])];
    for bytes in blobs.iter().chain(&manifests) {
        let hex = sha256(bytes).hex().to_owned();
        file(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]), bytes);
    }
    let mut link = |folder: &str, bytes: &[u8]| {
        let digest = sha256(bytes);
        let path = if folder.ends_with("current") {
            folder.into()
        } else {
            format!("{folder}/sha256/{}", digest.hex())
        };
        file(format!("{repository}/{path}/link"), digest.to_string().as_bytes());
    };
    for bytes in blobs {
        link("_layers", bytes);
    }
    for bytes in manifests {
        link("_manifests/revisions", bytes);
    }
    link("_manifests/tags/v1/current", &both);
    link("_manifests/tags/v1/index", &both);
    link("_manifests/tags/v1/index", &index(&[]));
    expected.sort();

    let mut found = files(served.root.path(), served.root.path());
    found.retain(|(path, _)| path != "entrepot/lock");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_repository_of_manifests_alone_has_a_layers_folder() {
    let served = Served::new();
    push_manifest(&served.registry, "a", "v1", &index(&[])).await.unwrap();
    assert!(served.root.path().join("docker/registry/v2/repositories/a/_layers").is_dir());
}

#[tokio::test]
async fn deleting_leaves_no_file_that_distribution_would_read() {
    let served = Served::new();
    let registry = &served.registry;
    let digest = push_image(registry, "a", "v1", b"{}", b"layer").await.unwrap();
    push_manifest(registry, "a", "v2", &image(b"{}", b"layer")).await.unwrap();
    registry.delete_tag(&name("a"), &tag("v2")).await.unwrap();
    let tags = served.root.path().join("docker/registry/v2/repositories/a/_manifests/tags");
    assert_eq!(names(&tags), ["v1"]);
    registry.delete_manifest(&name("a"), &digest).await.unwrap();
    assert_eq!(names(&tags), [""; 0]);
    assert_eq!(names(&tags.parent().unwrap().join("revisions/sha256")), [""; 0]);
}

#[tokio::test]
async fn an_open_upload_is_dated_for_distribution_to_purge() {
    let served = Served::new();
    let registry = &served.registry;
    let token = registry.start_upload(&name("a"), "ci").token;
    assert!(!served.root.path().join("docker/registry/v2/repositories/a").exists(), "a start stores nothing");
    registry.append_upload(&name("a"), "ci", &token, chunk(b"abc")).await.unwrap();
    let uploads = served.root.path().join("docker/registry/v2/repositories/a/_uploads");
    let [id] = &names(&uploads)[..] else { panic!("{:?}", names(&uploads)) };
    assert_eq!(fs::read(uploads.join(id).join("data")).unwrap(), b"abc");
    let started = fs::read_to_string(uploads.join(id).join("startedat")).unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(&started).is_ok(), "{started}");
    registry.cancel_upload(&name("a"), "ci", &token).await.unwrap();
    assert_eq!(names(&uploads), [""; 0]);
    assert_eq!(names(&served.root.path().join("entrepot/uploads")), [""; 0]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn files(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}
