//! Where the bytes of a file are, as items: [`Extent`], up to 64 blocks in a row with a checksum each.

use core::ops::Range;

use twox_hash::XxHash64;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::edits::Edits;
use super::key::{ItemKind, Key};
use super::node::ITEM_MAX;
use super::tree::{Blocked, Tree};
use crate::error::FsError;

/// Blocks of an extent, at most: with their checksums they stay below a third of a leaf.
pub(super) const EXTENT_MAX: usize = 64;

/// An extent without its checksums, which follow: 8 bytes for each block, none if it is [`RESERVED`].
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawExtent {
    start: U64,
    /// Blocks, and perhaps [`RESERVED`].
    count: U16,
}

/// Room for bytes that are still to come: reads as zeroes, whatever stands there.
const RESERVED: u16 = 1 << 15;

const HEAD: usize = size_of::<RawExtent>();

const _: () = assert!(HEAD + EXTENT_MAX * 8 <= ITEM_MAX, "the largest extent is an item");

/// The checksum of a block of data.
pub(super) fn checksum(block: &[u8]) -> u64 {
    XxHash64::oneshot(0, block)
}

/// Blocks of a file that lie in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first, counted in the file.
    pub(super) first: u64,
    /// Where it is.
    pub(super) start: u64,
    /// Whether it is room alone.
    pub(super) reserved: bool,
    count: usize,
    sums: [u64; EXTENT_MAX],
}

impl Extent {
    /// Blocks from `start` on; there are as many as `sums`, of which the first [`EXTENT_MAX`] count.
    pub(super) fn new(first: u64, start: u64, sums: impl Iterator<Item = u64>) -> Self {
        let mut extent = Self { first, start, reserved: false, count: 0, sums: [0; EXTENT_MAX] };
        for (place, sum) in extent.sums.iter_mut().zip(sums) {
            *place = sum;
            extent.count += 1;
        }
        extent
    }

    /// Room: `count` blocks from `start` on, at most [`EXTENT_MAX`].
    pub(super) fn reserved(first: u64, start: u64, count: usize) -> Self {
        Self { reserved: true, ..Self::new(first, start, (0..count).map(|_| 0)) }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The first block behind it, counted in the file.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count as u64)
    }

    /// The checksum of its block `at`.
    pub(super) fn sum(&self, at: usize) -> u64 {
        self.sums.get(at).copied().unwrap_or_default()
    }

    /// The extent at `key`; it is not yet known to lie in the volume.
    pub(super) fn decode(key: Key, item: &[u8]) -> Result<Self, FsError> {
        let corrupt = FsError::Corrupt { block: key.file, what: "an extent that makes no sense" };
        let (raw, rest) = RawExtent::read_from_prefix(item).map_err(|_| corrupt)?;
        let count = usize::from(raw.count.get() & !RESERVED);
        let reserved = raw.count.get() & RESERVED != 0;
        if count == 0 || count > EXTENT_MAX || rest.len() != if reserved { 0 } else { count * 8 } {
            return Err(corrupt);
        }
        let sums = rest.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let extent = if reserved {
            Self::reserved(key.offset, raw.start.get(), count)
        } else {
            Self::new(key.offset, raw.start.get(), sums)
        };
        if extent.start.checked_add(count as u64).is_none() { Err(corrupt) } else { Ok(extent) }
    }

    /// The blocks `range` of it, which are some.
    pub(super) fn part(&self, range: Range<u64>) -> Self {
        let skip = range.start - self.first;
        let from = usize::try_from(skip).unwrap_or(self.count);
        let count = usize::try_from(range.end - range.start).unwrap_or(0);
        let sums = self.sums.iter().copied().take(self.count).skip(from).take(count);
        Self { reserved: self.reserved, ..Self::new(range.start, self.start + skip, sums) }
    }

    /// Stores it for `file`.
    pub(super) fn put(&self, file: u64, edits: &mut Edits) -> Result<(), FsError> {
        let mut bytes = [0; HEAD + EXTENT_MAX * 8];
        let flag = if self.reserved { RESERVED } else { 0 };
        let count = u16::try_from(self.count).unwrap_or(0) | flag;
        let raw = RawExtent { start: self.start.into(), count: count.into() };
        let (head, rest) = bytes.split_at_mut(HEAD);
        head.copy_from_slice(raw.as_bytes());
        for (place, sum) in rest.as_chunks_mut::<8>().0.iter_mut().zip(self.sums) {
            *place = sum.to_le_bytes();
        }
        let sums = if self.reserved { 0 } else { self.count * 8 };
        let item = bytes.get(..HEAD + sums).unwrap_or_default();
        edits.put(Self::key(file, self.first), item)
    }

    fn key(file: u64, first: u64) -> Key {
        Key::new(file, ItemKind::Extent, first)
    }

    /// The extent of `file` that has its block `at`, or the first one behind it.
    pub(super) fn at_or_after(tree: &Tree, file: u64, at: u64) -> Result<Option<Self>, Blocked> {
        let own = |found: Option<(Key, &[u8])>| {
            let found = found.filter(|(key, _)| (key.file, key.kind) == (file, ItemKind::Extent as u8));
            found.map(|(key, item)| Self::decode(key, item)).transpose()
        };
        let before = own(tree.at_or_before(Self::key(file, at))?)?;
        if let Some(extent) = before.filter(|extent| extent.end() > at) {
            return Ok(Some(extent));
        }
        Ok(own(tree.at_or_after(Self::key(file, at))?)?)
    }

    /// The last extent of `file` that begins below its block `until`.
    pub(super) fn last_before(tree: &Tree, file: u64, until: u64) -> Result<Option<Self>, Blocked> {
        let Some(last) = until.checked_sub(1) else { return Ok(None) };
        let found = tree.at_or_before(Self::key(file, last))?;
        let found = found.filter(|(key, _)| (key.file, key.kind) == (file, ItemKind::Extent as u8));
        Ok(found.map(|(key, item)| Self::decode(key, item)).transpose()?)
    }

    /// Takes the blocks `range` from `file`: gives them up and cuts the extents that had them. Returns how many there were.
    pub(super) fn punch(
        tree: &Tree,
        edits: &mut Edits,
        file: u64,
        range: Range<u64>,
    ) -> Result<u64, Blocked> {
        let (mut at, mut gone) = (range.start, 0);
        while at < range.end {
            let Some(extent) = Self::at_or_after(tree, file, at)?.filter(|extent| extent.first < range.end)
            else {
                break;
            };
            let middle = extent.first.max(range.start)..extent.end().min(range.end);
            let taken = extent.part(middle.clone());
            for block in taken.start..taken.start + taken.count as u64 {
                edits.free(block)?;
            }
            gone += taken.count as u64;
            if extent.first < middle.start {
                extent.part(extent.first..middle.start).put(file, edits)?;
            } else {
                edits.take_out(Self::key(file, extent.first))?;
            }
            if middle.end < extent.end() {
                extent.part(middle.end..extent.end()).put(file, edits)?;
            }
            at = extent.end();
        }
        Ok(gone)
    }
}
