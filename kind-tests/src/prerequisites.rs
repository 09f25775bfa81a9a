//! What the machine must have before a cluster can be built on it, checked first and reported at once.

use std::path::{Path, PathBuf};

/// A program or file that is needed, and the Debian package that brings it.
struct Needed {
    what: &'static str,
    package: &'static str,
}

const PROGRAMS: [Needed; 10] = [
    Needed { what: "runc", package: "runc" },
    Needed { what: "nft", package: "nftables" },
    Needed { what: "iptables", package: "iptables" },
    Needed { what: "ip", package: "iproute2" },
    Needed { what: "mount", package: "mount" },
    Needed { what: "nsenter", package: "util-linux" },
    Needed { what: "unshare", package: "util-linux" },
    Needed { what: "setsid", package: "util-linux" },
    Needed { what: "cc", package: "gcc" },
    Needed { what: "go", package: "golang-go (1.21 or newer; it fetches the release that is pinned)" },
];

const CNI_PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// Where Debian's `containernetworking-plugins` puts the CNI plugins.
pub const CNI_FOLDER: &str = "/usr/lib/cni";

/// The machine lacks something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrerequisiteError {
    /// Namespaces, mounts and cgroups take root.
    #[error("the cluster needs root: it lives in namespaces, mounts and control groups; run this with sudo")]
    NotRoot,
    /// Programs are absent.
    #[error("missing: {}; on Debian: apt-get install {}", programs.join(", "), packages.join(" "))]
    Missing {
        /// The programs and files.
        programs: Vec<String>,
        /// The Debian packages that bring them.
        packages: Vec<String>,
    },
}

/// Checks that this process may do what a cluster takes.
pub fn root() -> Result<(), PrerequisiteError> {
    if nix::unistd::geteuid().is_root() { Ok(()) } else { Err(PrerequisiteError::NotRoot) }
}

/// Checks this machine.
pub fn check() -> Result<(), PrerequisiteError> {
    root()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Root's PATH often lacks the sbin folders when it comes from `su` or a service manager.
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    missing(|program| folders.iter().any(|folder| folder.join(program).is_file()), Path::exists)
}

fn missing(
    has_program: impl Fn(&str) -> bool,
    has_file: impl Fn(&Path) -> bool,
) -> Result<(), PrerequisiteError> {
    let mut programs = Vec::new();
    let mut packages = Vec::new();
    for needed in PROGRAMS.iter().filter(|needed| !has_program(needed.what)) {
        programs.push(needed.what.to_owned());
        packages.push(needed.package.to_owned());
    }
    for plugin in CNI_PLUGINS.map(|name| Path::new(CNI_FOLDER).join(name)) {
        if !has_file(&plugin) {
            programs.push(plugin.display().to_string());
            packages.push("containernetworking-plugins".to_owned());
        }
    }
    packages.dedup();
    if programs.is_empty() { Ok(()) } else { Err(PrerequisiteError::Missing { programs, packages }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_absent_program_is_named_with_its_package_once() {
        let error =
            missing(|name| name != "runc" && name != "nsenter" && name != "unshare", |_| false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing: runc, nsenter, unshare, /usr/lib/cni/bridge, /usr/lib/cni/host-local, \
             /usr/lib/cni/loopback, /usr/lib/cni/portmap; on Debian: apt-get install runc util-linux \
             containernetworking-plugins"
        );
        assert_eq!(missing(|_| true, |_| true), Ok(()));
    }
}
