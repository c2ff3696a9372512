//! A range as offsets into the tables: the arithmetic of levels, indexes and pieces, for any format.
//!
//! An offset is a virtual address without its repeated high bits ([`VaRule`](crate::VaRule)); it needs at most 57 bits,
//! so that no sum here overflows.

use crate::addr::{VirtAddr, VirtRange};
use crate::error::RangeError;
use crate::format::{Format, Level};

/// Bytes that an entry at `level` translates.
pub(crate) fn size<F: Format>(level: Level) -> u64 {
    1 << F::shift(level)
}

/// The level of the root's entries.
pub(crate) fn top<F: Format>() -> Level {
    Level::new(F::LEVELS - 1)
}

/// Offsets `first ..= last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    /// A range of whole pages.
    pub(crate) fn of_pages<F: Format>(range: VirtRange) -> Result<Self, RangeError> {
        let span = Self::of::<F>(range)?;
        let page = size::<F>(Level::PAGE);
        if span.first % page != 0 {
            return Err(RangeError::Misaligned { at: range.first() });
        }
        if (span.last + 1) % page != 0 {
            return Err(RangeError::Misaligned { at: range.last() });
        }
        Ok(span)
    }

    /// A range of bytes, within one half of the space.
    pub(crate) fn of<F: Format>(range: VirtRange) -> Result<Self, RangeError> {
        let offset = |at: VirtAddr| F::VA.offset(at).ok_or(RangeError::NonCanonical { at });
        let span = Self { first: offset(range.first())?, last: offset(range.last())? };
        if F::VA.is_upper(span.first) == F::VA.is_upper(span.last) {
            return Ok(span);
        }
        let half = F::VA.last_offset() / 2;
        Err(RangeError::NonCanonical { at: VirtAddr::new(half + 1) })
    }

    /// The whole space, both halves.
    pub(crate) fn whole<F: Format>() -> Self {
        Self { first: 0, last: F::VA.last_offset() }
    }

    /// What one entry at `level` translates.
    pub(crate) fn of_entry<F: Format>(offset: u64, level: Level) -> Self {
        let inside = size::<F>(level) - 1;
        Self { first: offset & !inside, last: offset | inside }
    }

    /// The addresses.
    pub(crate) fn range<F: Format>(self) -> VirtRange {
        VirtRange::ordered(self.address::<F>(), F::VA.address(self.last))
    }

    /// The first address.
    pub(crate) fn address<F: Format>(self) -> VirtAddr {
        F::VA.address(self.first)
    }

    /// Its length.
    pub(crate) const fn bytes(self) -> u64 {
        self.last - self.first + 1
    }

    /// The span cut where entries of `level` meet.
    pub(crate) fn pieces<F: Format>(self, level: Level) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        core::iter::from_fn(move || {
            let span = rest?;
            let piece = span.piece::<F>(level);
            rest = span.after(piece.last);
            Some(piece)
        })
    }

    /// The first of the [`pieces`](Self::pieces).
    pub(crate) fn piece<F: Format>(self, level: Level) -> Self {
        Self { first: self.first, last: Self::of_entry::<F>(self.first, level).last.min(self.last) }
    }

    /// What comes after `last`, if anything.
    pub(crate) fn after(self, last: u64) -> Option<Self> {
        (last < self.last).then_some(Self { first: last + 1, last: self.last })
    }

    /// The entries at `level`, from that of the first byte to the end of its table or of its half of the space, all of
    /// whose bytes are in the span.
    pub(crate) fn whole_entries<F: Format>(self, level: Level) -> usize {
        if !self.first.is_multiple_of(size::<F>(level)) {
            return 0;
        }
        let half = self.first | F::VA.last_offset() >> 1;
        let table = Self::of_entry::<F>(self.first, level.up()).last;
        let bytes = self.last.min(half).min(table) - self.first + 1;
        usize::try_from(bytes >> F::shift(level)).unwrap_or(usize::MAX)
    }

    /// The index, in its table, of the entry at `level` that translates the first byte.
    pub(crate) fn index<F: Format>(self, level: Level) -> usize {
        let bits = F::shift(level.up()) - F::shift(level);
        let index = self.first >> F::shift(level) & ((1 << bits) - 1);
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// Whether the span is all that one entry at `level` translates, or more.
    pub(crate) fn covers<F: Format>(self, level: Level) -> bool {
        Self::of_entry::<F>(self.first, level).within(self)
    }

    /// Whether the span lies inside another.
    pub(crate) fn within(self, outer: Self) -> bool {
        outer.first <= self.first && self.last <= outer.last
    }

    /// What both spans hold; they meet.
    pub(crate) fn clip(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    /// Tables below an absent entry at `level` (or a huge leaf) for this piece of it, with leaves up to `max`.
    ///
    /// A slot at a level above `max` needs a table however much of it is used; one at or below only if part of it is.
    pub(crate) fn tables_below<F: Format>(self, level: Level, max: Level) -> u64 {
        let levels = (1..=level.get()).map(Level::new);
        levels
            .map(|slot| if slot > max { self.slots::<F>(slot) } else { self.partial_slots::<F>(slot) })
            .sum()
    }

    fn slots<F: Format>(self, level: Level) -> u64 {
        (self.last >> F::shift(level)) - (self.first >> F::shift(level)) + 1
    }

    fn partial_slots<F: Format>(self, level: Level) -> u64 {
        let head = !self.first.is_multiple_of(size::<F>(level));
        let tail = !(self.last + 1).is_multiple_of(size::<F>(level));
        let partial = u64::from(head) + u64::from(tail);
        partial.min(self.slots::<F>(level))
    }
}
