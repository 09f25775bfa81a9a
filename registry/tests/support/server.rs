use std::{fmt::Write as _, fs, path::PathBuf, process::ExitStatus};

use super::{
    ALICE, READER, REGISTRY, User, process::Process, program::Program, request::Request, sandbox::Sandbox,
    volume::VOLUME,
};

/// A registry that serves the sandbox's volume, over TLS and with users.
pub(crate) struct Server<'a>(Process<'a>);

impl<'a> Server<'a> {
    /// Starts it and waits until it answers.
    pub(crate) fn start(sandbox: &'a Sandbox, program: Program) -> Self {
        let config = configure(sandbox, program);
        let path = program.path();
        let mut process = Process::start(sandbox, program.name(), path.to_str().unwrap(), |command| {
            // distribution 3 would look for an OpenTelemetry collector.
            command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        });
        process.wait_until(|| {
            let answer = Request::get("/v2/").try_send(sandbox);
            answer.is_some_and(|response| response.status == 401)
        });
        Self(process)
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(self) -> ExitStatus {
        self.0.end("TERM")
    }

    /// SIGKILL, and the end.
    pub(crate) fn kill(self) {
        self.0.end("KILL");
    }
}

/// Writes the configuration and the users, and says where: distribution's schema, which all three read; ours has one
/// more key.
pub(crate) fn configure(sandbox: &Sandbox, program: Program) -> PathBuf {
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
        volume = sandbox.path(VOLUME).display(),
        users = path("users"),
        certificate = path("tls.crt"),
        key = path("tls.key"),
    );
    if program == Program::Entrepot {
        let managed = path("managed");
        let reader = READER.name;
        writeln!(yaml, "entrepot: {{auth: {{managed: {{path: {managed}, pullOnly: [{reader}]}}}}}}").unwrap();
    }
    let config = sandbox.path("config.yml");
    fs::write(&config, yaml).unwrap();
    config
}

/// A line of an htpasswd file, with the least cost that bcrypt knows: no test is about its strength.
fn htpasswd(user: User) -> String {
    format!("{}:{}\n", user.name, bcrypt::hash(user.password, 4).unwrap())
}

/// `registry.test:5000/<rest>`.
pub(crate) fn at_registry(rest: &str) -> String {
    format!("{REGISTRY}/{rest}")
}
