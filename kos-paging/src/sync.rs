//! The atomics of every lock-free part, in one place, so that loom can take theirs; and bugs that the models must find.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// A bug that can be put in for the models. In any other build there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A CPU reads the generation of a space, then says that it has it loaded.
    GenerationBeforeEntry,
    /// A shootdown looks who has the space loaded, then counts itself.
    LoadedBeforeRequest,
    /// A live split makes what it did not break before.
    SplitUnbroken,
    /// A walk without a lock tells nobody.
    WalkUnseen,
}

/// Whether `bug` is in.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn seeded(_: Bug) -> bool {
    false
}

#[cfg(all(test, loom))]
pub(crate) use under_loom::seed;
#[cfg(loom)]
pub(crate) use under_loom::seeded;

#[cfg(loom)]
mod under_loom {
    use core::cell::Cell;

    use super::Bug;

    std::thread_local! {
        // The threads of a model take turns on the thread that runs it.
        static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn seeded(bug: Bug) -> bool {
        SEEDED.get() == Some(bug)
    }

    /// Puts `bug` in, for the models that this thread runs.
    #[cfg(test)]
    pub(crate) fn seed(bug: Option<Bug>) {
        SEEDED.set(bug);
    }
}
