use std::process::ExitStatus;

/// What a program said and how it ended.
#[must_use]
pub(crate) struct Outcome {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Its standard output, when it succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert!(self.status.success(), "{}", self.report());
        self.stdout
    }

    /// All it said, when it failed.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        // coreutils' timeout ends with 124: a client that hangs has refused nothing.
        assert!(!self.status.success() && self.status.code() != Some(124), "{}", self.report());
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Failed, and every one of `parts` is in what it said.
    #[track_caller]
    pub(crate) fn failed_saying(self, parts: &[&str]) {
        let report = self.report();
        let said = self.failed();
        for part in parts {
            assert!(said.contains(part), "`{part}` is missing:\n{report}");
        }
    }

    fn report(&self) -> String {
        format!("$ {}\n{}{}{}", self.command, self.stdout, self.stderr, self.status)
    }
}
