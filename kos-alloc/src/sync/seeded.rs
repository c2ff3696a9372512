//! Bugs that the loom models must find: without them nobody knows that a model can fail. In any other build there are none.

/// A bug that can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// What is published is not ordered before the publication.
    UnorderedPublication,
    /// A deferred block is read, then removed: two can read it.
    TakenInTwoSteps,
    /// A CPU empties the caches of others, which are in use.
    OthersDrained,
    /// Each who finds no caches makes some.
    CarvedTwice,
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
    use super::Bug;
    use core::cell::Cell;

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
