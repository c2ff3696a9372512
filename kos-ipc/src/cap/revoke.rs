//! Taking back what was given: [`Revocation`].

use core::fmt;

use super::cells::Cells;
use crate::ports::Env;
use crate::wait::Progress;

/// A revoke that is under way. What was made of the capability, and of that, is of no use any more, wherever it is; what was made of
/// those that may revoke themselves goes step by step.
///
/// Nothing is lost if it is dropped before it is done: the rest goes with the next revoke of the same capability or of one above it.
#[must_use = "until it is done, what others passed on may still be of use"]
pub struct Revocation<'c, E: Env> {
    cells: &'c Cells<'c, E>,
    root: u32,
}

impl<'c, E: Env> Revocation<'c, E> {
    /// Takes over a reference to `root`, which has a new epoch.
    pub(super) const fn new(cells: &'c Cells<'c, E>, root: u32) -> Self {
        Self { cells, root }
    }

    /// Takes up to `budget` of those off that may revoke. Any context. Each costs a lock for
    /// [`MAX_DEPTH`](super::MAX_DEPTH) looks at most.
    pub fn step(&mut self, budget: usize) -> Progress {
        match (0..budget).all(|_| self.cells.prune(self.root)) {
            true => Progress::More,
            false => Progress::Done,
        }
    }

    /// Goes on to the end.
    pub fn finish(mut self) {
        while self.step(64) == Progress::More {}
    }
}

impl<E: Env> Drop for Revocation<'_, E> {
    fn drop(&mut self) {
        self.cells.release(self.root);
    }
}

impl<E: Env> fmt::Debug for Revocation<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation").finish_non_exhaustive()
    }
}
