use std::sync::{PoisonError, RwLock};

use crate::store::StoreError;

/// What every change passes through: open while this process holds the store's lock. Closing it waits for those inside.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: RwLock<bool>,
}

impl Gate {
    /// Runs `work` inside; [`StoreError::Released`] once closed. Blocks only while the gate is being closed.
    pub(super) fn pass<T>(&self, work: impl FnOnce() -> T) -> Result<T, StoreError> {
        // A panic inside leaves a flag that is still right.
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if *closed { Err(StoreError::Released) } else { Ok(work()) }
    }

    /// Lets nobody in any more and returns when everybody is out.
    pub(super) fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}
