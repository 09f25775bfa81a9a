use std::{os::unix::fs::PermissionsExt as _, process::Command};

use axum::body::Body;

use crate::{
    client::{health, request, send},
    process::{Place, refusal},
};

#[test]
fn a_wrong_configuration_is_refused_with_every_line() {
    let place = Place::new();
    let said = place
        .refusal("auth: {token: {realm: https://a}}\nhttp: {tls: {certificate: /a, minimumtls: tls1.0}}\n");
    assert_eq!(
        said,
        "registry: the configuration {folder}/config.yml cannot be used:\n\
         line 4: auth.token is not supported: this server authenticates by auth.htpasswd\n\
         http.tls.key is missing: a certificate and its key are named together\n\
         line 5: http.tls.minimumtls is not supported: TLS 1.2 and 1.3 are spoken, with safe suites only; remove the key\n"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_user() {
    let place = Place::new();
    std::fs::set_permissions(place.path("store"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = place.command("");
    if nix::unistd::geteuid().is_root() {
        // The right to write anywhere is what root has more than others.
        let mut without = Command::new("setpriv");
        without.args(["--bounding-set", "-all", "--inh-caps", "-all"]).arg(command.get_program());
        without.args(command.get_args()).env_clear();
        command = without;
    }
    let said = refusal(command, &place.path("store"));
    let uid = nix::unistd::geteuid();
    assert_eq!(
        said,
        format!(
            "registry: cannot write {{folder}}/entrepot/lock: Permission denied (os error 13); the store's folder must be \
             writable by the user this process runs as (this process runs as uid {uid})\n"
        )
    );
}

#[test]
fn a_store_that_was_never_served_is_not_taken_for_one_after_a_crash() {
    let place = Place::new();
    place.write("store/docker", "no folder");
    let said = place.refusal("");
    assert!(said.contains("the store in {folder}/store cannot be used"), "{said}");
    let running = std::fs::read_dir(place.path("store/entrepot/running"));
    assert_eq!(running.map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn the_configuration_is_found_by_its_variable() {
    let place = Place::new();
    let with_file = place.command("");
    let mut command = Command::new(env!("CARGO_BIN_EXE_registry"));
    command.env_clear().arg("serve").env("REGISTRY_CONFIGURATION_PATH", place.path("config.yml"));
    command.envs(with_file.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = crate::process::Server::start(command);
    assert_eq!(send(server.address(), request("GET /v2/", None, Body::empty())).await.status, 200);
}

#[tokio::test]
async fn health_and_metrics_are_told_on_their_own_port() {
    let place = Place::new();
    let server = place.serve("");
    assert_eq!(health(&server, "/livez").await, (200, "ok".into()));
    assert_eq!(health(&server, "/readyz").await, (200, "{}".into()));
    assert_eq!(health(&server, "/debug/health").await, (200, "{}".into()));
    send(server.address(), request("GET /v2/", None, Body::empty())).await;
    let (status, metrics) = health(&server, "/metrics").await;
    let counted = "registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1";
    assert!(status == 200 && metrics.lines().any(|line| line == counted), "{metrics}");
    assert_eq!(health(&server, "/v2/").await.0, 404);
    // Nor is any of it told on the port that everybody reaches.
    assert_eq!(send(server.address(), request("GET /metrics", None, Body::empty())).await.status, 404);
}
