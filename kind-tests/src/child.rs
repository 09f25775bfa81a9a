//! A program that never outlives the process that started it, even if that one is killed.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Runs `$0 $@`; when standard input ends, which it does when its other end's owner dies, kills it and removes the folder that
/// it works in, for then nobody else is left to do so.
const GUARD: &str = r#"
exec 3<&0
"$0" "$@" </dev/null &
program=$!
( cat <&3 >/dev/null; trap '' TERM; kill -9 $program; rm -rf "$FOLDER" ) &
guard=$!
exec 3<&-
wait $program
kill $guard
"#;

/// A program that runs until this value goes.
#[derive(Debug)]
pub(crate) struct Child {
    guard: std::process::Child,
}

impl Child {
    /// Starts `program` in `folder`, its output going to `log`.
    pub(crate) fn spawn(program: &Path, arguments: &[String], folder: &Path, log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        let errors = output.try_clone()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", crate::cluster::SYSTEM_PATH)
            .env("FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()?;
        Ok(Self { guard })
    }

    /// Did the program end by itself?
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The guard is not waited for yet, so its id is still its own, and its group holds the program.
        if !self.has_ended()
            && let Ok(group) = i32::try_from(self.guard.id())
        {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Seen, wait_until};
    use std::{convert::Infallible, fs, time::Duration};

    /// Starts a program that writes its process id, and answers that id.
    async fn started(folder: &Path) -> (Child, i32) {
        let script = "echo $$ > pid.new; mv pid.new pid; exec sleep 1000".to_owned();
        let child = Child::spawn(Path::new("/bin/sh"), &["-c".into(), script], folder, &folder.join("log"));
        let pid = wait_until("the program", Duration::from_secs(20), || async {
            let pid = fs::read_to_string(folder.join("pid")).ok().and_then(|text| text.trim().parse().ok());
            Ok::<_, Infallible>(pid.map_or_else(|| Seen::NotYet("no pid".into()), Seen::Ready))
        });
        (child.unwrap(), pid.await.unwrap())
    }

    async fn ends(pid: i32) {
        wait_until("the program to end", Duration::from_secs(20), || async {
            // A zombie is as dead as one that is gone; who reaps it is the machine's affair.
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let dead = state.is_empty() || state.contains(") Z ");
            Ok::<_, Infallible>(Seen::when(dead, (), state))
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn dropping_ends_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let (child, pid) = started(folder.path()).await;
        drop(child);
        ends(pid).await;
    }

    #[tokio::test]
    async fn the_end_of_its_owner_ends_the_program_and_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, pid) = started(folder.path()).await;
        // What the system does to a killed process: it closes its end of the pipe.
        drop(child.guard.stdin.take());
        ends(pid).await;
        wait_until("the folder to go", Duration::from_secs(20), || async {
            Ok::<_, Infallible>(Seen::when(!folder.path().exists(), (), "still there"))
        })
        .await
        .unwrap();
    }
}
