//! [`LockWait`]: one who waits for a lock.

use core::fmt;
use core::task::{Poll, Waker};

use super::LockError;
use super::table::Lock;
use crate::file::table::OpenFile;
use crate::ports::Env;

/// What one call that waits for a lock keeps between its polls. Dropped, it waits no more.
pub struct LockWait<'v, E: Env> {
    /// The open file, which stays open, and the slot in the table.
    waiting: Option<(OpenFile<'v, E>, u32)>,
}

impl<'v, E: Env> LockWait<'v, E> {
    /// Waits for nothing yet.
    pub const fn new() -> Self {
        Self { waiting: None }
    }

    pub(super) fn poll(
        &mut self,
        file: &OpenFile<'v, E>,
        wish: Lock,
        waker: &Waker,
    ) -> Poll<Result<(), LockError>> {
        if self.waiting.as_ref().is_some_and(|(other, _)| other != file) {
            return Poll::Ready(Err(LockError::BadDescriptor));
        }
        let slot = self.waiting.as_ref().map(|&(_, slot)| slot);
        // One look at the table: nobody releases between the try and the wait.
        let result = file.place().vfs().locks(|locks| {
            if let Some(slot) = slot {
                locks.wait_no_more(slot);
            }
            match locks.set(wish) {
                Err(LockError::WouldBlock(_)) => locks.wait(wish, waker.clone()).map(Some),
                other => other.map(|()| None),
            }
        });
        match result {
            Ok(Some(slot)) => {
                self.waiting = Some((file.clone(), slot));
                Poll::Pending
            }
            Ok(None) => {
                self.waiting = None;
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.waiting = None;
                Poll::Ready(Err(error))
            }
        }
    }

    fn leave(&mut self) {
        if let Some((file, slot)) = self.waiting.take() {
            file.place().vfs().locks(|locks| locks.wait_no_more(slot));
        }
    }
}

impl<E: Env> Default for LockWait<'_, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Env> Drop for LockWait<'_, E> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<E: Env> fmt::Debug for LockWait<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockWait").field("waiting", &self.waiting.is_some()).finish()
    }
}
