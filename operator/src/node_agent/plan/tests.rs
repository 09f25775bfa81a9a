use super::*;
use crate::node_agent::containerd_config::Unusable;
use crate::node_agent::folder::MARKER;
use crate::node_agent::live::PREPARED_SUFFIX;

/// A node's folders in a temporary place, so that plans are made from what a scan really answers.
struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> String {
        self.folder.path().to_str().unwrap().to_owned()
    }

    fn config(&self) -> ConfigPath {
        ConfigPath::Roots(vec![self.root()])
    }

    fn place(&self, host: &str) -> Place {
        Place { root: self.root(), host: host.to_owned() }
    }

    fn has(&self, host: &str, content: &Content) {
        crate::node_agent::act::act(&Operation::Write(self.place(host), content.clone())).unwrap();
    }

    fn has_foreign(&self, host: &str) {
        std::fs::create_dir(self.folder.path().join(host)).unwrap();
        std::fs::write(self.folder.path().join(host).join("hosts.toml"), "server = \"https://mirror\"")
            .unwrap();
    }

    fn plan(&self, claims: &[Claim], probes: &Probes) -> Plan {
        plan(claims, &self.config(), &Live::scan([self.root().as_str()]).unwrap(), probes)
    }
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint { addresses: vec![address.parse().unwrap()], port: 443, trust: "PEM".to_owned() }
}

fn claim(uid: &str, host: &str) -> Claim {
    let want = Want::Hosts { hosts: vec![host.to_owned()], endpoint: endpoint("10.96.0.50") };
    Claim { uid: uid.to_owned(), registry: "registries/main".to_owned(), want }
}

fn wanting(uid: &str, want: Want) -> Claim {
    Claim { want, ..claim(uid, "x") }
}

fn content(uid: &str) -> Content {
    Content::new(&claim(uid, "x"), &endpoint("10.96.0.50"))
}

fn answered(uid: &str) -> Probes {
    Probes::from([(uid.to_owned(), Ok(()))])
}

fn configured() -> RegistryReport {
    RegistryReport { configured: true, ..RegistryReport::default() }
}

#[test]
fn a_new_registry_is_probed_first_and_written_when_it_answered() {
    let node = Node::new();
    let claims = [claim("u1", "main.registries.svc")];

    let first = node.plan(&claims, &Probes::new());
    assert_eq!(first.operations, []);
    assert_eq!(first.unprobed, BTreeMap::from([("u1".to_owned(), endpoint("10.96.0.50"))]));
    assert!(!first.reports["u1"].configured);

    let refused = node.plan(&claims, &Probes::from([("u1".to_owned(), Err("no route".to_owned()))]));
    assert_eq!(refused.operations, []);
    assert_eq!(refused.reports["u1"], not_configured("RegistryUnreachable", "no route"));

    let second = node.plan(&claims, &answered("u1"));
    assert_eq!(second.operations, [Operation::Write(node.place("main.registries.svc"), content("u1"))]);
    assert_eq!(second.reports["u1"], configured());
}

#[test]
fn what_is_right_is_neither_probed_nor_written() {
    let node = Node::new();
    node.has("main.registries.svc", &content("u1"));
    let plan = node.plan(&[claim("u1", "main.registries.svc")], &Probes::new());
    let reports = BTreeMap::from([("u1".to_owned(), configured())]);
    assert_eq!(plan, Plan { reports, ..Plan::default() });
}

#[test]
fn what_was_changed_by_hand_or_is_of_another_address_is_written_again_once_it_answers() {
    for spoil in [MARKER, "ca.crt", "hosts.toml"] {
        let node = Node::new();
        node.has("h", &content("u1"));
        std::fs::write(node.folder.path().join("h").join(spoil), "registry-uid=u1\nsha256=spoilt\n").unwrap();
        let plan = node.plan(&[claim("u1", "h")], &answered("u1"));
        assert_eq!(plan.operations, [Operation::Write(node.place("h"), content("u1"))], "{spoil}");
    }
}

#[test]
fn while_a_changed_registry_does_not_answer_the_old_folder_stays() {
    let node = Node::new();
    node.has("h", &Content { hosts_toml: "old".to_owned(), ..content("u1") });
    let plan = node.plan(&[claim("u1", "h")], &Probes::from([("u1".to_owned(), Err("down".to_owned()))]));
    assert_eq!(plan.operations, []);
    assert_eq!(plan.reports["u1"], not_configured("RegistryUnreachable", "down"));
}

