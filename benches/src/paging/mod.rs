//! Page tables: the subjects, and one file per question.
//!
//! Everybody edits a table that no CPU uses, takes the frames of its tables from the same pool, and sees physical
//! memory at its own address. Not alike, and said beside each subject: who zeroes a new table, whether emptied tables
//! are given back, and what the entries are.

pub(crate) mod map;
mod pool;
pub(crate) mod protect;
mod subjects;
pub(crate) mod translate;
pub(crate) mod unmap;

use crate::harness::question::Body;

pub(crate) use subjects::{live_subjects, subjects};

/// Bytes that are mapped.
pub(crate) const BYTES: usize = 1 << 30;

/// Where they are mapped: the start of a table of the lowest level, and of the one above.
pub(crate) const VIRTUAL: usize = 0x40_0000_0000;

/// What is mapped there: aligned for leaves of 2 MiB but not of 1 GiB, so that nobody uses those.
pub(crate) const PHYSICAL: usize = 0x1_0020_0000;

/// The size of the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// 4 KiB.
    Page,
    /// 2 MiB.
    Huge,
}

impl Leaf {
    /// Bytes that one leaf maps.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Page => 4096,
            Self::Huge => 2 << 20,
        }
    }

    /// Leaves that map [`BYTES`].
    pub(crate) const fn count(self) -> usize {
        BYTES / self.bytes()
    }
}

/// An editor of page tables. All operations are on the whole range, and must succeed.
pub(crate) trait Tables: 'static {
    /// An empty address space.
    fn new() -> Self;

    /// Maps the range readable and writable, not executable.
    fn map(&mut self, leaf: Leaf);

    /// Unmaps the range.
    fn unmap(&mut self, leaf: Leaf);

    /// Makes the range writable or not.
    fn protect(&mut self, leaf: Leaf, writable: bool);

    /// The physical address of one virtual address, if it is mapped.
    fn translate(&self, address: usize) -> Option<usize>;
}

/// What a question does with any editor.
pub(crate) trait Workload: Copy + 'static {
    /// The body that does it with `tables`.
    fn body<T: Tables>(self) -> Box<dyn Body>;
}

/// Panics unless the first and the last byte are mapped where they should be, or not at all.
fn expect_mapped<T: Tables>(tables: &T, mapped: bool) {
    for offset in [0, BYTES - 1] {
        assert_eq!(tables.translate(VIRTUAL + offset), mapped.then_some(PHYSICAL + offset));
    }
    for outside in [VIRTUAL - 1, VIRTUAL + BYTES] {
        assert_eq!(tables.translate(outside), None);
    }
}
