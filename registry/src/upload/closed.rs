use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// How many ended uploads are remembered; 64 bytes each.
const CAPACITY: usize = 16_384;

/// The uploads that were finished or cancelled lately. Their tokens are still well signed and would open as empty
/// uploads otherwise. A courtesy to clients that ask after the end: nothing depends on it, a restart forgets it.
#[derive(Debug, Default)]
pub struct ClosedUploads(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    known: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl ClosedUploads {
    /// Remembers that an upload has ended; the one that ended longest ago is forgotten for it.
    pub fn insert(&self, id: Uuid) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ring.known.insert(id) {
            return;
        }
        ring.order.push_back(id);
        if ring.order.len() > CAPACITY
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.known.remove(&oldest);
        }
    }

    /// Whether an upload is known to have ended.
    pub fn contains(&self, id: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_only() {
        let closed = ClosedUploads::default();
        for id in 0..=CAPACITY as u128 {
            closed.insert(Uuid::from_u128(id));
        }
        let known = [0, 1, CAPACITY as u128].map(|id| closed.contains(Uuid::from_u128(id)));
        assert_eq!(known, [false, true, true]);
    }
}
