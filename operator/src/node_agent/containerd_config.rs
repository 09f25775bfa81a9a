//! Where this node's containerd looks for `certs.d` folders, as its configuration says.
//!
//! Three forms of the key are in use: `plugins.cri.registry` (version 1), `io.containerd.grpc.v1.cri`
//! (version 2) and `io.containerd.cri.v1.images` (version 3 and later). Files named by `imports` are read
//! after the file that names them, and the last one that sets a key wins.

use toml::Table;

/// containerd's own default from release 2.2 on.
const DEFAULT_SINCE_2_2: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// What one configuration file says about registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// `version`; 1 when it is absent.
    pub version: Option<i64>,
    /// `config_path`, when the file sets it; it may be empty.
    pub config_path: Option<String>,
    /// Whether the file configures `mirrors`, which exclude `config_path`.
    pub mirrors: bool,
    /// Its `imports`, as written.
    pub imports: Vec<String>,
}

/// The runtime's name and release as the kubelet reports them: `containerd://2.4.2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    name: String,
    release: Option<(u32, u32)>,
}

/// Which folders the runtime reads, or why none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigPath {
    /// The folders to write into, most important first.
    Roots(Vec<String>),
    /// The runtime reads none.
    Unusable(Unusable),
}

/// Why the runtime reads no folder; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The configuration sets no folder and this release has no default.
    #[error(
        "containerd reads no certs.d folder: put `config_path = \"/etc/containerd/certs.d\"` under {section} in /etc/containerd/config.toml and restart containerd"
    )]
    NotSet {
        /// The TOML table of the line.
        section: &'static str,
    },
    /// `mirrors` are configured.
    #[error(
        "containerd's configuration holds registry mirrors, which exclude certs.d: move them to hosts.toml files, put `config_path = \"/etc/containerd/certs.d\"` under {section} in /etc/containerd/config.toml and restart containerd"
    )]
    Mirrors {
        /// The TOML table of the line.
        section: &'static str,
    },
    /// A folder that the agent does not see.
    #[error(
        "containerd reads {path}, and the node agent writes beneath {mounted} alone: set `config_path = \"/etc/containerd/certs.d\"` under {section} in /etc/containerd/config.toml and restart containerd"
    )]
    Outside {
        /// The configured value.
        path: String,
        /// What the agent sees.
        mounted: String,
        /// The TOML table of the line.
        section: &'static str,
    },
    /// Another runtime.
    #[error(
        "the node's container runtime is {runtime}, which reads no certs.d folder: set nodeAccess.mode to None and configure the runtime yourself"
    )]
    OtherRuntime {
        /// What the kubelet reports.
        runtime: String,
    },
    /// The configuration cannot be read.
    #[error("containerd's configuration {file} cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What went wrong.
        why: String,
    },
}

impl Unusable {
    /// The word for conditions and reports.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSet { .. } => "ConfigPathNotSet",
            Self::Mirrors { .. } => "RegistryMirrorsConfigured",
            Self::Outside { .. } => "ConfigPathOutsideMount",
            Self::OtherRuntime { .. } => "RuntimeNotSupported",
            Self::Unreadable { .. } => "RuntimeConfigUnreadable",
        }
    }
}

impl Runtime {
    /// Parses `status.nodeInfo.containerRuntimeVersion`.
    pub fn parse(reported: &str) -> Self {
        let (name, version) = reported.split_once("://").unwrap_or((reported, ""));
        let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
        let mut next = || numbers.next().and_then(|number| number.parse().ok());
        let release = next().zip(next());
        Self { name: name.to_owned(), release }
    }

    /// Whether this release reads certs.d folders without being told to.
    fn has_default(&self) -> bool {
        self.release.is_some_and(|release| release >= (2, 2))
    }

    /// The table that `config_path` belongs into for this release and configuration version.
    fn section(&self, version: Option<i64>) -> &'static str {
        let by_release = if self.release.is_some_and(|(major, _)| major < 2) { 2 } else { 3 };
        match version.unwrap_or(by_release) {
            ..=1 => "[plugins.cri.registry]",
            2 => "[plugins.\"io.containerd.grpc.v1.cri\".registry]",
            _ => "[plugins.\"io.containerd.cri.v1.images\".registry]",
        }
    }
}

/// Reads what one file says; unknown keys do not matter.
pub fn parse(text: &str) -> Result<FileFacts, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let registry = ["io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri", "cri"]
        .iter()
        .find_map(|plugin| table.get("plugins")?.get(plugin)?.get("registry"));
    let imports = table.get("imports").and_then(|imports| imports.as_array());
    Ok(FileFacts {
        version: table.get("version").and_then(toml::Value::as_integer),
        config_path: registry
            .and_then(|registry| registry.get("config_path"))
            .and_then(|path| path.as_str())
            .map(str::to_owned),
        mirrors: registry
            .and_then(|registry| registry.get("mirrors"))
            .and_then(toml::Value::as_table)
            .is_some_and(|mirrors| !mirrors.is_empty()),
        imports: imports.into_iter().flatten().filter_map(|path| path.as_str()).map(str::to_owned).collect(),
    })
}

/// Decides from every file, in the order in which containerd merges them.
///
/// `mounted` is the folder that the agent sees, `/etc/containerd`.
pub fn config_path(files: &[FileFacts], runtime: &Runtime, mounted: &str) -> ConfigPath {
    if runtime.name != "containerd" {
        return ConfigPath::Unusable(Unusable::OtherRuntime { runtime: runtime.name.clone() });
    }
    let version = files.first().map(|file| file.version.unwrap_or(1));
    let section = runtime.section(version);
    // An empty value does not override one that an earlier file set: containerd merges so.
    let set = files.iter().filter_map(|file| file.config_path.as_deref()).rfind(|path| !path.is_empty());
    let path = match set {
        Some(path) => path,
        None if files.iter().any(|file| file.mirrors) => {
            return ConfigPath::Unusable(Unusable::Mirrors { section });
        }
        None if runtime.has_default() => DEFAULT_SINCE_2_2,
        None => return ConfigPath::Unusable(Unusable::NotSet { section }),
    };
    let roots: Vec<String> = roots(path).into_iter().filter(|root| beneath(root, mounted)).collect();
    if roots.is_empty() {
        let (path, mounted) = (path.to_owned(), mounted.to_owned());
        return ConfigPath::Unusable(Unusable::Outside { path, mounted, section });
    }
    ConfigPath::Roots(roots)
}

/// `A` is one folder. `A:B` is two for one of containerd's two ways to pull, and for the other, which is
/// the default one, a single folder whose name holds a colon; so it is written to both.
fn roots(config_path: &str) -> Vec<String> {
    if !config_path.contains(':') {
        return vec![trimmed(config_path)];
    }
    let first = config_path.split(':').find(|part| !part.is_empty()).map(trimmed);
    std::iter::once(trimmed(config_path)).chain(first).collect()
}

fn trimmed(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

fn beneath(path: &str, folder: &str) -> bool {
    let inside = path.strip_prefix(folder.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    inside.is_some_and(|rest| !rest.split('/').any(|part| part == ".." || part.is_empty()))
}

/// The folders that a containerd without configuration reads: looked through in any case, so that
/// nothing of ours stays behind when the configuration changes.
pub fn default_roots(mounted: &str) -> Vec<String> {
    roots(DEFAULT_SINCE_2_2).into_iter().filter(|root| beneath(root, mounted)).collect()
}

#[cfg(test)]
mod tests;
