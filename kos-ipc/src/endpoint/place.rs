//! What a slot holds of a call, or nothing: [`Place`].
//!
//! An `Option`, but that `take` reads what is there straight to where it is wanted: of an `Option` the whole is replaced, and what came
//! out is copied on. Invariant: what is there is initialized while `full` is set.

use core::mem::MaybeUninit;

/// Room for one message.
pub(super) struct Place<M> {
    full: bool,
    message: MaybeUninit<M>,
}

impl<M> Place<M> {
    pub(super) const EMPTY: Self = Self { full: false, message: MaybeUninit::uninit() };

    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// Puts a message in; drops the one that was there.
    #[inline]
    pub(super) fn put(&mut self, message: M) {
        self.clear();
        self.message.write(message);
        self.full = true;
    }

    /// Takes the message out, if one is there.
    #[inline]
    pub(super) fn take(&mut self) -> Option<M> {
        if !self.full {
            return None;
        }
        self.full = false;
        // SAFETY: `full` was set, so it is initialized; it is not any more, so nobody reads it again.
        Some(unsafe { self.message.assume_init_read() })
    }

    #[inline]
    fn clear(&mut self) {
        if core::mem::needs_drop::<M>() {
            drop(self.take());
        }
    }
}

impl<M> Drop for Place<M> {
    fn drop(&mut self) {
        self.clear();
    }
}
