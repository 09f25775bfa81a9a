//! Waiting for a condition with a bound, and saying what was last seen when the bound is reached.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A condition did not come about in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {} s for {awaited}; last seen: {last_seen}", bound.as_secs())]
pub struct TimedOut {
    /// What was waited for.
    pub awaited: String,
    /// How long.
    pub bound: Duration,
    /// The state at the last look, as the condition described it.
    pub last_seen: String,
}

/// What one look at a condition found.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds; the value it was waited for.
    Ready(T),
    /// Not yet: the state as it is, for the message of a wait that fails.
    NotYet(String),
}

impl<T> Seen<T> {
    /// Ready with `value` if `holds`, else not yet, described by `state`.
    pub fn when(holds: bool, value: T, state: impl Debug) -> Self {
        if holds { Self::Ready(value) } else { Self::NotYet(format!("{state:?}")) }
    }
}

/// Looks until the condition holds or `bound` has passed.
///
/// An `Err` of a look counts as not yet: an apiserver that restarts is a state like any other.
pub async fn wait_until<T, E, F>(
    awaited: &str,
    bound: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, TimedOut>
where
    F: Future<Output = Result<Seen<T>, E>>,
    E: std::fmt::Display,
{
    let deadline = Instant::now() + bound;
    let mut last_seen = "nothing".to_owned();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left.max(PAUSE), look()).await {
            Ok(Ok(Seen::Ready(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(state))) => last_seen = state,
            Ok(Err(error)) => last_seen = format!("error: {error}"),
            Err(_) => last_seen = format!("no answer to the last look; before it: {last_seen}"),
        }
        if Instant::now() >= deadline {
            return Err(TimedOut { awaited: awaited.to_owned(), bound, last_seen });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, convert::Infallible};

    #[tokio::test]
    async fn the_value_is_answered_once_the_condition_holds() {
        let looks = Cell::new(0);
        let value = wait_until("three looks", Duration::from_mins(1), || async {
            looks.set(looks.get() + 1);
            Ok::<_, Infallible>(Seen::when(looks.get() == 3, looks.get(), looks.get()))
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_wait_that_fails_says_what_it_saw_last() {
        let look = || async { Ok::<_, Infallible>(Seen::<()>::NotYet("1 of 2 nodes Ready".into())) };
        let error = wait_until("two nodes", Duration::ZERO, look).await.unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for two nodes; last seen: 1 of 2 nodes Ready");
    }
}
