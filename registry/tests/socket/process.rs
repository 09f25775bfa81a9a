use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes this long unless it never comes.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// A folder for one test: the store, the configuration, and whatever that names.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("store")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// The program, about to serve this place. `more` is further configuration, `{folder}` in it this folder.
    pub(crate) fn command(&self, more: &str) -> Command {
        let root = self.path("store");
        let more = more.replace("{folder}", self.folder.path().to_str().unwrap());
        let config = format!(
            "version: 0.1\n\
             log: {{formatter: json, level: debug}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             {more}",
            root.display()
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_registry"));
        // What the machine's own variables say is not what is tested.
        command.env_clear().arg(self.write("config.yml", config));
        command.env("REGISTRY_HTTP_ADDR", "127.0.0.1:0");
        command.env("REGISTRY_HTTP_DEBUG_ADDR", "127.0.0.1:0");
        command.env("REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED", "true");
        command.env("REGISTRY_HTTP_SECRET", "the same after a restart");
        command
    }

    /// Starts the program; it need not have come far.
    pub(crate) fn start(&self, more: &str) -> Server {
        Server::start(self.command(more))
    }

    /// Starts the program and waits until it serves.
    pub(crate) fn serve(&self, more: &str) -> Server {
        let server = self.start(more);
        server.address();
        server
    }

    /// What the program says that refuses to start.
    pub(crate) fn refusal(&self, more: &str) -> String {
        refusal(self.command(more), self.folder.path())
    }
}

/// What `command` says before it fails, `{folder}` for its folder.
pub(crate) fn refusal(mut command: Command, folder: &Path) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap().replace(folder.to_str().unwrap(), "{folder}")
}

/// A running program; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (output, written) = (child.stdout.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                written.lines.lock().unwrap().0.push(line.unwrap());
                written.more.notify_all();
            }
            written.lines.lock().unwrap().1 = true;
            written.more.notify_all();
        });
        Self { child, log }
    }

    /// The first line of the log that holds `text`, waited for.
    pub(crate) fn line(&self, text: &str) -> String {
        let start = Instant::now();
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.0.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = BOUND.saturating_sub(start.elapsed());
            assert!(!left.is_zero() && !lines.1, "`{text}` is not in the log:\n{}", lines.0.join("\n"));
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lines.lock().unwrap().0.join("\n")
    }

    /// Where it serves; waits until it does.
    pub(crate) fn address(&self) -> SocketAddr {
        self.logged_address("listening for HTTP")
    }

    /// Where it tells of its health.
    pub(crate) fn debug_address(&self) -> SocketAddr {
        self.logged_address("listening for health")
    }

    fn logged_address(&self, text: &str) -> SocketAddr {
        let line: Value = serde_json::from_str(&self.line(text)).unwrap();
        line["address"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < BOUND, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As a power switch does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
