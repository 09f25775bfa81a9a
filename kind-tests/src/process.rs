//! Commands of the host: run to their end with their output captured, or started to stay.

use std::{ffi::OsStr, fs::File, path::Path, process::Stdio};

use tokio::process::Command;

/// A command of the host that could not be started or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program is absent or not executable.
    #[error("cannot start `{command}`: {source}; is it installed?")]
    Start {
        /// The command line as one would type it.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program ended with something else than 0.
    #[error("`{command}` failed with {status}: {output}")]
    Failed {
        /// The command line as one would type it.
        command: String,
        /// The exit status.
        status: std::process::ExitStatus,
        /// The last lines of what it wrote to standard error.
        output: String,
    },
    /// The file that takes the program's output cannot be made.
    #[error("cannot write the log {path}: {source}")]
    Log {
        /// The log file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs a command to its end and answers its standard output.
///
/// A future that is dropped takes the command with it: nothing outlives an interrupted step.
pub async fn run(command: &mut Command) -> Result<String, CommandError> {
    let line = command_line(command.as_std());
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| CommandError::Start { command: line.clone(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(CommandError::Failed { command: line, status: output.status, output: last_lines(&output.stderr) })
}

/// Runs `program` with `arguments` to its end and answers its standard output.
pub async fn call<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<String, CommandError> {
    run(Command::new(program).args(arguments)).await
}

/// In the environment of what belongs to the cluster itself, so that a take-down finds even what was started a moment before
/// its starter was killed and has not reached its namespaces yet.
pub const MARK: &str = "ENTREPOT_KIND_PART";

/// Calls `ip`, of iproute2.
pub async fn ip(arguments: &str) -> Result<String, CommandError> {
    run(Command::new("ip").args(arguments.split(' ')).env(MARK, "1")).await
}

/// Starts a command that outlives this process, its output going to `log`; answers its process id.
///
/// `setsid` takes it out of the terminal's reach, or Ctrl-C at the prompt would end the cluster.
pub fn start(command: &std::process::Command, log: &Path) -> Result<u32, CommandError> {
    let line = command_line(command);
    let file = File::create(log).map_err(|source| CommandError::Log { path: log.into(), source })?;
    let errors = file.try_clone().map_err(|source| CommandError::Log { path: log.into(), source })?;
    let mut detached = std::process::Command::new("setsid");
    detached.arg(command.get_program()).args(command.get_args()).current_dir("/");
    detached.env_clear().env(MARK, "1");
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            detached.env(name, value);
        }
    }
    let child = detached
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(|source| CommandError::Start { command: line, source })?;
    Ok(child.id())
}

fn command_line(command: &std::process::Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last eight lines of what a program wrote, which is where programs say why they gave up.
pub fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
