//! The `.dockerconfigjson` of a pull Secret.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

#[derive(Serialize)]
struct DockerConfig<'a> {
    auths: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    username: &'a str,
    password: &'a str,
    auth: String,
}

/// The JSON that the kubelet, docker, podman and skopeo read: one entry under `auths` for each host.
///
/// `hosts` are registry hosts as they stand before the first `/` of an image name, with a port where
/// the name has one. Their order does not matter: the same set gives the same bytes, so that comparing
/// a live Secret with this answer never reports a difference that is none.
pub fn docker_config_json<'a>(
    hosts: impl IntoIterator<Item = &'a str>,
    user: &str,
    password: &str,
) -> Result<String, serde_json::Error> {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    let auths = hosts
        .into_iter()
        .map(|host| (host, Entry { username: user, password, auth: auth.clone() }))
        .collect();
    serde_json::to_string(&DockerConfig { auths })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_sorted_and_carry_both_forms_of_the_credential() {
        let json = docker_config_json(["main.registries.svc", "10.96.0.50"], "pull", "pw").unwrap();
        let entry = r#"{"username":"pull","password":"pw","auth":"cHVsbDpwdw=="}"#;
        assert_eq!(json, format!(r#"{{"auths":{{"10.96.0.50":{entry},"main.registries.svc":{entry}}}}}"#));
        assert_eq!(
            json,
            docker_config_json(["10.96.0.50", "main.registries.svc", "10.96.0.50"], "pull", "pw").unwrap()
        );
    }
}
