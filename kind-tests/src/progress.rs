//! Says what is being done and for how long, so that a wait of minutes is never a silent one.

use std::{
    future::Future,
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::wait::{Seen, TimedOut, wait_until};

/// Silence that is still comfortable: a plain log gets a line at least this often while a step runs.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A step shorter than this is not worth a line.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Where progress goes: a spinner on a terminal, plain lines on standard error elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    terminal: bool,
}

impl Progress {
    /// A spinner if standard error is a terminal, else plain lines.
    pub fn on_stderr() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// Does `work`, saying so once it has taken a second.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.tell(what, None, work).await
    }

    /// Does `work` that is known to take about `estimate` when nothing is cached, saying so at once.
    pub async fn long_step<T>(&self, what: &str, estimate: Duration, work: impl Future<Output = T>) -> T {
        self.tell(what, Some(estimate), work).await
    }

    /// Waits as [`wait_until`] does, saying what each look sees whenever that changes.
    pub async fn wait<T, E, F>(
        &self,
        awaited: &str,
        bound: Duration,
        mut look: impl FnMut() -> F,
    ) -> Result<T, TimedOut>
    where
        F: Future<Output = Result<Seen<T>, E>>,
        E: std::fmt::Display,
    {
        let what = format!("waiting for {awaited}");
        let bar = self.terminal.then(|| spinner(&what));
        let shown = Mutex::new(String::new());
        let show = |state: &str| {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            if *shown == state {
                return;
            }
            state.clone_into(&mut shown);
            match &bar {
                Some(bar) => bar.set_message(format!("{what}: {state}")),
                None => eprintln!("{what}: {state}"),
            }
        };
        let told = Box::pin(wait_until(awaited, bound, || {
            let seen = look();
            let show = &show;
            async move {
                let seen = seen.await;
                match &seen {
                    Ok(Seen::NotYet(state)) => show(state),
                    Err(error) => show(&error.to_string()),
                    Ok(Seen::Ready(_)) => {}
                }
                seen
            }
        }));
        match &bar {
            None => self.step(&what, told).await,
            Some(bar) => {
                let (start, result) = (Instant::now(), told.await);
                finish(bar, &what, start);
                result
            }
        }
    }

    async fn tell<T>(&self, what: &str, estimate: Option<Duration>, work: impl Future<Output = T>) -> T {
        if self.terminal {
            return self.spin(what, estimate, work).await;
        }
        let start = Instant::now();
        let expected = estimate.map(|e| format!(", about {} the first time", human(e))).unwrap_or_default();
        if estimate.is_some() {
            eprintln!("{what}{expected}");
        }
        tokio::pin!(work);
        let mut silence = if estimate.is_some() { HEARTBEAT } else { WORTH_A_LINE };
        loop {
            match tokio::time::timeout(silence, &mut work).await {
                Ok(result) => {
                    if estimate.is_some() || start.elapsed() >= WORTH_A_LINE {
                        eprintln!("{what}: done in {}", human(start.elapsed()));
                    }
                    return result;
                }
                Err(_) if silence == WORTH_A_LINE => eprintln!("{what}"),
                Err(_) => eprintln!("{what}: {}{expected}", human(start.elapsed())),
            }
            silence = HEARTBEAT;
        }
    }

    async fn spin<T>(&self, what: &str, estimate: Option<Duration>, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let expected = estimate.map(|e| format!(", about {} the first time", human(e))).unwrap_or_default();
        let bar = spinner(&format!("{what}{expected}"));
        let result = work.await;
        finish(&bar, what, start);
        result
    }
}

fn spinner(message: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(message.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn finish(bar: &ProgressBar, what: &str, start: Instant) {
    bar.finish_and_clear();
    if start.elapsed() >= WORTH_A_LINE {
        eprintln!("{what}: done in {}", human(start.elapsed()));
    }
}

/// `7 s`, `3 m 20 s`: whole seconds are as exact as a person needs.
pub fn human(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_a_person_says_them() {
        let said = [0, 59, 60, 200, 420].map(|seconds| human(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "59 s", "1 min", "3 min 20 s", "7 min"]);
    }
}
