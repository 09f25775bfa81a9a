//! The chart, what is rendered from it and what it is made from say the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use entrepot_kind_tests::installation::source_file;

/// The built helm; `kind-tests tools helm` makes it.
fn helm() -> PathBuf {
    let tools = std::env::var("ENTREPOT_TOOLS").expect("ENTREPOT_TOOLS is not set: run `make test`");
    let helm = Path::new(&tools).join("helm");
    assert!(helm.is_file(), "no {}: run `kind-tests tools helm`", helm.display());
    helm
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(path: &str) -> String {
    let path = source_file(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn template(arguments: &[&str]) -> Result<String, String> {
    let output = run(Command::new(helm())
        .args(["template", "entrepot"])
        .arg(source_file("deploy/chart"))
        .args(["--namespace", "entrepot-system"])
        .args(arguments));
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// Each object as `kind namespace/name`.
fn objects(yaml: &str) -> BTreeSet<String> {
    let field = |document: &str, prefix: &str| {
        let line = document.lines().find_map(|line| line.strip_prefix(prefix));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    yaml.split("\n---\n")
        .map(|document| {
            // The metadata's own lines are indented by two; helm writes them in any order.
            let metadata = document.split_once("\nmetadata:\n").map_or("", |(_, rest)| rest);
            let name = field(metadata, "  name: ");
            format!("{} {}/{name}", field(document, "kind: "), field(metadata, "  namespace: "))
        })
        .filter(|object| object != " /")
        .collect()
}

#[test]
fn install_yaml_is_what_the_chart_renders() {
    let rendered = run(Command::new(source_file("deploy/render")).arg(helm()));
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    assert!(
        rendered == text("deploy/install.yaml"),
        "deploy/install.yaml is out of date: run `make generate`"
    );
}

#[test]
fn the_charts_definitions_are_the_generated_ones() {
    let yaml = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(source_file(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        entries
            .map(|name| name.into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_some_and(|it| it == "yaml"))
            .collect()
    };
    let generated = yaml("crds");
    assert!(!generated.is_empty());
    assert_eq!(yaml("deploy/chart/files"), generated);
    for name in generated {
        let (copy, source) = (text(&format!("deploy/chart/files/{name}")), text(&format!("crds/{name}")));
        assert!(copy == source, "deploy/chart/files/{name} is out of date: run `make generate`");
    }
}

#[test]
fn the_chart_has_the_workspaces_release() {
    let manifest = text("Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().trim_matches('"');
    let chart = text("deploy/chart/Chart.yaml");
    for key in ["version", "appVersion"] {
        let line = format!("{key}: {version}");
        assert!(chart.lines().any(|candidate| candidate == line), "no `{line}` in\n{chart}");
    }
}

#[test]
fn the_chart_passes_helms_own_lint() {
    let output = run(Command::new(helm()).args(["lint", "--strict"]).arg(source_file("deploy/chart")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn unknown_and_wrong_values_are_refused() {
    for wrong in [
        "nodeagent.enabled=false",
        "operator.replicas=one",
        "operator.logFormat=xml",
        "image.pullPolicy=Sometimes",
        "clusterDomain=a b",
    ] {
        let refusal = template(&["--set", wrong]).unwrap_err();
        assert!(refusal.contains("values don't meet the specifications"), "{wrong}: {refusal}");
    }
}

#[test]
fn parts_can_be_left_out() {
    let all = objects(&template(&[]).unwrap());
    let hooks = [
        "Job entrepot-nodes/entrepot-clean-nodes",
        "Role entrepot-nodes/entrepot-clean-nodes",
        "RoleBinding entrepot-nodes/entrepot-clean-nodes",
        "ServiceAccount entrepot-nodes/entrepot-clean-nodes",
    ];
    let agent = [
        "ClusterRole /entrepot-node-agent",
        "ClusterRoleBinding /entrepot-node-agent",
        "DaemonSet entrepot-nodes/entrepot-node-agent",
        "Namespace /entrepot-nodes",
        "Role entrepot-nodes/entrepot-node-agent",
        "RoleBinding entrepot-nodes/entrepot-node-agent",
        "ServiceAccount entrepot-nodes/entrepot-node-agent",
    ];
    let without = |rendered: Result<String, String>| -> Vec<String> {
        all.difference(&objects(&rendered.unwrap())).cloned().collect()
    };
    let mut agent_and_hooks = [agent.as_slice(), hooks.as_slice()].concat();
    agent_and_hooks.sort_unstable();
    assert_eq!(without(template(&["--no-hooks"])), hooks);
    assert_eq!(without(template(&["--set", "nodeAgent.enabled=false"])), agent_and_hooks);
    assert_eq!(
        without(template(&["--set", "crds.install=false"])),
        ["CustomResourceDefinition /registries.entrepot.dev"]
    );
}

/// Where only the operator's tolerations let a Pod run, the uninstall's Pod must have them as well.
#[test]
fn the_uninstall_runs_where_the_operator_does() {
    let rendered = template(&[
        "--set=operator.tolerations[0].operator=Exists",
        "--set=operator.nodeSelector.pool=infra",
        "--set=nodeAgent.tolerations=null",
    ])
    .unwrap();
    let with = |text: &str| -> BTreeSet<String> {
        rendered.split("\n---\n").filter(|document| document.contains(text)).flat_map(objects).collect()
    };
    let both = [
        "Deployment entrepot-system/entrepot-operator".to_owned(),
        "Job entrepot-nodes/entrepot-clean-nodes".to_owned(),
    ];
    assert_eq!(with("      tolerations:\n        - operator: Exists"), both.clone().into());
    assert_eq!(with("      nodeSelector:\n        pool: infra"), both.into());
}

#[test]
fn no_role_holds_a_wildcard() {
    let rendered = template(&[]).unwrap();
    let rules = ["apiGroups:", "resources:", "verbs:"];
    for line in rendered.lines().map(str::trim_start).map(|line| line.trim_start_matches("- ")) {
        let is_rule = rules.iter().any(|rule| line.starts_with(rule));
        assert!(!(is_rule && line.contains('*')), "{line}");
    }
}

#[test]
fn images_are_put_under_a_prefix_and_nothing_but_a_prefix_is_taken() {
    let prefixed = |prefix: &str| {
        let install = fs::File::open(source_file("deploy/install.yaml")).unwrap();
        run(Command::new(source_file("deploy/images/prefix")).arg(prefix).stdin(install))
    };
    let output = prefixed("registry.example.com:5000/team/");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected =
        text("deploy/install.yaml").replace("localhost/entrepot/", "registry.example.com:5000/team/");
    assert!(String::from_utf8(output.stdout).unwrap() == expected);
    assert!(expected.contains("image: registry.example.com:5000/team/operator:"));
    for wrong in ["", "a b", "a\"", "a#b", "https://a\n", "-x"] {
        let output = prefixed(wrong);
        assert!(!output.status.success() && output.stdout.is_empty(), "{wrong:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "), "{wrong:?}");
    }
}
