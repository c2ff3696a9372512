//! Where a transaction keeps its log: in itself, in a slice that it was lent, or in its parent's.

use core::cell::Cell;
use core::fmt;

use super::journal::{Cursor, LogEntry};

/// A place for a log: [`Inline`], [`Lent`] or [`Nested`]. None of them ever allocates.
pub trait Log: sealed::Storage {}

pub(super) mod sealed {
    use super::{Cell, Cursor, LogEntry};

    /// The parts of a log.
    pub trait Storage {
        /// Whether the log is a parent's, who goes on with it after a commit.
        const NESTED: bool;

        fn slots(&self) -> &[Cell<LogEntry>];

        fn cursor(&self) -> &Cursor;
    }
}

/// `N` entries inside the transaction, on the stack of who began it: 40 bytes each on 64-bit machines.
pub struct Inline<const N: usize> {
    slots: [Cell<LogEntry>; N],
    cursor: Cursor,
}

impl<const N: usize> Inline<N> {
    pub(super) const fn new() -> Self {
        Self { slots: [const { Cell::new(LogEntry::EMPTY) }; N], cursor: Cursor::start() }
    }
}

impl<const N: usize> Log for Inline<N> {}

impl<const N: usize> sealed::Storage for Inline<N> {
    const NESTED: bool = false;

    fn slots(&self) -> &[Cell<LogEntry>] {
        &self.slots
    }

    fn cursor(&self) -> &Cursor {
        &self.cursor
    }
}

/// Entries that somebody lent.
pub struct Lent<'l> {
    slots: &'l [Cell<LogEntry>],
    cursor: Cursor,
}

impl<'l> Lent<'l> {
    pub(super) const fn new(entries: &'l mut [LogEntry]) -> Self {
        Self { slots: Cell::from_mut(entries).as_slice_of_cells(), cursor: Cursor::start() }
    }
}

impl Log for Lent<'_> {}

impl sealed::Storage for Lent<'_> {
    const NESTED: bool = false;

    fn slots(&self) -> &[Cell<LogEntry>] {
        self.slots
    }

    fn cursor(&self) -> &Cursor {
        &self.cursor
    }
}

/// The log of the parent, whom it keeps from being used meanwhile.
pub struct Nested<'p> {
    slots: &'p [Cell<LogEntry>],
    cursor: &'p Cursor,
}

impl<'p> Nested<'p> {
    pub(super) fn new(parent: &'p mut impl Log) -> Self {
        Self { slots: parent.slots(), cursor: parent.cursor() }
    }
}

impl Log for Nested<'_> {}

impl sealed::Storage for Nested<'_> {
    const NESTED: bool = true;

    fn slots(&self) -> &[Cell<LogEntry>] {
        self.slots
    }

    fn cursor(&self) -> &Cursor {
        self.cursor
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inline<{N}>")
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lent({})", self.slots.len())
    }
}

impl fmt::Debug for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nested")
    }
}
