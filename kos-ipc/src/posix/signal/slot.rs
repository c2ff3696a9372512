//! Lent places for the threads of a process: [`ThreadSlot`], [`ThreadKey`].

use core::fmt;

use super::number::SignalSet;
use super::pending::Pending;

/// A place for what one thread of a process has of its own: its mask, and signals that are for it alone.
pub struct ThreadSlot<T> {
    /// Nobody's if there is none.
    pub(super) token: Option<T>,
    pub(super) generation: u32,
    /// Never of [`SignalSet::UNMASKABLE`].
    pub(super) mask: SignalSet,
    /// What the mask is to be again, once a handler runs or none does.
    pub(super) saved: Option<SignalSet>,
    pub(super) pending: Pending,
    /// The scheduler is to be told that a signal is there.
    pub(super) poke: bool,
}

impl<T> ThreadSlot<T> {
    /// Nobody's.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            token: None,
            generation: 0,
            mask: SignalSet::EMPTY,
            saved: None,
            pending: Pending::new(),
            poke: false,
        }
    }
}

impl<T> Default for ThreadSlot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for ThreadSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSlot").field("mask", &self.mask).finish_non_exhaustive()
    }
}

/// Names a thread of a process for those who signal it. The next thread in its place has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadKey {
    pub(super) slot: u32,
    pub(super) generation: u32,
}
