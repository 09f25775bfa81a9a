use crate::support::{
    ALICE,
    client::Client::Skopeo,
    image::Image,
    layout::Layout,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::{Server, at_registry},
    volume::stored,
};

/// A registry with `team/app:1`, an index.
fn with_an_index(sandbox: &Sandbox) -> (Server<'_>, Image) {
    let server = Server::start(sandbox, Program::Entrepot);
    Skopeo.login(sandbox, ALICE).succeeded();
    let image = Image::multi_arch("curl");
    let layout = Layout::write(sandbox, "index", &image);
    let there = format!("docker://{}", at_registry("team/app:1"));
    Skopeo.run(sandbox, &["copy", "--all", &layout.reference(), &there]).succeeded();
    (server, image)
}

#[test]
fn a_manifest_is_given_whatever_accept_says() {
    let sandbox = Sandbox::new();
    let (_server, image) = with_an_index(&sandbox);
    let accepts = [
        None,
        Some("*/*"),
        Some("text/html"),
        Some("application/vnd.docker.distribution.manifest.v2+json"),
        Some("nonsense;;q=,"),
        Some(""),
    ];
    for accept in accepts {
        // `Accept:` with nothing behind it removes curl's own.
        let ask = |method| {
            let request = Request::new(method, "/v2/team/app/manifests/1").by_alice();
            match accept {
                Some(accept) => request.header("Accept", accept).send(&sandbox),
                None => request.send(&sandbox),
            }
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert_eq!((get.status, head.status), (200, 200), "{accept:?}");
        assert_eq!(get.body, image.top.content, "{accept:?}");
        for response in [&get, &head] {
            assert_eq!(response.header("content-type"), image.top.media_type);
            assert_eq!(response.header("docker-content-digest"), image.top.digest());
            assert_eq!(response.header("content-length"), image.top.content.len().to_string());
            assert_eq!(response.header("docker-distribution-api-version"), "registry/2.0");
        }
    }
}

#[test]
fn a_bad_manifest_is_refused_and_nothing_changes() {
    let sandbox = Sandbox::new();
    let (_server, image) = with_an_index(&sandbox);
    let files = stored(&sandbox);
    let absent = format!("sha256:{}", "0".repeat(64));
    let config = &image.parts[1];
    let manifest = |config: &str, size: usize| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{size}}},"layers":[]}}"#
        )
    };
    let cases = [
        ("no JSON", "{".to_owned(), 400, "MANIFEST_INVALID"),
        ("no manifest", "{}".to_owned(), 400, "MANIFEST_INVALID"),
        ("an absent blob", manifest(&absent, 2), 400, "MANIFEST_BLOB_UNKNOWN"),
        ("a wrong size", manifest(&config.digest(), 1), 400, "MANIFEST_INVALID"),
        ("over 4 MiB", " ".repeat((4 << 20) + 1), 413, "MANIFEST_INVALID"),
    ];
    for (name, body, status, code) in cases {
        let request = Request::put("/v2/team/app/manifests/bad", body).by_alice();
        let response =
            request.header("Content-Type", "application/vnd.oci.image.manifest.v1+json").send(&sandbox);
        let (answered, errors) = response.errors();
        let codes: Vec<&str> = errors.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!((answered, codes), (status, vec![code]), "{name}: {errors:?}");
        assert!(errors.iter().all(|(_, message)| message.len() > 10), "{name}: {errors:?}");
    }
    assert_eq!(stored(&sandbox), files);
}
