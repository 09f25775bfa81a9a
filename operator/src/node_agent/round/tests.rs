//! Whole changes of a node in a temporary folder: write, change, remove, and every interruption.

use std::fs;
use std::path::Path;

use super::*;
use crate::node_agent::claim::Want;
use crate::node_agent::containerd_config::FileFacts;

struct Node(tempfile::TempDir);

impl Node {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self, config_path: &str) -> ConfigPath {
        let facts = FileFacts { config_path: Some(config_path.to_owned()), ..FileFacts::default() };
        containerd_config::config_path(
            &[facts],
            &Runtime::parse("containerd://2.4.2"),
            self.path().to_str().unwrap(),
        )
    }

    fn certs_d(&self) -> String {
        self.path().join("certs.d").to_str().unwrap().to_owned()
    }

    /// One round in which every Registry answers.
    fn round(&self, config: &ConfigPath, claims: &[Claim]) -> BTreeMap<String, RegistryReport> {
        let probes: Probes = claims.iter().map(|claim| (claim.uid.clone(), Ok(()))).collect();
        let live = scan(config, self.path().to_str().unwrap()).unwrap();
        carry_out(plan(claims, config, &live, &probes))
    }

    /// Every file beneath the folder with its text.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut pending = vec![self.path().to_owned()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, fs::read_to_string(path).unwrap());
                }
            }
        }
        files
    }
}

fn claim(address: &str) -> Claim {
    let hosts = ["main.registries.svc", "main.registries.svc:443"].map(str::to_owned).to_vec();
    let endpoint = Endpoint { addresses: vec![address.parse().unwrap()], port: 443, trust: "PEM".to_owned() };
    Claim {
        uid: "u1".to_owned(),
        registry: "registries/main".to_owned(),
        want: Want::Hosts { hosts, endpoint },
    }
}

fn is_configured(reports: &BTreeMap<String, RegistryReport>) -> bool {
    reports["u1"].configured
}

#[test]
fn a_registry_comes_changes_and_goes_and_its_neighbours_stay() {
    let node = Node::new();
    let config = node.config(&node.certs_d());
    fs::create_dir_all(node.path().join("certs.d/docker.io")).unwrap();
    fs::write(node.path().join("certs.d/docker.io/hosts.toml"), "server = \"https://mirror\"").unwrap();
    fs::write(node.path().join("config.toml"), "version = 3").unwrap();
    let before = node.files();

    assert!(is_configured(&node.round(&config, &[claim("10.96.0.50")])));
    let files = node.files();
    assert_eq!(files.len(), before.len() + 6);
    for host in ["main.registries.svc", "main.registries.svc:443"] {
        assert!(files[&format!("certs.d/{host}/hosts.toml")].contains("https://10.96.0.50"));
        assert_eq!(files[&format!("certs.d/{host}/ca.crt")], "PEM");
        assert!(files[&format!("certs.d/{host}/.entrepot")].contains("registry-uid=u1\n"));
    }

    assert!(is_configured(&node.round(&config, &[claim("10.96.0.51")])));
    assert!(node.files()["certs.d/main.registries.svc/hosts.toml"].contains("https://10.96.0.51"));

    node.round(&config, &[]);
    assert_eq!(node.files(), before);
}

#[test]
fn the_folder_with_a_colon_is_filled_and_leaves_no_trace() {
    let node = Node::new();
    let literal = format!("{}:/etc/docker/certs.d", node.certs_d());
    let config = node.config(&literal);
    assert_eq!(config, ConfigPath::Roots(vec![literal.clone(), node.certs_d()]));
    assert!(is_configured(&node.round(&config, &[claim("10.96.0.50")])));
    for root in [literal, node.certs_d()] {
        let hosts_toml = fs::read_to_string(format!("{root}/main.registries.svc/hosts.toml")).unwrap();
        assert!(hosts_toml.contains("https://10.96.0.50"), "{root}");
    }
    node.round(&config, &[]);
    assert!(!node.path().join("certs.d:").exists());
    assert!(node.path().join("certs.d").exists(), "a plain certs.d may be the administrator's");
}

