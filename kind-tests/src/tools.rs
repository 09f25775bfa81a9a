//! The programs a cluster is made of, built from pinned Go modules once and kept in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::process::Command;

use crate::{
    cache::{Cache, CacheError},
    process::{self, CommandError},
    progress::Progress,
    sha256,
};

/// A Go module whose commands are built together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tool {
    /// `etcd`
    Etcd,
    /// `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `kubelet`, `kube-proxy`, `kubectl`
    Kubernetes,
    /// `containerd`, `containerd-shim-runc-v2`, `ctr`
    Containerd,
    /// `coredns`
    Coredns,
    /// `crane`
    Crane,
    /// `helm`
    Helm,
    /// `distribution`: the registry that others use, called so as not to be mistaken for ours
    Distribution,
}

/// How a tool is built.
struct Recipe {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// The program's source where no module's own will do; else the module names what to build in its `tool` line.
    main: Option<&'static str>,
    flags: &'static [&'static str],
    /// The commands that the build makes.
    commands: &'static [&'static str],
    /// `-o` names the one command instead of the folder, where the package's own name would say too little.
    renamed: bool,
    /// On two cores with nothing cached.
    estimate: Duration,
}

macro_rules! recipe {
    ($name:literal, $flags:expr, $commands:expr, $renamed:expr, $seconds:literal) => {
        Recipe {
            name: $name,
            go_mod: include_str!(concat!("../tools/", $name, "/go.mod")),
            go_sum: include_str!(concat!("../tools/", $name, "/go.sum")),
            main: None,
            flags: $flags,
            commands: $commands,
            renamed: $renamed,
            estimate: Duration::from_secs($seconds),
        }
    };
}

const STRIPPED: &[&str] = &["-ldflags", "-s -w"];
/// Nobody debugs these programs, and without what only debuggers read they compile in an eighth less time.
const COMMON_FLAGS: &[&str] = &["-trimpath", "-gcflags=all=-dwarf=false"];
/// The compiler collects its garbage less often than a server would want to: a fifth less time for a few hundred megabytes.
const COMPILER_GARBAGE: &str = "400";
const COREDNS_MAIN: &str = include_str!("../tools/coredns/main.go");
const CONTAINERD_FLAGS: &[&str] = &["-tags", "no_btrfs,no_zfs,no_devmapper", "-ldflags", "-s -w"];
/// Without these an apiserver says it is v0.0.0, and clients that look at its version refuse it.
const KUBERNETES_FLAGS: &[&str] = &[
    "-ldflags",
    "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
];
const KUBERNETES_COMMANDS: &[&str] =
    &["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"];
const CONTAINERD_COMMANDS: &[&str] = &["containerd", "containerd-shim-runc-v2", "ctr"];

