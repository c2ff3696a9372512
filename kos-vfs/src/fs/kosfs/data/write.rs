//! Writing: short files in the tree, long ones to new blocks or to room that was kept.

use alloc::vec::Vec;
use core::ops::Range;

use lock_api::RawRwLock;

use super::super::edits::Edits;
use super::super::extent::{EXTENT_MAX, Extent};
use super::super::inode::{INLINE_MAX, Inode};
use super::super::layout::BLOCK;
use super::super::orphan::mark;
use super::super::tree::{Blocked, Tree};
use super::super::{KosFs, SIZE_MAX, buffer};
use super::room::write_room;
use super::{SIZE, Staged, inline_key, read_at};
use crate::attr::{Attr, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;

/// Blocks that one write takes, at most.
const WRITE_MAX: usize = EXTENT_MAX;

/// Stores `bytes` from `offset` on; returns how many.
pub(in crate::fs::kosfs) fn write_at<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    offset: u64,
    bytes: &[u8],
    now: Timestamp,
) -> Result<usize, FsError> {
    let room = SIZE_MAX.saturating_sub(offset);
    if room == 0 {
        return Err(FsError::TooLarge { limit: SIZE_MAX });
    }
    let within = usize::try_from(offset % SIZE).unwrap_or(0);
    let count = bytes.len().min(WRITE_MAX * BLOCK - within).min(usize::try_from(room).unwrap_or(usize::MAX));
    let bytes = bytes.get(..count).unwrap_or_default();
    if bytes.is_empty() || write_inline(fs, file, offset, bytes, now)? {
        return Ok(count);
    }
    let blocks = offset / SIZE..(offset + count as u64).div_ceil(SIZE);
    let mut image = load_blocks(fs, file, blocks.clone(), within..within + count)?;
    if let Some(place) = image.get_mut(within..within + count) {
        place.copy_from_slice(bytes);
    }
    let end = offset + count as u64;
    if let Some(stored) = write_room(fs, file, blocks.start, &image, now, end)? {
        return Ok(count.min(stored * BLOCK - within));
    }
    let (_, stored) = replace(fs, file, blocks.start, &image, now, |size, blocks| {
        size.max((offset + count as u64).min(blocks.saturating_mul(SIZE)))
    })?;
    Ok(count.min(stored * BLOCK - within))
}

/// Stores `bytes` in a file that stays short. Whether it does.
fn write_inline<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    offset: u64,
    bytes: &[u8],
    now: Timestamp,
) -> Result<bool, FsError> {
    let Some(start) = usize::try_from(offset).ok().filter(|at| at + bytes.len() <= INLINE_MAX) else {
        return Ok(false);
    };
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        if !inode.inline {
            return Ok(false);
        }
        let mut item = [0; INLINE_MAX];
        copy_inline(view.tree, file, &mut item)?;
        let end = start + bytes.len();
        if let Some(place) = item.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        inode.attr.size = inode.attr.size.max(end as u64);
        inode.touch(now);
        edits.writes_to = file;
        let size = usize::try_from(inode.attr.size).unwrap_or(0);
        edits.put(inline_key(file), item.get(..size).unwrap_or_default())?;
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(true)
    })
}

pub(super) fn copy_inline(tree: &Tree, file: u64, out: &mut [u8]) -> Result<(), Blocked> {
    let bytes = tree.get(inline_key(file))?.unwrap_or_default();
    if let Some(place) = out.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    Ok(())
}

/// What the blocks `range` hold now. Bytes in `new` are about to be written: blocks that lie in it are not read.
pub(super) fn load_blocks<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
    new: Range<usize>,
) -> Result<Vec<u8>, FsError> {
    let count = usize::try_from(range.end - range.start).unwrap_or(0);
    let mut image = buffer(count)?;
    for (at, block) in image.chunks_mut(BLOCK).enumerate() {
        let bytes = at * BLOCK..(at + 1) * BLOCK;
        if new.start > bytes.start || new.end < bytes.end {
            read_at(fs, file, (range.start + at as u64) * SIZE, block)?;
        }
    }
    Ok(image)
}

/// Lets `file` have `image` in its blocks from `start` on: as many as there is space for, but one at least. `size` says how large
/// it is afterwards, from its size before and the end of what was stored, in blocks. Returns how many were stored, too.
pub(super) fn replace<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    start: u64,
    image: &[u8],
    now: Timestamp,
    size: impl Fn(u64, u64) -> u64,
) -> Result<(Attr, usize), FsError> {
    let first = first_block(fs, file, start)?;
    let staged = match Staged::write(fs, file, image) {
        Ok(staged) => staged,
        Err(error) => {
            first.iter().for_each(|first| first.give_back(fs));
            return Err(error);
        }
    };
    let end = start + staged.count();
    let changed = fs.volume.change(|view, edits| {
        let mut inode = Inode::find_regular(view.tree, file)?;
        if inode.inline {
            edits.take_out(inline_key(file))?;
            inode.inline = false;
            if let Some(first) = &first {
                first.put(file, 0, edits)?;
                inode.blocks = inode.blocks.saturating_add(1);
            }
        }
        let gone = Extent::punch(view.tree, edits, file, start..end)?;
        staged.put(file, start, edits)?;
        inode.blocks = inode.blocks.saturating_add(staged.count()).saturating_sub(gone);
        let new = size(inode.attr.size, end);
        store_size(&mut inode, new, now, edits)?;
        Ok(inode.shown())
    });
    if changed.is_err() {
        staged.give_back(fs);
        first.iter().for_each(|first| first.give_back(fs));
    }
    Ok((changed?, usize::try_from(staged.count()).unwrap_or(0)))
}

/// The bytes of a short file that becomes long, in a block of their own, unless block 0 is about to be replaced anyway.
fn first_block<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    replaced_from: u64,
) -> Result<Option<Staged>, FsError> {
    if replaced_from == 0 {
        return Ok(None);
    }
    let mut image = buffer(1)?;
    let inline = fs.volume.look(|tree| {
        let inode = Inode::find_regular(tree, file)?;
        if inode.inline {
            copy_inline(tree, file, &mut image)?;
        }
        Ok(inode.inline && inode.attr.size > 0)
    })?;
    if inline { Staged::write(fs, file, &image).map(Some) } else { Ok(None) }
}

/// The file has `size` bytes now. Blocks behind the end go later, in steps.
pub(super) fn store_size(
    inode: &mut Inode,
    size: u64,
    now: Timestamp,
    edits: &mut Edits,
) -> Result<(), FsError> {
    let number = inode.attr.ino.number;
    if size < inode.attr.size {
        edits.makes_room = true;
        edits.put(mark(number), &[])?;
    }
    inode.attr.size = size;
    inode.touch(now);
    edits.put(Inode::key(number), inode.encode().as_ref())
}
