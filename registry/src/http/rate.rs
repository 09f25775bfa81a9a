use std::time::Duration;

/// A sender may take so long in all, waited for, before it is judged.
pub(super) const WINDOW: Duration = Duration::from_secs(30);

/// The least that must come in a [`WINDOW`]: 1 KiB a second.
const LEAST: u64 = 1024 * WINDOW.as_secs();

/// Tells a slow sender from one that does nothing but hold a connection. Only the time spent waiting for the sender
/// counts: a slow disk is not its fault.
#[derive(Debug, Default)]
pub(super) struct Rate {
    waited: Duration,
    bytes: u64,
}

impl Rate {
    /// How much longer to wait before [`Rate::waited`] must be called.
    pub(super) fn patience(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }

    /// Notes that `bytes` came.
    pub(super) fn received(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Notes that the sender was waited for; true: it is too slow.
    pub(super) fn waited(&mut self, time: Duration) -> bool {
        self.waited += time;
        if self.waited < WINDOW {
            return false;
        }
        let slow = self.bytes < LEAST;
        *self = Self::default();
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kibibyte_a_second_is_enough() {
        let judge = |bytes| {
            let mut rate = Rate::default();
            rate.received(bytes);
            [rate.waited(WINDOW / 2), rate.waited(WINDOW / 2)]
        };
        assert_eq!((judge(LEAST - 1), judge(LEAST)), ([false, true], [false, false]));
    }

    #[test]
    fn every_window_counts_for_itself() {
        let mut rate = Rate::default();
        rate.received(u64::MAX);
        assert!(!rate.waited(WINDOW));
        assert_eq!(rate.patience(), WINDOW);
        assert!(rate.waited(WINDOW));
    }
}
