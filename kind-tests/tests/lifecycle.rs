//! Up, down, and everything that can happen in between: the machine is afterwards what it was before.
//!
//! One test, since there is one cluster a machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use entrepot_kind_tests::{
    process::MARK,
    state::ClusterDir,
    wait::{Seen, wait_until},
};

/// What a machine shows of a cluster that is or was on it.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    links: BTreeSet<String>,
    routes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    settings: BTreeMap<&'static str, String>,
    folders: BTreeMap<&'static str, BTreeSet<String>>,
    cgroups: BTreeSet<String>,
    processes: BTreeSet<String>,
}

const SETTINGS: [&str; 7] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
    "net/ipv4/conf/all/rp_filter",
];
/// Each program of a cluster fills one of these if it is let.
const FOLDERS: [&str; 12] = [
    "/etc",
    "/etc/cni",
    "/etc/cni/net.d",
    "/etc/containerd",
    "/opt",
    "/run/mount",
    "/run/netns",
    "/usr/libexec",
    "/var/lib",
    "/var/lib/cni",
    "/var/log/containers",
    "/var/log/pods",
];

impl Host {
    fn look() -> Self {
        let lines = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let names = |folder: &str| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<BTreeSet<_>>()
        };
        let setting = |name| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
        let hierarchies = names("/sys/fs/cgroup");
        let groups = hierarchies.iter().flat_map(|name| names(&format!("/sys/fs/cgroup/{name}")));
        Self {
            links: names("/sys/class/net"),
            routes: lines("ip", &["route", "show", "table", "all"]),
            mounts: fs::read_to_string("/proc/self/mounts").unwrap().lines().map(str::to_owned).collect(),
            settings: SETTINGS.map(|name| (name, setting(name))).into(),
            folders: FOLDERS.map(|folder| (folder, names(folder))).into(),
            cgroups: hierarchies
                .iter()
                .cloned()
                .chain(groups)
                .filter(|name| name.contains("entrepot"))
                .collect(),
            processes: cluster_processes(),
        }
    }
}

/// Those in a node's control group or with the mark of what a start started; a zombie has neither.
fn cluster_processes() -> BTreeSet<String> {
    let of_cluster = |entry: fs::DirEntry| {
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let (groups, environment) = (read("cgroup"), read("environ"));
        let marked =
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(MARK.as_bytes()));
        let inside = String::from_utf8_lossy(&groups).contains("/entrepot-n");
        (marked || inside).then(|| String::from_utf8_lossy(&read("comm")).trim().to_owned())
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of_cluster).collect()
}

fn kind_tests(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kind-tests"));
    command.args(arguments).env_remove("ENTREPOT_KUBECONFIG").stdin(Stdio::null());
    command.spawn().unwrap()
}

fn succeeds(arguments: &[&str]) {
    let status = kind_tests(arguments).wait().unwrap();
    assert!(status.success(), "kind-tests {arguments:?}: {status}");
}

/// Starts `up` and kills it the moment the file appears.
async fn up_killed_at(file: &Path) {
    let mut up = kind_tests(&["up"]);
    wait_until(&format!("{}", file.display()), Duration::from_mins(2), || async {
        Ok::<_, Infallible>(Seen::when(file.exists(), (), "not there"))
    })
    .await
    .unwrap();
    up.kill().unwrap();
    up.wait().unwrap();
}

#[tokio::test]
async fn whatever_happens_on_the_way_up_the_machine_ends_as_it_began() {
    let dir = ClusterDir::from_environment();
    // The tools are built first, or a kill would hit the compiler.
    succeeds(&["up"]);
    succeeds(&["down"]);
    let before = Host::look();
    assert_eq!(before.processes, BTreeSet::new());
    assert_eq!(before.cgroups, BTreeSet::new());

    let stages = [
        dir.state.join("created-folders"),
        Path::new("/run/netns/entrepot-n1").to_owned(),
        dir.state.join("n2/init-ready"),
        dir.state.join("pki/n2.kubeconfig"),
        dir.log("n2-containerd"),
        dir.log("n1-kube-scheduler"),
        dir.log("n2-kubelet"),
        dir.ready_marker(),
    ];
    for stage in &stages {
        up_killed_at(stage).await;
        succeeds(&["down"]);
        assert_eq!(Host::look(), before, "killed at {}", stage.display());
    }

    up_killed_at(&dir.log("n1-kube-apiserver")).await;
    succeeds(&["up"]);
    succeeds(&["status"]);
    // A node that lost its runtime and its kubelet: the cluster is made anew.
    let marker = fs::metadata(dir.ready_marker()).unwrap().modified().unwrap();
    succeeds(&["on", "n2", "--", "sh", "-c", "kill -9 $(pidof kubelet) $(pidof containerd)"]);
    wait_until("the loss to be noticed", Duration::from_secs(20), || async {
        let status = kind_tests(&["status"]).wait();
        status.map(|status| Seen::when(!status.success(), (), "still well"))
    })
    .await
    .unwrap();
    succeeds(&["up"]);
    assert_ne!(fs::metadata(dir.ready_marker()).unwrap().modified().unwrap(), marker);
    // One that is well is kept.
    let marker = fs::metadata(dir.ready_marker()).unwrap().modified().unwrap();
    succeeds(&["up"]);
    assert_eq!(fs::metadata(dir.ready_marker()).unwrap().modified().unwrap(), marker);

    succeeds(&["down"]);
    succeeds(&["down"]);
    assert_eq!(Host::look(), before);
}
