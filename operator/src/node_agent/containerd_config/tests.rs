use super::*;
use rstest::rstest;

const CERTS_D: &str = "/etc/containerd/certs.d";
const COLON: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

fn decide(files: &[&str], runtime: &str) -> ConfigPath {
    let files: Vec<FileFacts> = files.iter().map(|text| parse(text).unwrap()).collect();
    config_path(&files, &Runtime::parse(runtime), "/etc/containerd")
}

fn roots_of(paths: &[&str]) -> ConfigPath {
    ConfigPath::Roots(paths.iter().map(|path| (*path).to_owned()).collect())
}

#[rstest]
#[case::version_3(
    "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'",
    "containerd://2.4.2"
)]
#[case::version_2(
    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d/\"",
    "containerd://1.7.27"
)]
#[case::version_1("[plugins.cri.registry]\nconfig_path = \"/etc/containerd/certs.d\"", "containerd://1.6.0")]
#[case::inline(
    "version = 3\nplugins = { 'io.containerd.cri.v1.images' = { registry = { config_path = '/etc/containerd/certs.d' } } }",
    "containerd://2.0.0"
)]
fn one_folder_is_found_in_every_form(#[case] file: &str, #[case] runtime: &str) {
    assert_eq!(decide(&[file], runtime), roots_of(&[CERTS_D]));
}

#[test]
fn a_path_with_a_colon_is_written_literally_and_to_its_first_part() {
    let file =
        format!("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{COLON}'");
    assert_eq!(decide(&[&file], "containerd://2.2.0"), roots_of(&[COLON, CERTS_D]));
}

#[rstest]
#[case::no_file(&[])]
#[case::no_key(&["version = 3\n"])]
#[case::empty_key(&["version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = ''"])]
fn what_is_not_set_is_the_default_of_the_release(#[case] files: &[&str]) {
    assert_eq!(decide(files, "containerd://2.2.0"), roots_of(&[COLON, CERTS_D]));
    assert_eq!(decide(files, "containerd://2.4.2-rc.1+x"), roots_of(&[COLON, CERTS_D]));
    let answer = decide(files, "containerd://2.1.4");
    assert!(matches!(answer, ConfigPath::Unusable(Unusable::NotSet { .. })), "{answer:?}");
}

#[test]
fn the_line_to_set_is_the_one_for_the_release() {
    for (files, runtime, section) in [
        (vec!["version = 2"], "containerd://1.7.27", r#"[plugins."io.containerd.grpc.v1.cri".registry]"#),
        (vec![], "containerd://1.7.27", r#"[plugins."io.containerd.grpc.v1.cri".registry]"#),
        (vec!["version = 3"], "containerd://2.0.1", r#"[plugins."io.containerd.cri.v1.images".registry]"#),
        (vec!["root = '/x'"], "containerd://1.5.0", "[plugins.cri.registry]"),
    ] {
        let ConfigPath::Unusable(why) = decide(&files, runtime) else { panic!("{runtime} has a folder") };
        assert_eq!(why.reason(), "ConfigPathNotSet");
        assert_eq!(
            why.to_string(),
            format!(
                "containerd reads no certs.d folder: put `config_path = \"/etc/containerd/certs.d\"` under {section} in /etc/containerd/config.toml and restart containerd"
            )
        );
    }
}

#[test]
fn the_last_import_that_sets_it_wins() {
    let main = "version = 3\nimports = ['conf.d/*.toml']\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/a'";
    let first =
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/b'";
    let empty = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = ''";
    assert_eq!(parse(main).unwrap().imports, ["conf.d/*.toml"]);
    assert_eq!(decide(&[main, first, empty], "containerd://2.4.2"), roots_of(&["/etc/containerd/b"]));
}

#[rstest]
#[case("/var/lib/rancher/k3s/agent/etc/containerd/certs.d")]
#[case("/etc/containerd/../docker/certs.d")]
#[case("/etc/containerd")]
#[case("/etc/containerdX/certs.d")]
#[case("/etc/docker/certs.d:/etc/containerd/certs.d")]
fn a_folder_that_the_agent_does_not_see_is_reported(#[case] path: &str) {
    let file =
        format!("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '{path}'");
    let answer = decide(&[&file], "containerd://2.4.2");
    assert!(matches!(answer, ConfigPath::Unusable(Unusable::Outside { .. })), "{answer:?}");
}

#[test]
fn mirrors_and_other_runtimes_are_reported() {
    let mirrors = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = ['https://m']";
    let answer = decide(&[mirrors], "containerd://2.2.0");
    assert!(matches!(answer, ConfigPath::Unusable(Unusable::Mirrors { .. })), "{answer:?}");
    let answer = decide(&[], "cri-o://1.33.0");
    assert!(matches!(answer, ConfigPath::Unusable(Unusable::OtherRuntime { .. })), "{answer:?}");
}

#[test]
fn a_file_that_is_no_toml_is_an_error() {
    assert!(parse("version = ").is_err());
}
