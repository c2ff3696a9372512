//! Lent places for segments and mappings, and what tells of one.

use core::fmt;
use core::ops::Range;

use super::seal::Seals;
use crate::cap::Bond;
use crate::ports::{Access, SharedMemory};

pub(super) const NONE: u32 = u32::MAX;

/// Names a mapping: 32 bits of slot and 32 of generation. A number never comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MappingId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl MappingId {
    /// As a number, for tables of the kernel.
    #[must_use]
    pub const fn raw(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// Of such a number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub const fn from_raw(raw: u64) -> Self {
        Self { slot: raw as u32, generation: (raw >> 32) as u32 }
    }
}

impl fmt::Debug for MappingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MappingId({}.{})", self.slot, self.generation)
    }
}

/// What is to be unmapped: by the kernel, who then [tells](super::Segments::unmapped). Until then the memory stays; if this is lost, for
/// ever.
#[must_use = "it is still mapped"]
pub struct Unmap<S: SharedMemory> {
    pub(super) id: MappingId,
    pub(super) place: S::Place,
    pub(super) range: Range<usize>,
}

impl<S: SharedMemory> Unmap<S> {
    /// Under which number it was mapped.
    #[must_use]
    pub const fn id(&self) -> MappingId {
        self.id
    }

    /// Where.
    #[must_use]
    pub const fn place(&self) -> &S::Place {
        &self.place
    }

    /// Which bytes of the segment.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl<S: SharedMemory> fmt::Debug for Unmap<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmap").field("id", &self.id).field("range", &self.range).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Reserved,
    Mapped,
    Leaving,
}

/// A place for a mapping, lent to [`Segments`](super::Segments).
pub struct MappingSlot<S: SharedMemory> {
    pub(super) state: State,
    pub(super) generation: u32,
    pub(super) segment: u32,
    pub(super) place: Option<S::Place>,
    pub(super) range: Range<usize>,
    pub(super) access: Access,
    pub(super) bond: Bond,
    pub(super) next: u32,
}

impl<S: SharedMemory> MappingSlot<S> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Free,
            generation: 0,
            segment: NONE,
            place: None,
            range: 0..0,
            access: Access::empty(),
            bond: Bond::FREE,
            next: NONE,
        }
    }

    pub(super) const fn is_writable(&self) -> bool {
        self.access.contains(Access::WRITE)
    }

    pub(super) const fn end(&self) -> usize {
        self.range.end
    }
}

/// A place for a segment, lent to [`Segments`](super::Segments).
pub struct SegmentSlot<S: SharedMemory> {
    pub(super) object: Option<S::Object>,
    pub(super) size: usize,
    pub(super) seals: Seals,
    pub(super) mappings: usize,
    pub(super) writable: usize,
    pub(super) resizing: bool,
    pub(super) payer: u32,
    pub(super) next: u32,
}

impl<S: SharedMemory> SegmentSlot<S> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            object: None,
            size: 0,
            seals: Seals::empty(),
            mappings: 0,
            writable: 0,
            resizing: false,
            payer: NONE,
            next: NONE,
        }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Mappings, and those that may be written through.
    pub(super) const fn counts(&self) -> (usize, usize) {
        (self.mappings, self.writable)
    }

    pub(super) const fn is_write_sealed(&self) -> bool {
        self.seals.contains(Seals::WRITE)
    }
}

impl<S: SharedMemory> Default for MappingSlot<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: SharedMemory> Default for SegmentSlot<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: SharedMemory> fmt::Debug for MappingSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappingSlot").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<S: SharedMemory> fmt::Debug for SegmentSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentSlot").field("size", &self.size).finish_non_exhaustive()
    }
}
