//! Started as images of distribution are, by people who change nothing but the image's name.

use std::fs;

use crate::support::{
    ALICE, HOST, READER,
    client::Client::{Docker, Skopeo},
    dockerd::Dockerd,
    image::Image,
    layout::Layout,
    process::Process,
    program::Program,
    request::Request,
    sandbox::Sandbox,
    server::configure,
};

const ORIGIN: &str = "http://localhost:5000";

/// Starts `registry serve` and waits until it says on its debug port that it is ready.
fn serve<'a>(sandbox: &'a Sandbox, arguments: &[&str], variables: &[(&str, String)]) -> Process<'a> {
    let path = Program::Entrepot.path();
    let mut process = Process::start(sandbox, "registry", path.to_str().unwrap(), |command| {
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
    });
    process.wait_until(|| {
        let health = Request::get("/debug/health").at("http://localhost:5001").try_send(sandbox);
        health.is_some_and(|response| response.status == 200)
    });
    process
}

#[test]
fn with_nothing_configured_docker_pushes_to_localhost() {
    let sandbox = Sandbox::new();
    let _server = serve(&sandbox, &["serve"], &[]);
    let _engine = Dockerd::start(&sandbox);
    let layout = Layout::write(&sandbox, "image", &Image::new("drop-in"));
    let there = "localhost:5000/team/app:1";
    let destination = format!("docker-archive:docker.tar:{there}");
    Skopeo.run(&sandbox, &["copy", &layout.reference(), &destination]).succeeded();
    Docker.run(&sandbox, &["load", "--input", "docker.tar"]).succeeded();
    Docker.run(&sandbox, &["push", there]).succeeded();
    Docker.run(&sandbox, &["rmi", there]).succeeded();
    Docker.run(&sandbox, &["pull", there]).succeeded();

    let repository = "var-lib/registry/docker/registry/v2/repositories/team/app";
    let link = fs::read_to_string(sandbox.path(repository).join("_manifests/tags/1/current/link")).unwrap();
    let manifest = Request::get("/v2/team/app/manifests/1").at(ORIGIN).send(&sandbox);
    assert_eq!(manifest.header("docker-content-digest"), link);
    // The images' default configuration allows it.
    let delete = Request::new("DELETE", "/v2/team/app/manifests/1").at(ORIGIN).send(&sandbox);
    assert_eq!(delete.status, 202);
    let metrics = Request::get("/metrics").at("http://localhost:5001").send(&sandbox);
    assert!(String::from_utf8(metrics.body).unwrap().contains("registry_http_requests_total"));
}

#[test]
fn variables_alone_give_tls_users_and_the_usual_port() {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path(name).display().to_string();
    configure(&sandbox, Program::Entrepot);
    let variables = [
        ("REGISTRY_AUTH", "htpasswd".into()),
        ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm".into()),
        ("REGISTRY_AUTH_HTPASSWD_PATH", path("users")),
        ("REGISTRY_HTTP_ADDR", "0.0.0.0:443".into()),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", path("tls.crt")),
        ("REGISTRY_HTTP_TLS_KEY", path("tls.key")),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", path("elsewhere")),
        // What Kubernetes sets in a namespace with a Service that is called `registry`.
        ("REGISTRY_PORT", "tcp://10.96.0.20:5000".into()),
        ("REGISTRY_SERVICE_HOST", "10.96.0.20".into()),
    ];
    let _server = serve(&sandbox, &["serve"], &variables);
    let challenge = Request::get("/v2/").at(&format!("https://{HOST}")).send(&sandbox);
    assert_eq!(challenge.status, 401);
    assert_eq!(challenge.header("www-authenticate"), r#"Basic realm="Registry Realm""#);
    let trusted = sandbox.path("etc-docker/certs.d").join(HOST);
    fs::create_dir_all(&trusted).unwrap();
    fs::copy(sandbox.path("ca.crt"), trusted.join("ca.crt")).unwrap();
    let layout = Layout::write(&sandbox, "image", &Image::new("variables"));
    let there = format!("docker://{HOST}/app:1");
    let push = |user: crate::support::User| {
        let credentials = format!("--dest-creds={}:{}", user.name, user.password);
        Skopeo.run(&sandbox, &["copy", &credentials, &layout.reference(), &there])
    };
    push(ALICE).succeeded();
    push(READER).failed_saying(&["unauthorized"]);
    assert!(sandbox.path("elsewhere/docker/registry/v2/repositories/app/_manifests/tags/1").is_dir());
}

/// The file of the registry:2 image, at the place where it is there.
#[test]
fn the_configuration_that_an_image_brings_is_found_and_understood() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("etc-docker/registry");
    fs::create_dir(&folder).unwrap();
    let config = "\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
";
    fs::write(folder.join("config.yml"), config).unwrap();
    let debug = ("REGISTRY_HTTP_DEBUG_ADDR", "localhost:5001".into());
    // The images' command: no `serve`.
    let server = serve(&sandbox, &["/etc/docker/registry/config.yml"], std::slice::from_ref(&debug));
    let answer = Request::get("/v2/").at(ORIGIN).send(&sandbox);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
    let delete = Request::new("DELETE", "/v2/app/manifests/1").at(ORIGIN).send(&sandbox);
    assert_eq!(delete.status, 405);
    assert!(server.end("TERM").success());
    let _server = serve(&sandbox, &["serve"], &[debug]);
    assert_eq!(Request::get("/v2/").at(ORIGIN).send(&sandbox).status, 200);
}
