//! The firmware's memory map made sane: disjoint ascending pieces, the strictest kind wherever entries overlap.
//!
//! Rules: an empty entry is ignored; an entry that wraps or reaches beyond [`ADDRESS_LIMIT`] is ignored if it claims usable
//! memory and cut at the limit otherwise (nothing that firmware keeps for itself is ever taken); unaligned edges of usable
//! pieces stay with the firmware, as [`crate::accounts`] counts them. The sweep keeps no copy of the map, so the number of
//! entries is limited by its time alone ([`MAX_ENTRIES`]).

use crate::platform::{FirmwareKind, FirmwareRegion};

/// Longest memory map that is read, in entries. The sweep is quadratic; firmware gives a dozen entries, EFI some hundred.
pub const MAX_ENTRIES: usize = 512;

/// One past the largest physical address of any machine (52 bits on x86_64).
pub const ADDRESS_LIMIT: u64 = 1 << 52;

/// A maximal run of bytes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte, a physical address.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The strictest kind of all entries that cover it.
    pub kind: FirmwareKind,
}

/// What was wrong with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// It has no bytes: ignored.
    Empty,
    /// It claims usable memory beyond the physical address space: ignored.
    Unbelievable,
    /// It keeps memory beyond the physical address space: cut there.
    Cut,
}

/// The believable part of an entry as start and end, and what was wrong with it.
#[must_use]
pub fn examine(entry: FirmwareRegion) -> (Option<Piece>, Option<Defect>) {
    let FirmwareRegion { start, length, kind } = entry;
    if length == 0 {
        return (None, Some(Defect::Empty));
    }
    match start.checked_add(length).filter(|&end| end <= ADDRESS_LIMIT) {
        Some(end) => (Some(Piece { start, end, kind }), None),
        None if kind == FirmwareKind::Usable => (None, Some(Defect::Unbelievable)),
        None if start >= ADDRESS_LIMIT => (None, Some(Defect::Cut)),
        None => (Some(Piece { start, end: ADDRESS_LIMIT, kind }), Some(Defect::Cut)),
    }
}

/// The map that `entries` gives (the same at each call) as disjoint, ascending, maximal pieces.
pub fn pieces<I>(entries: impl Fn() -> I) -> impl Iterator<Item = Piece>
where
    I: Iterator<Item = FirmwareRegion>,
{
    let believable = move || entries().filter_map(|entry| examine(entry).0);
    let mut cursor = 0;
    core::iter::from_fn(move || {
        let piece = piece_from(cursor, &believable)?;
        cursor = piece.end;
        Some(piece)
    })
}

/// The first piece that starts at `cursor` or above, provided that no piece spans `cursor`.
fn piece_from<I: Iterator<Item = Piece>>(cursor: u64, entries: &impl Fn() -> I) -> Option<Piece> {
    let start = entries().filter(|e| e.end > cursor).map(|e| e.start.max(cursor)).min()?;
    let kind = kind_at(start, entries)?;
    let mut end = start;
    while kind_at(end, entries) == Some(kind) {
        end = boundary_above(end, entries)?;
    }
    Some(Piece { start, end, kind })
}

/// The strictest kind that covers `at`.
fn kind_at<I: Iterator<Item = Piece>>(at: u64, entries: &impl Fn() -> I) -> Option<FirmwareKind> {
    entries().filter(|e| e.start <= at && at < e.end).map(|e| e.kind).max()
}

/// The first address above `at` where an entry starts or ends.
fn boundary_above<I: Iterator<Item = Piece>>(at: u64, entries: &impl Fn() -> I) -> Option<u64> {
    entries().flat_map(|e| [e.start, e.end]).filter(|&edge| edge > at).min()
}

#[cfg(test)]
mod tests;
