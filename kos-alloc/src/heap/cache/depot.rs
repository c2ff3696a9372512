//! Magazines between the CPUs: [`Depot`].

use super::magazine::Magazine;

/// The spare magazines of one class: those with blocks, and those without.
#[derive(Debug)]
pub(crate) struct Depot {
    full: Option<Magazine>,
    empty: Option<Magazine>,
    resting: usize,
}

impl Depot {
    /// Without a magazine.
    pub(crate) const fn new() -> Self {
        Self { full: None, empty: None, resting: 0 }
    }

    /// Blocks that rest here.
    pub(crate) const fn resting(&self) -> usize {
        self.resting
    }

    /// A full magazine for an empty one.
    pub(super) fn trade_for_full(&mut self, empty: Magazine) -> Option<Magazine> {
        let full = self.take_full()?;
        self.put_empty(empty);
        Some(full)
    }

    /// An empty magazine for a full one.
    pub(super) fn trade_for_empty(&mut self, full: Magazine) -> Option<Magazine> {
        let empty = self.empty?;
        self.empty = empty.next();
        full.set_next(self.full);
        self.full = Some(full);
        self.resting += full.len();
        Some(empty)
    }

    /// Takes a full magazine out; an empty one is owed.
    pub(super) fn take_full(&mut self) -> Option<Magazine> {
        let full = self.full?;
        self.full = full.next();
        self.resting -= full.len();
        Some(full)
    }

    /// Puts an empty magazine in.
    pub(super) fn put_empty(&mut self, empty: Magazine) {
        debug_assert!(empty.is_empty());
        empty.set_next(self.empty);
        self.empty = Some(empty);
    }

    /// The full magazines.
    pub(super) fn full(&self) -> impl Iterator<Item = Magazine> {
        core::iter::successors(self.full, |magazine| magazine.next())
    }
}
