use std::process::Command;

use axum::body::Body;
use serde_json::{Value, json};

use crate::{
    client::{request, send, until},
    process::{Place, Server},
};

const USERS: &str = "\
auth: {htpasswd: {realm: Team registry, path: '{folder}/users'}}
entrepot: {auth: {managed: {path: '{folder}/managed', pullOnly: [pull]}}}
";

/// A line as the tool that people use writes it.
fn htpasswd(name: &str, password: &str) -> String {
    let output = Command::new("htpasswd").args(["-nbB", "-C", "5", name, password]).output();
    let output = output.expect("htpasswd is installed (apache2-utils)");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn place() -> Place {
    let place = Place::new();
    place.write("users", htpasswd("ada", "a") + &htpasswd("pull", "taken over"));
    place.write("managed", htpasswd("admin", "m") + &htpasswd("pull", "p"));
    place
}

async fn status(server: &Server, asked: &str, user: Option<(&str, &str)>) -> u16 {
    send(server.address(), request(asked, user, Body::empty())).await.status
}

#[tokio::test]
async fn the_matrix() {
    let place = place();
    let server = place.serve(USERS);
    let cases = [
        (None, [401, 401, 401, 401]),
        (Some(("ada", "b")), [401, 401, 401, 401]),
        (Some(("eve", "a")), [401, 401, 401, 401]),
        (Some(("pull", "taken over")), [401, 401, 401, 401]),
        (Some(("ada", "a")), [200, 404, 202, 404]),
        (Some(("admin", "m")), [200, 404, 202, 404]),
        (Some(("pull", "p")), [200, 404, 403, 403]),
    ];
    for (user, expected) in cases {
        let mut found = Vec::new();
        for asked in
            ["GET /v2/", "GET /v2/a/manifests/v1", "POST /v2/a/blobs/uploads/", "DELETE /v2/a/manifests/v1"]
        {
            found.push(status(&server, asked, user).await);
        }
        assert_eq!(found, expected, "{user:?}");
    }
    let challenge = send(server.address(), request("GET /v2/", None, Body::empty())).await;
    assert_eq!(challenge.headers["www-authenticate"], "Basic realm=\"Team registry\"");
    // What is logged names users and never what they know.
    let log = server.log();
    let token = "YWRhOmE=";
    assert!(log.contains("\"user\":\"ada\"") && !log.contains(token) && !log.contains("taken over"), "{log}");
}

#[tokio::test]
async fn the_log_says_who_did_what_and_gives_no_right_away() {
    let place = place();
    let server = place.serve(USERS);
    let started = request("POST /v2/team/app/blobs/uploads/?x=secret", Some(("ada", "a")), Body::empty());
    let location = send(server.address(), started).await.headers["location"].clone();
    assert_eq!(status(&server, &format!("GET {location}"), Some(("ada", "a"))).await, 204);
    let line: Value = serde_json::from_str(&server.line("\"status\":204")).unwrap();
    let token = location.rsplit('/').next().unwrap();
    let path = format!("/v2/team/app/blobs/uploads/{}…", &token[..22]);
    let (who, what) = (json!(["ada", "GET", path]), json!([204, 0, "access"]));
    assert_eq!(json!([line["user"], line["method"], line["path"]]), who);
    assert_eq!(json!([line["status"], line["bytes"], line["target"]]), what);
    let log = server.log();
    assert!(!log.contains(token) && !log.contains("secret"), "{log}");
}

#[tokio::test]
async fn a_changed_password_counts_without_a_restart() {
    let place = place();
    let server = place.serve(USERS);
    assert_eq!(status(&server, "GET /v2/", Some(("ada", "a"))).await, 200);
    // A file that cannot be understood changes nothing.
    place.write("users", "ada:in the clear\n");
    server.line("could not load the users again");
    assert_eq!(status(&server, "GET /v2/", Some(("ada", "a"))).await, 200);
    place.write("users", htpasswd("ada", "new"));
    until("the new password", async || status(&server, "GET /v2/", Some(("ada", "new"))).await == 200).await;
    assert_eq!(status(&server, "GET /v2/", Some(("ada", "a"))).await, 401);
}

#[test]
fn a_user_file_that_is_not_there_or_not_right_is_refused_at_the_start() {
    let place = Place::new();
    let users = "auth: {htpasswd: {realm: R, path: '{folder}/users'}}\n";
    assert_eq!(
        place.refusal(users),
        "registry: cannot read {folder}/users, which auth.htpasswd.path names: No such file or directory (os error 2)\n"
    );
    place.write("users", "ada:$2y$05$short\n");
    assert_eq!(
        place.refusal(users),
        "registry: {folder}/users: line 1: the hash of `ada` is not bcrypt; make it with `htpasswd -B`\n"
    );
}