/// A tool could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The Go compiler failed.
    #[error("cannot build {tool}: {source}")]
    Build {
        /// The tool's name.
        tool: &'static str,
        /// What the compiler said.
        source: CommandError,
    },
    /// The build made something else than expected.
    #[error("the build of {tool} made no `{command}`: its go.mod and the list of its commands disagree")]
    Incomplete {
        /// The tool's name.
        tool: &'static str,
        /// The command that is not there.
        command: &'static str,
    },
    /// Files of the cache cannot be written.
    #[error("cannot keep the build of {tool} in {path}: {source}")]
    Keep {
        /// The tool's name.
        tool: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Tool {
    /// What a cluster with two nodes is made of.
    pub const CLUSTER: [Self; 4] = [Self::Etcd, Self::Kubernetes, Self::Containerd, Self::Coredns];
    /// What an apiserver alone is made of.
    pub const CONTROL_PLANE: [Self; 2] = [Self::Etcd, Self::Kubernetes];

    fn recipe(self) -> Recipe {
        match self {
            Self::Etcd => recipe!("etcd", STRIPPED, &["etcd"], true, 60),
            Self::Kubernetes => recipe!("kubernetes", KUBERNETES_FLAGS, KUBERNETES_COMMANDS, false, 420),
            Self::Containerd => recipe!("containerd", CONTAINERD_FLAGS, CONTAINERD_COMMANDS, false, 100),
            Self::Coredns => {
                Recipe { main: Some(COREDNS_MAIN), ..recipe!("coredns", STRIPPED, &["coredns"], false, 120) }
            }
            Self::Crane => recipe!("crane", STRIPPED, &["crane"], false, 15),
            Self::Helm => recipe!("helm", STRIPPED, &["helm"], false, 120),
            Self::Distribution => recipe!("distribution", STRIPPED, &["distribution"], true, 100),
        }
    }
}

/// Builds the tools that the cache does not hold, and answers the folder with a link to each of their commands.
///
/// The heavy parts share one compiler's parallelism, so tools are built one after the other.
pub async fn ensure(cache: &Cache, tools: &[Tool], progress: &Progress) -> Result<PathBuf, ToolError> {
    stream::iter(tools).then(|tool| ensure_one(cache, *tool, progress)).try_collect::<Vec<()>>().await?;
    Ok(cache.bin())
}

/// What changes when any of these tools would be built differently.
pub fn versions(tools: &[Tool]) -> String {
    let version = |recipe: Recipe| format!("{} {}", recipe.name, key(&recipe));
    tools.iter().map(|tool| version(tool.recipe())).collect::<Vec<_>>().join("\n")
}

async fn ensure_one(cache: &Cache, tool: Tool, progress: &Progress) -> Result<(), ToolError> {
    let recipe = tool.recipe();
    let folder = cache.folder("tools")?.join(format!("{}-{}", recipe.name, key(&recipe)));
    if !folder.is_dir() {
        let name = format!("tool-{}", recipe.name);
        let waiting = format!("waiting for another build of {}", recipe.name);
        let _lock = progress.step(&waiting, cache.lock(&name)).await?;
        // Another process may have built it while this one waited.
        if !folder.is_dir() {
            let what = format!("building {}", recipe.name);
            progress.long_step(&what, recipe.estimate, build(&recipe, &folder)).await?;
        }
    }
    link(cache, &recipe, &folder)
}

/// Of everything that decides what the build makes.
fn key(recipe: &Recipe) -> String {
    let sources = [recipe.go_mod, recipe.go_sum].into_iter().chain(recipe.main);
    let parts: Vec<&str> = sources.chain(COMMON_FLAGS.iter().chain(recipe.flags).copied()).collect();
    sha256::key(&parts)
}

/// Builds beside the final place and renames: a build that was cut short never looks like a finished one.
async fn build(recipe: &Recipe, folder: &Path) -> Result<(), ToolError> {
    let keep = |source| ToolError::Keep { tool: recipe.name, path: folder.into(), source };
    let parent = folder.parent().unwrap_or(folder);
    let prefix = format!(".{}-", recipe.name);
    remove_leftovers(parent, &prefix).map_err(keep)?;
    let module = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(keep)?;
    let output = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(keep)?;
    fs::write(module.path().join("go.mod"), recipe.go_mod).map_err(keep)?;
    fs::write(module.path().join("go.sum"), recipe.go_sum).map_err(keep)?;
    if let Some(main) = recipe.main {
        fs::write(module.path().join("main.go"), main).map_err(keep)?;
    }
    let mut target = output.path().as_os_str().to_owned();
    target.push("/");
    if let (true, [command]) = (recipe.renamed, recipe.commands) {
        target.push(command);
    }
    let mut go = Command::new("go");
    go.arg("build").args(COMMON_FLAGS).args(recipe.flags).arg("-o").arg(&target);
    go.arg(if recipe.main.is_some() { "." } else { "tool" });
    go.current_dir(module.path()).env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOGC", COMPILER_GARBAGE);
    process::run(&mut go).await.map_err(|source| ToolError::Build { tool: recipe.name, source })?;
    for command in recipe.commands {
        if !output.path().join(command).is_file() {
            return Err(ToolError::Incomplete { tool: recipe.name, command });
        }
    }
    let built = output.keep();
    fs::set_permissions(&built, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(keep)?;
    fs::rename(&built, folder).map_err(keep)
}

/// Builds that were killed leave hundreds of megabytes; under the tool's lock nobody else's can be among them.
fn remove_leftovers(parent: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Points `bin/<command>` at the build, by renaming a new link over the old one: there is always a whole one.
fn link(cache: &Cache, recipe: &Recipe, folder: &Path) -> Result<(), ToolError> {
    let bin = cache.folder("bin")?;
    for command in recipe.commands {
        let (path, target) = (bin.join(command), folder.join(command));
        if fs::read_link(&path).is_ok_and(|current| current == target) {
            continue;
        }
        let keep = |source| ToolError::Keep { tool: recipe.name, path: path.clone(), source };
        let fresh = bin.join(format!(".{command}.{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        std::os::unix::fs::symlink(&target, &fresh).map_err(keep)?;
        fs::rename(&fresh, &path).map_err(keep)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_changes_with_whatever_decides_the_build() {
        let base = || Recipe { go_mod: "a", go_sum: "b", flags: &["c"], ..Tool::Crane.recipe() };
        let keys = [
            key(&base()),
            key(&Recipe { main: Some("package main"), ..base() }),
            key(&Recipe { go_mod: "ab", go_sum: "", ..base() }),
            key(&Recipe { go_sum: "x", ..base() }),
            key(&Recipe { flags: &["c", "d"], ..base() }),
        ];
        assert!(keys.iter().all(|key| key.len() == 12), "{keys:?}");
        assert!((1..5).all(|i| !keys[..i].contains(&keys[i])), "{keys:?}");
    }

    #[test]
    fn only_the_same_tools_leftovers_go() {
        let parent = tempfile::tempdir().unwrap();
        for name in [".crane-x1", ".helm-x2", "crane-0123456789ab"] {
            fs::create_dir_all(parent.path().join(name).join("bin")).unwrap();
        }
        remove_leftovers(parent.path(), ".crane-").unwrap();
        let mut left: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".helm-x2", "crane-0123456789ab"]);
    }

    #[test]
    fn every_tool_is_pinned() {
        for tool in <Tool as clap::ValueEnum>::value_variants() {
            let recipe = tool.recipe();
            let says_what = recipe.main.is_some() || recipe.go_mod.contains("\ntool ");
            assert!(says_what && recipe.go_sum.contains(" h1:"), "{}", recipe.name);
        }
    }
}
