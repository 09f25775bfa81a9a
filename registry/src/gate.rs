//! Lets changes in until the server stops, and tells when the last one has ended.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Every change passes through; once it is shut none enters.
#[derive(Debug, Default)]
pub struct WriteGate {
    state: Mutex<State>,
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    shut: bool,
    inside: usize,
}

/// One change under way.
#[derive(Debug)]
pub struct Pass(Arc<WriteGate>);

impl WriteGate {
    /// `None` once the gate is shut.
    pub fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut state = self.state();
        if state.shut {
            return None;
        }
        state.inside += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// Shuts the gate and waits until the last change has left.
    pub async fn shut(&self) {
        self.state().shut = true;
        loop {
            // Made before the look, so that a change that leaves in between is not missed.
            let left = self.left.notified();
            if self.state().inside == 0 {
                return;
            }
            left.await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.state().inside -= 1;
        self.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn waits_for_the_last_change_and_lets_none_in() {
        let gate = Arc::new(WriteGate::default());
        let pass = gate.enter().unwrap();
        let mut shut = Box::pin(gate.shut());
        assert_eq!(shut.as_mut().now_or_never(), None);
        assert!(gate.enter().is_none());
        drop(pass);
        assert_eq!(shut.now_or_never(), Some(()));
    }
}
