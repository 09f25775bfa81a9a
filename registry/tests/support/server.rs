use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use sha2::{Digest, Sha256};

use super::{
    ALICE, READER, REGISTRY, User, process::Process, program::Program, request::Request, sandbox::Sandbox,
};

/// A registry that serves the sandbox's volume, over TLS and with users.
pub(crate) struct Server<'a> {
    sandbox: &'a Sandbox,
    process: Process<'a>,
}

impl<'a> Server<'a> {
    /// Starts it and waits until it answers.
    pub(crate) fn start(sandbox: &'a Sandbox, program: Program) -> Self {
        let config = sandbox.path("config.yml");
        fs::write(&config, configuration(sandbox, program)).unwrap();
        let path = program.path();
        let mut process = Process::start(sandbox, program.name(), path.to_str().unwrap(), |command| {
            // distribution 3 would look for an OpenTelemetry collector.
            command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        });
        process.wait_until(|| {
            let answer = Request::get("/v2/").try_send(sandbox);
            answer.is_some_and(|response| response.status == 401)
        });
        Self { sandbox, process }
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(self) -> ExitStatus {
        self.process.end("TERM")
    }

    /// SIGKILL, and the end.
    pub(crate) fn kill(self) {
        self.process.end("KILL");
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Every file of the volume but those of our own folder: path -> SHA-256 of the content, in hex.
    pub(crate) fn stored(&self) -> BTreeMap<PathBuf, String> {
        stored(self.sandbox)
    }
}

/// Every file of the sandbox's volume but those of our own folder: path -> SHA-256 of the content, in hex.
pub(crate) fn stored(sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
    let root = volume(sandbox);
    let mut files = BTreeMap::new();
    collect(&root.join("docker"), &root, &mut files);
    files
}

fn collect(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, root, files);
        } else {
            let content = fs::read(&path).unwrap();
            files.insert(path.strip_prefix(root).unwrap().to_owned(), hex(&content));
        }
    }
}

/// SHA-256 in hex.
pub(crate) fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn volume(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.path("volume");
    fs::create_dir_all(&path).unwrap();
    path
}

/// distribution's schema, which all three read; ours has one more key.
fn configuration(sandbox: &Sandbox, program: Program) -> String {
    let path = |name: &str| sandbox.path(name).display().to_string();
    fs::write(path("users"), htpasswd(ALICE)).unwrap();
    fs::write(path("managed"), htpasswd(READER)).unwrap();
    let mut yaml = format!(
        "version: 0.1\n\
         log: {{level: info}}\n\
         storage: {{filesystem: {{rootdirectory: {volume}}}, delete: {{enabled: true}}}}\n\
         auth: {{htpasswd: {{realm: Test, path: {users}}}}}\n\
         http:\n  addr: 0.0.0.0:5000\n  secret: of-every-test\n  \
         tls: {{certificate: {certificate}, key: {key}}}\n  \
         debug: {{addr: 127.0.0.1:5001}}\n",
        volume = volume(sandbox).display(),
        users = path("users"),
        certificate = path("tls.crt"),
        key = path("tls.key"),
    );
    if program == Program::Entrepot {
        let managed = path("managed");
        yaml +=
            &format!("entrepot: {{auth: {{managed: {{path: {managed}, pullOnly: [{}]}}}}}}\n", READER.name);
    }
    yaml
}

/// A line of an htpasswd file, with the least cost that bcrypt knows: no test is about its strength.
fn htpasswd(user: User) -> String {
    format!("{}:{}\n", user.name, bcrypt::hash(user.password, 4).unwrap())
}

/// `registry.test:5000/<rest>`.
pub(crate) fn at_registry(rest: &str) -> String {
    format!("{REGISTRY}/{rest}")
}