#[test]
fn folders_go_with_their_registry_their_wish_or_their_name() {
    for claims in [vec![], vec![wanting("u1", Want::Nothing)], vec![claim("u2", "other")]] {
        let node = Node::new();
        node.has("h", &content("u1"));
        let plan = node.plan(&claims, &Probes::new());
        assert_eq!(plan.operations, [Operation::Remove(node.place("h"))], "{claims:?}");
    }
    let node = Node::new();
    node.has("h:5000", &content("u1"));
    let plan = node.plan(&[claim("u1", "h:443")], &answered("u1"));
    assert_eq!(
        plan.operations,
        [Operation::Write(node.place("h:443"), content("u1")), Operation::Remove(node.place("h:5000")),]
    );
}

#[test]
fn what_is_not_understood_or_not_known_yet_keeps_its_folders() {
    for want in [
        Want::Pending { reason: "AddressPending", message: "m" },
        Want::Unreadable { why: "spec.storage: a number".to_owned() },
    ] {
        let node = Node::new();
        node.has("h", &content("u1"));
        let plan = node.plan(&[wanting("u1", want.clone())], &Probes::new());
        assert_eq!(plan.operations, [], "{want:?}");
        assert!(!plan.reports["u1"].configured);
    }
}

#[test]
fn a_runtime_without_a_folder_is_reported_and_changes_nothing_for_the_living() {
    let node = Node::new();
    node.has("h", &content("u1"));
    node.has("dead", &content("u9"));
    let config = ConfigPath::Unusable(Unusable::NotSet { section: "[x]" });
    let live = Live::scan([node.root().as_str()]).unwrap();
    let plan = plan(&[claim("u1", "h")], &config, &live, &Probes::new());
    assert_eq!(plan.operations, [Operation::Remove(node.place("dead"))]);
    assert_eq!(plan.reports["u1"].reason, "ConfigPathNotSet");
    assert!(plan.reports["u1"].message.contains("config_path = \"/etc/containerd/certs.d\""));
}

#[test]
fn foreign_content_is_reported_and_never_touched() {
    let node = Node::new();
    node.has_foreign("docker.io");
    node.has_foreign("h");
    std::fs::write(node.folder.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink("/", node.folder.path().join("link")).unwrap();
    for host in ["h", "file", "link"] {
        let plan = node.plan(&[claim("u1", host)], &answered("u1"));
        assert_eq!(plan.operations, [], "{host}");
        assert_eq!(plan.reports["u1"].reason, "ForeignContent", "{host}");
    }
    assert_eq!(node.plan(&[], &Probes::new()).operations, []);
}

#[test]
fn a_foreign_folder_that_containerd_reads_first_is_a_conflict() {
    let node = Node::new();
    node.has_foreign("h_5000_");
    let plan = node.plan(&[claim("u1", "h:5000")], &answered("u1"));
    assert_eq!(plan.operations, []);
    assert!(plan.reports["u1"].message.contains("h_5000_"), "{}", plan.reports["u1"].message);
}

#[test]
fn two_living_registries_never_share_a_host() {
    let node = Node::new();
    let both = [claim("u1", "h"), claim("u2", "h")];
    let probes = Probes::from([("u1".to_owned(), Ok(())), ("u2".to_owned(), Ok(()))]);
    let first = node.plan(&both, &probes);
    assert_eq!(first.operations, [Operation::Write(node.place("h"), content("u1"))]);
    assert_eq!((first.reports["u1"].configured, first.reports["u2"].configured), (true, false));

    // Whoever has it keeps it, whatever the order.
    node.has("h", &content("u2"));
    let second = node.plan(&both, &probes);
    assert_eq!(second.operations, []);
    assert_eq!(second.reports["u1"].reason, "ForeignContent");
}

#[test]
fn a_recreated_registry_takes_its_predecessors_folder_over() {
    let node = Node::new();
    node.has("h", &content("dead"));
    let waiting = node.plan(&[claim("u1", "h")], &Probes::new());
    assert_eq!(waiting.operations, []);
    let plan = node.plan(&[claim("u1", "h")], &answered("u1"));
    assert_eq!(plan.operations, [Operation::Write(node.place("h"), content("u1"))]);
}

#[test]
fn torn_markers_and_interrupted_writes_are_ours() {
    let node = Node::new();
    node.has("h", &content("u1"));
    node.has("gone", &content("u1"));
    for host in ["h", "gone"] {
        std::fs::write(node.folder.path().join(host).join(MARKER), "").unwrap();
    }
    std::fs::create_dir(node.folder.path().join(format!(".x{PREPARED_SUFFIX}"))).unwrap();
    let plan = node.plan(&[claim("u1", "h")], &answered("u1"));
    assert_eq!(
        plan.operations,
        [
            Operation::Write(node.place("h"), content("u1")),
            Operation::Remove(node.place("gone")),
            Operation::RemoveLeftover(node.place("x")),
        ]
    );
}