#[test]
fn files_of_others_in_a_folder_of_ours_outlive_it() {
    let node = Node::new();
    let config = node.config(&node.certs_d());
    node.round(&config, &[claim("10.96.0.50")]);
    let theirs = node.path().join("certs.d/main.registries.svc/README");
    fs::write(&theirs, "mine").unwrap();
    node.round(&config, &[]);
    assert_eq!(
        node.files(),
        BTreeMap::from([("certs.d/main.registries.svc/README".to_owned(), "mine".to_owned())])
    );
    // And is foreign from then on.
    let reports = node.round(&config, &[claim("10.96.0.50")]);
    assert_eq!(reports["u1"].reason, "ForeignContent");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "mine");
}

/// An interruption leaves some of the files; whichever they are, the next round ends where an
/// uninterrupted one does.
#[test]
fn every_interrupted_write_and_removal_is_finished_by_the_next_round() {
    let complete = Node::new();
    complete.round(&complete.config(&complete.certs_d()), &[claim("10.96.0.50")]);
    for kept in 0u8..16 {
        for prepared in [false, true] {
            let node = Node::new();
            let config = node.config(&node.certs_d());
            let name = if prepared { ".main.registries.svc.entrepot-new" } else { "main.registries.svc" };
            let folder = node.path().join("certs.d").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (bit, file) in ["ca.crt", "hosts.toml", ".entrepot-new"].iter().enumerate() {
                if kept & (1 << bit) != 0 {
                    fs::write(folder.join(file), "half of it").unwrap();
                }
            }
            // The marker comes into a folder of that name with the rename, and leaves it last.
            if !prepared || kept & 8 != 0 {
                fs::write(folder.join(".entrepot"), "registry-uid=u").unwrap();
            }
            assert!(is_configured(&node.round(&config, &[claim("10.96.0.50")])), "{kept} {prepared}");
            let mut files = node.files();
            files.retain(|name, _| !name.ends_with("/.entrepot-new"));
            assert_eq!(files, complete.files(), "{kept} {prepared}");
            node.round(&config, &[]);
            assert_eq!(node.files(), BTreeMap::new(), "{kept} {prepared}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_reported() {
    let node = Node::new();
    fs::write(node.path().join("certs.d"), "a file where a folder belongs").unwrap();
    let config = node.config(&format!("{}/deeper", node.certs_d()));
    let live = Live::default();
    let probes = Probes::from([("u1".to_owned(), Ok(()))]);
    let reports = carry_out(plan(&[claim("10.96.0.50")], &config, &live, &probes));
    assert_eq!((reports["u1"].configured, reports["u1"].reason.as_str()), (false, "WriteFailed"));
    assert!(reports["u1"].message.contains("certs.d"), "{}", reports["u1"].message);
}

#[test]
fn cleaning_finds_every_folder_of_ours_wherever_it_was_written() {
    let node = Node::new();
    let literal = format!("{}:/etc/docker/certs.d", node.certs_d());
    for config in [node.config(&literal), node.config(node.path().join("hosts.d").to_str().unwrap())] {
        node.round(&config, &[claim("10.96.0.50")]);
    }
    fs::create_dir_all(node.path().join("certs.d/.x.entrepot-new")).unwrap();
    fs::create_dir_all(node.path().join("certs.d/docker.io")).unwrap();
    fs::write(node.path().join("certs.d/docker.io/hosts.toml"), "foreign").unwrap();
    assert_eq!(crate::node_agent::clean::clean(node.path()), Ok(()));
    assert_eq!(
        node.files(),
        BTreeMap::from([("certs.d/docker.io/hosts.toml".to_owned(), "foreign".to_owned())])
    );
    assert!(!node.path().join("certs.d/.x.entrepot-new").exists());
    assert_eq!(crate::node_agent::clean::clean(node.path()), Ok(()), "a second time");
}
