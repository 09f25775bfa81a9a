use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use super::sandbox::Sandbox;

/// A test waits this long for a program to come up or to go.
const BOUND: Duration = Duration::from_mins(1);

/// A program that runs in a sandbox until it is told to stop, or until the sandbox ends.
pub(crate) struct Process<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl<'a> Process<'a> {
    /// Starts it; what it writes goes to `<name>.log` in the sandbox's folder.
    pub(crate) fn start(
        sandbox: &'a Sandbox,
        name: &'static str,
        program: &str,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let log = sandbox.path(&format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        // nsenter forwards no signal: the program's own process id is what `signal` needs.
        let mut command = sandbox.command("sh");
        command
            .args(["-euc", "echo $$ > \"$0\"; exec \"$@\""])
            .arg(sandbox.path(&format!("{name}.pid")))
            .arg(program)
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        configure(&mut command);
        let child = command.spawn().unwrap();
        Self { sandbox, name, child, log }
    }

    /// Waits until `ready` says so; panics with the log when the program ends before that or never gets there.
    pub(crate) fn wait_until(&mut self, ready: impl Fn() -> bool) {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            assert!(start.elapsed() < BOUND, "{} is not ready:\n{}", self.name, self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal, such as `TERM`, and waits for the end.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
        let pid = fs::read_to_string(self.sandbox.path(&format!("{}.pid", self.name))).unwrap();
        self.sandbox.run("kill", &["-s", signal, pid.trim()]).succeeded();
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < BOUND, "{} does not end:\n{}", self.name, self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            eprintln!("--- the end of {}'s log", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        // Reaps nsenter; what it started goes with the sandbox if this does not reach it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
