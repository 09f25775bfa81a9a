//! The command line.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use entrepot_registry_config::{Config, ConfigError, Warning};

/// Where images for distribution keep their configuration, the current place first.
const DEFAULT_FILES: [&str; 2] = ["/etc/distribution/config.yml", "/etc/docker/registry/config.yml"];

/// Names the file when no argument does.
const PATH_VARIABLE: &str = "REGISTRY_CONFIGURATION_PATH";

/// An OCI registry that takes the place of distribution's: the same volume, configuration and variables.
#[derive(Debug, Parser, PartialEq, Eq)]
#[command(name = "registry", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand, PartialEq, Eq)]
pub enum Command {
    /// Serve the registry until SIGTERM or SIGINT.
    ///
    /// `registry FILE.yml` is short for `registry serve FILE.yml`. Every key can be set by a variable, too: `http.addr` by
    /// `REGISTRY_HTTP_ADDR`.
    Serve {
        /// The configuration. Without it: the file that `REGISTRY_CONFIGURATION_PATH` names, or
        /// /etc/distribution/config.yml, or /etc/docker/registry/config.yml, or defaults: port 5000, /var/lib/registry.
        #[arg(value_name = "FILE.yml")]
        config: Option<PathBuf>,
    },
}

impl Cli {
    /// From the process's arguments; ends the process with help, a version or a usage error.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self::parse_from(expand(arguments))
    }
}

/// `registry config.yml` serves, as the entry points of images for distribution expect.
fn expand(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_file = |argument: &OsString| {
        let extension = Path::new(argument).extension();
        extension.is_some_and(|extension| extension == "yml" || extension == "yaml")
    };
    if arguments.get(1).is_some_and(is_file) {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// Why there is no configuration to serve with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can, and is wrong.
    #[error("the configuration{} cannot be used:\n{source}", of(path.as_deref()))]
    Invalid {
        /// Which; absent: variables alone.
        path: Option<PathBuf>,
        /// What is wrong.
        source: ConfigError,
    },
}

fn of(path: Option<&Path>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

/// Reads the configuration: the file that is named, or the first of those that may be there, under the variables.
pub fn load(
    named: Option<PathBuf>,
    variables: &[(String, String)],
) -> Result<(Config, Vec<Warning>), LoadError> {
    // An empty one counts as absent, as in distribution.
    let names_file = |(name, path): &&(String, String)| name == PATH_VARIABLE && !path.is_empty();
    let by_variable = || variables.iter().find(names_file).map(|(_, path)| PathBuf::from(path));
    let by_default = || DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists());
    let path = named.or_else(by_variable).or_else(by_default);
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.clone(), source })
    };
    let text = path.as_ref().map(read).transpose()?;
    Config::load(text.as_deref(), variables.iter().cloned())
        .map_err(|source| LoadError::Invalid { path, source })
}

/// The environment, but for variables that are no text: no key could be meant.
pub fn variables() -> Vec<(String, String)> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::error::ErrorKind> {
        let arguments = ["registry"].iter().chain(arguments).map(OsString::from);
        Cli::try_parse_from(expand(arguments)).map_err(|error| error.kind())
    }

    #[test]
    fn a_bare_file_serves() {
        let serve = |config: Option<&str>| Cli { command: Command::Serve { config: config.map(Into::into) } };
        assert_eq!(parse(&["serve"]), Ok(serve(None)));
        assert_eq!(parse(&["serve", "/c.yml"]), Ok(serve(Some("/c.yml"))));
        assert_eq!(parse(&["/etc/c.yml"]), Ok(serve(Some("/etc/c.yml"))));
        assert_eq!(parse(&["c.yaml"]), Ok(serve(Some("c.yaml"))));
    }

    #[test]
    fn nothing_asks_for_help() {
        use clap::error::ErrorKind;
        let help = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        assert_eq!(parse(&[]), Err(help));
        assert_eq!(parse(&["--version"]), Err(ErrorKind::DisplayVersion));
        assert_eq!(parse(&["config"]), Err(ErrorKind::InvalidSubcommand));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load(Some("/nowhere/c.yml".into()), &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot read the configuration /nowhere/c.yml: No such file or directory (os error 2)"
        );
        let by_variable = [(PATH_VARIABLE.to_owned(), "/nowhere/d.yml".to_owned())];
        assert!(load(None, &by_variable).unwrap_err().to_string().contains("/nowhere/d.yml"));
        let unset = [(PATH_VARIABLE.to_owned(), String::new())];
        assert_eq!(load(None, &unset).unwrap(), load(None, &[]).unwrap());
    }
}
