//! A value that is written once and then read without a lock: [`Once`].
//!
//! Invariant, on which the unsafe code rests: the value is written by the one caller whose claim the [`Publication`]
//! granted, before he publishes, and never again; it is read only after that.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;

use super::const_fn;
use super::publication::Publication;

/// A value that is there from some moment on, and never changes.
pub(crate) struct Once<T> {
    state: Publication,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is moved in from one thread and then shared between all.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T: Copy> Once<T> {
    const_fn! {
        /// Nothing yet.
        pub(crate) fn new() -> Self {
            Self { state: Publication::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }

    /// The value, if it is there.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.state.is_published() {
            return None;
        }
        // SAFETY: it was published.
        Some(unsafe { self.get_published() })
    }

    /// The value, where the caller knows that it is there.
    ///
    /// # Safety
    ///
    /// Its publication happened before the call: the caller has read, with Acquire, something that was stored, with
    /// Release, by somebody who had seen the value.
    #[inline]
    pub(crate) unsafe fn get_published(&self) -> &T {
        // SAFETY: it was published, so nobody writes any more, and the references are shared.
        let value = unsafe { &*self.value.get() };
        // SAFETY: it was written before it was published.
        unsafe { value.assume_init_ref() }
    }

    /// Makes `value` the value; false if somebody else was first.
    pub(crate) fn set(&self, value: T) -> bool {
        if !self.state.claim() {
            return false;
        }
        // SAFETY: one claim is granted, and nobody reads before `publish`. `T` needs no drop: it is `Copy`.
        unsafe { self.value.get().write(MaybeUninit::new(value)) };
        self.state.publish();
        true
    }
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
