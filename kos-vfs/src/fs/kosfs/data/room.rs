//! Room that is kept for bytes to come: blocks that a file has and that read as zeroes until they are written.
//!
//! The first write goes to them in place: until it is committed nobody reads what stands there.

use alloc::vec::Vec;
use core::ops::Range;

use lock_api::RawRwLock;

use super::super::KosFs;
use super::super::extent::{EXTENT_MAX, Extent, checksum};
use super::super::inode::{INLINE_MAX, Inode};
use super::super::layout::BLOCK;
use super::cut::truncate;
use super::write::{load_blocks, replace, store_size};
use super::{SIZE, inline_key};
use crate::attr::{Attr, Timestamp};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

/// Keeps room for the bytes `range`; the size becomes at least `size`. A failure leaves the room that was found.
pub(in crate::fs::kosfs) fn allocate<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
    size: u64,
    now: Timestamp,
) -> Result<Attr, FsError> {
    let inode = fs.volume.look(|tree| Inode::find_regular(tree, file))?;
    if !inode.inline || range.end > INLINE_MAX as u64 {
        if inode.inline && inode.attr.size == 0 {
            leave_inline(fs, file)?;
        } else if inode.inline {
            // A short file gets its first block.
            let image = load_blocks(fs, file, 0..1, 0..0)?;
            replace(fs, file, 0, &image, now, |size, _| size)?;
        }
        let mut at = range.start / SIZE;
        while at < range.end.div_ceil(SIZE) {
            at = fill(fs, file, at..range.end.div_ceil(SIZE))?;
        }
    }
    if size > inode.attr.size {
        return truncate(fs, file, size, now);
    }
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        inode.attr.changed = now;
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(inode.shown())
    })
}

/// An empty file is none of the short ones any more: a first block would lie behind its end.
fn leave_inline<D: BlockDevice, R: RawRwLock>(fs: &KosFs<D, R>, file: u64) -> Result<(), FsError> {
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        inode.inline = false;
        edits.take_out(inline_key(file))?;
        Ok(edits.put(Inode::key(file), inode.encode().as_ref())?)
    })
}

/// Keeps room in the first hole of the blocks `range`, some blocks at a time. Returns how far there is some.
fn fill<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
) -> Result<u64, FsError> {
    let next = fs.volume.look(|tree| Extent::at_or_after(tree, file, range.start))?;
    let end = match next {
        Some(extent) if extent.first <= range.start => return Ok(extent.end()),
        Some(extent) => extent.first.min(range.end),
        None => range.end,
    };
    let wanted = usize::try_from(end - range.start).unwrap_or(usize::MAX).min(EXTENT_MAX);
    let mut blocks = Vec::new();
    fs.volume.stage(file, wanted, &mut blocks)?;
    let changed = fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        edits.claim(&blocks)?;
        let mut at = range.start;
        for run in blocks.chunk_by(|&a, &b| a + 1 == b) {
            Extent::reserved(at, run.first().copied().unwrap_or_default(), run.len()).put(file, edits)?;
            at += run.len() as u64;
        }
        inode.blocks = inode.blocks.saturating_add(blocks.len() as u64);
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(at)
    });
    if changed.is_err() {
        fs.volume.unstage(&blocks);
    }
    changed
}

/// Stores as much of `image` as there is room kept for it from block `start` of the file on; the size grows to `end` at most. Returns
/// how many blocks that were; `None` without room.
pub(super) fn write_room<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    start: u64,
    image: &[u8],
    now: Timestamp,
    end: u64,
) -> Result<Option<usize>, FsError> {
    let found = fs.volume.look(|tree| {
        if Inode::find_regular(tree, file)?.inline {
            return Ok(None);
        }
        Extent::at_or_after(tree, file, start)
    })?;
    let Some(room) = found.filter(|extent| extent.first <= start && extent.reserved) else { return Ok(None) };
    let count = (image.len() / BLOCK).min(usize::try_from(room.end() - start).unwrap_or(0));
    let stop = start + count as u64;
    let bytes = image.get(..count * BLOCK).unwrap_or_default();
    let place = room.start + (start - room.first);
    fs.volume.disk().write(place, bytes, WriteMode::Cached)?;
    let written = Extent::new(start, place, bytes.chunks(BLOCK).map(checksum));
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        if Extent::at_or_after(view.tree, file, start)? != Some(room) {
            return Err(FsError::Stale.into());
        }
        if room.first < start {
            room.part(room.first..start).put(file, edits)?;
        }
        edits.writes_to = file;
        written.put(file, edits)?;
        if stop < room.end() {
            room.part(stop..room.end()).put(file, edits)?;
        }
        let size = inode.attr.size.max(end.min(stop.saturating_mul(SIZE)));
        Ok(store_size(&mut inode, size, now, edits)?)
    })?;
    Ok(Some(count))
}
