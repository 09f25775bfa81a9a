use std::path::PathBuf;

/// A registry server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// This one.
    Entrepot,
    /// distribution 3.1, of `$ENTREPOT_TOOLS`.
    Distribution3,
    /// distribution 2.8, Debian's package docker-registry.
    Distribution2,
}

impl Program {
    /// The executable.
    pub(crate) fn path(self) -> PathBuf {
        match self {
            Self::Entrepot => env!("CARGO_BIN_EXE_registry").into(),
            Self::Distribution3 => tool("distribution"),
            Self::Distribution2 => package("/usr/bin/docker-registry", "docker-registry"),
        }
    }

    /// Of log and pid files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entrepot => "registry",
            Self::Distribution3 => "distribution-3",
            Self::Distribution2 => "distribution-2",
        }
    }
}

/// A program that was built from its source.
pub(crate) fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("ENTREPOT_TOOLS")
        .expect("ENTREPOT_TOOLS is unset; `make test` sets it to the folder of the tools that it builds");
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "{} is not there; `make test` builds it", path.display());
    path
}

/// A program that a Debian package brings.
pub(crate) fn package(path: &str, package: &str) -> PathBuf {
    let path = PathBuf::from(path);
    assert!(path.is_file(), "{} is not there; `.ci/run` installs {package}", path.display());
    path
}
