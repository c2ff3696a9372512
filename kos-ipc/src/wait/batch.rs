//! Wake-ups on their way out of the lock: [`WakeBatch`].

use core::fmt;
use core::mem::ManuallyDrop;
use core::task::Waker;

use crate::ports::Park;

/// Waits that are ended under one hold of a lock, at most.
pub(crate) const BATCH: usize = 16;

/// How a waiter is woken.
pub(crate) enum Wake<T> {
    Thread(T),
    Future(Waker),
}

impl<T: Clone> Wake<T> {
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Thread(thread) => Self::Thread(thread.clone()),
            Self::Future(waker) => Self::Future(waker.clone()),
        }
    }
}

impl<T> Wake<T> {
    /// Wakes; no lock is held.
    pub(crate) fn deliver<P: Park<Token = T>>(self, park: &P) {
        match self {
            Self::Thread(thread) => park.unpark(&thread),
            Self::Future(waker) => waker.wake(),
        }
    }
}

/// Up to [`BATCH`] wake-ups, collected under a lock and delivered without it: waking runs the scheduler's code, or any future's.
pub(crate) struct WakeBatch<T> {
    /// Dropped by one function for all callers: a loop in each would be a tenth of what a small kernel has for calls.
    wakes: ManuallyDrop<[Option<Wake<T>>; BATCH]>,
    count: usize,
}

impl<T> WakeBatch<T> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { wakes: ManuallyDrop::new([const { None }; BATCH]), count: 0 }
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.count == BATCH
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one, if it is one. The caller has seen that there is room.
    pub(crate) fn push(&mut self, wake: Option<Wake<T>>) {
        if wake.is_some()
            && let Some(place) = self.wakes.get_mut(self.count)
        {
            *place = wake;
            self.count += 1;
        }
    }

    /// Takes the last one out, for who delivers it in his own way.
    #[cfg(feature = "posix")]
    pub(crate) fn pop(&mut self) -> Option<Wake<T>> {
        self.count = self.count.checked_sub(1)?;
        self.wakes.get_mut(self.count)?.take()
    }

    /// Delivers all; no lock is held. Returns how many there were.
    pub(crate) fn deliver<P: Park<Token = T>>(&mut self, park: &P) -> usize {
        let count = core::mem::take(&mut self.count);
        for wake in self.wakes.iter_mut().take(count) {
            if let Some(wake) = wake.take() {
                wake.deliver(park);
            }
        }
        count
    }
}

#[expect(unsafe_code, reason = "drops a field out of line")]
impl<T> Drop for WakeBatch<T> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: here only, and the batch is not used after that.
        unsafe { ManuallyDrop::drop(&mut self.wakes) }
    }
}

impl<T> fmt::Debug for WakeBatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeBatch").field("count", &self.count).finish_non_exhaustive()
    }
}
