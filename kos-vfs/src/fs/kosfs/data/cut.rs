//! Cutting: sizes, and bytes that go.

use core::ops::Range;

use lock_api::RawRwLock;

use super::super::extent::Extent;
use super::super::inode::{INLINE_MAX, Inode};
use super::super::layout::BLOCK;
use super::super::tree::{Blocked, Tree};
use super::super::{KosFs, SIZE_MAX};
use super::write::{copy_inline, load_blocks, replace, store_size, write_at};
use super::{SIZE, inline_key};
use crate::attr::{Attr, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;

/// Sets the size.
pub(in crate::fs::kosfs) fn truncate<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    size: u64,
    now: Timestamp,
) -> Result<Attr, FsError> {
    if size > SIZE_MAX {
        return Err(FsError::TooLarge { limit: SIZE_MAX });
    }
    if let Some(attr) = truncate_inline(fs, file, size, now)? {
        return Ok(attr);
    }
    let (old, ends_in_block) = fs.volume.look(|tree| {
        let inode = Inode::find_regular(tree, file)?;
        let last = is_stored(tree, file, size / SIZE)?;
        Ok((inode, last && size < inode.attr.size && !size.is_multiple_of(SIZE)))
    })?;
    let attr = if old.inline || ends_in_block {
        // The block in which it ends becomes zero behind the end; or a short file gets its first block.
        let last = if old.inline { 0 } else { size / SIZE };
        let mut image = load_blocks(fs, file, last..last + 1, 0..0)?;
        let keep = usize::try_from(size - last * SIZE).unwrap_or(BLOCK).min(BLOCK);
        image.iter_mut().skip(keep).for_each(|byte| *byte = 0);
        replace(fs, file, last, &image, now, |_, _| size)?.0
    } else {
        fs.volume.change(|view, edits| {
            let mut inode = Inode::find_regular(view.tree, file)?;
            edits.makes_room = size <= inode.attr.size;
            store_size(&mut inode, size, now, edits)?;
            Ok(inode.shown())
        })?
    };
    if size >= old.attr.size {
        return Ok(attr);
    }
    // The size is what was asked for: what cannot go now goes before the file grows, or at the next mount.
    if let Err(error) = fs.trim(file) {
        fs.leave_behind();
        return if fs.volume.has_failed() { Err(error) } else { Ok(attr) };
    }
    fs.volume.look(|tree| Ok(Inode::find_regular(tree, file)?.shown()))
}

/// Whether a block of a file that is not short has bytes of its own.
fn is_stored(tree: &Tree, file: u64, block: u64) -> Result<bool, Blocked> {
    let extent = Extent::at_or_after(tree, file, block)?;
    Ok(extent.is_some_and(|extent| extent.first <= block && !extent.reserved))
}

/// Sets the size of a file that is short and stays so; `None` for others.
fn truncate_inline<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    size: u64,
    now: Timestamp,
) -> Result<Option<Attr>, FsError> {
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        let Some(short) = usize::try_from(size).ok().filter(|&size| inode.inline && size <= INLINE_MAX)
        else {
            return Ok(None);
        };
        let mut item = [0; INLINE_MAX];
        copy_inline(view.tree, file, &mut item)?;
        let old = usize::try_from(inode.attr.size).unwrap_or(0).min(INLINE_MAX);
        if let Some(place) = item.get_mut(short.min(old)..) {
            place.fill(0);
        }
        edits.makes_room = short <= old;
        edits.put(inline_key(file), item.get(..short).unwrap_or_default())?;
        inode.attr.size = size;
        inode.touch(now);
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(Some(inode.shown()))
    })
}

/// Takes the bytes `range` from the file: they read as zeroes; the size becomes at least `size`.
pub(in crate::fs::kosfs) fn punch<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
    size: u64,
    now: Timestamp,
) -> Result<Attr, FsError> {
    let inode = fs.volume.look(|tree| Inode::find_regular(tree, file))?;
    let end = range.end.min(inode.attr.size);
    // Behind the end of the file there is nothing: its last block is whole where the rest of it goes.
    let blocks_end = if end < range.end { end.div_ceil(SIZE) } else { end / SIZE };
    // Pieces of blocks become zeroes that are written; whole ones go.
    let mut at = range.start;
    while at < end {
        let block = at / SIZE;
        if !inode.inline && at.is_multiple_of(SIZE) && block < blocks_end {
            at = drop_blocks(fs, file, block..blocks_end, now)? * SIZE;
            continue;
        }
        let stop = ((block + 1) * SIZE).min(end);
        let zeroes = [0; BLOCK];
        let count = usize::try_from(stop - at).unwrap_or(0);
        if inode.inline || fs.volume.look(|tree| is_stored(tree, file, block))? {
            write_at(fs, file, at, zeroes.get(..count).unwrap_or_default(), now)?;
        }
        at = stop;
    }
    if size > inode.attr.size {
        return truncate(fs, file, size, now);
    }
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        inode.touch(now);
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(inode.shown())
    })
}

/// Gives up the blocks `range`, some hundred in one change. Returns how far it came.
fn drop_blocks<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
    now: Timestamp,
) -> Result<u64, FsError> {
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        let mut until = range.start;
        for _ in 0..8 {
            let found =
                Extent::at_or_after(view.tree, file, until)?.filter(|extent| extent.first < range.end);
            until = found.map_or(range.end, |extent| extent.end().min(range.end));
        }
        edits.makes_room = true;
        let gone = Extent::punch(view.tree, edits, file, range.start..until)?;
        inode.blocks = inode.blocks.saturating_sub(gone);
        inode.touch(now);
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(until)
    })
}
