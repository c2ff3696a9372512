//! The bytes of files: reading with checksums, writing to new blocks, cutting.
//!
//! Bytes that are written go to blocks that no tree has; the change that points to them comes after, and with it the old
//! blocks are given up. Invariant: behind the end of a file its last block is zero.

use alloc::vec::Vec;
use core::ops::Range;

use lock_api::RawRwLock;

use super::edits::Edits;
use super::extent::{EXTENT_MAX, Extent, checksum};
use super::inode::{INLINE_MAX, Inode};
use super::key::{ItemKind, Key};
use super::layout::BLOCK;
use super::orphan::mark;
use super::tree::{Blocked, Tree};
use super::{KosFs, SIZE_MAX, buffer};
use crate::attr::{Attr, FileType, Timestamp};
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;
use crate::fs::Seek;

/// Blocks that one write takes, at most.
const WRITE_MAX: usize = EXTENT_MAX;

const SIZE: u64 = BLOCK as u64;

/// What is at a place of a file.
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one step; there is no heap to put it in"
)]
enum Piece {
    /// Bytes of a short file, copied already.
    Inline(usize),
    /// As many bytes of zeroes.
    Hole(u64),
    /// The extent that has it.
    Blocks(Extent),
    End,
}

/// The key of a short file's bytes.
pub(super) const fn inline_key(file: u64) -> Key {
    Key::new(file, ItemKind::Inline, 0)
}

/// Fills `out` from `offset` on; returns how much there was.
pub(super) fn read_at<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    offset: u64,
    out: &mut [u8],
) -> Result<usize, FsError> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let Some(at) = offset.checked_add(done as u64) else { break };
        let (piece, size) = fs.volume.look(|tree| piece_at(tree, file, at, rest))?;
        let left = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
        let Some(rest) = rest.get_mut(..left) else { break };
        done += match piece {
            Piece::End => break,
            Piece::Inline(count) => return Ok(done + count),
            Piece::Hole(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX).min(rest.len());
                rest.iter_mut().take(count).for_each(|byte| *byte = 0);
                count
            }
            Piece::Blocks(extent) => read_extent(fs, &extent, at, rest)?,
        };
    }
    Ok(done)
}

fn piece_at(tree: &Tree, file: u64, at: u64, out: &mut [u8]) -> Result<(Piece, u64), Blocked> {
    let inode = Inode::find(tree, file)?;
    let size = inode.attr.size;
    if matches!(inode.attr.kind, FileType::Directory) || at >= size {
        return Ok((Piece::End, size));
    }
    if inode.inline {
        let bytes = tree.get(inline_key(file))?.unwrap_or_default();
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let Some((place, bytes)) = out.get_mut(..count).zip(rest.get(..count)) {
            place.copy_from_slice(bytes);
        }
        return Ok((Piece::Inline(count), size));
    }
    let block = at / SIZE;
    Ok(match Extent::at_or_after(tree, file, block)? {
        Some(extent) if extent.first <= block => (Piece::Blocks(extent), size),
        Some(extent) => (Piece::Hole((extent.first * SIZE).min(size) - at), size),
        None => (Piece::Hole(size - at), size),
    })
}

/// Reads from byte `at` of the file on, which `extent` has; returns how much.
fn read_extent<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    extent: &Extent,
    at: u64,
    out: &mut [u8],
) -> Result<usize, FsError> {
    let index = usize::try_from(at / SIZE - extent.first).unwrap_or(usize::MAX);
    let within = usize::try_from(at % SIZE).unwrap_or(0);
    let whole = (out.len() / BLOCK).min(extent.count().saturating_sub(index));
    if within == 0 && whole > 0 {
        let out = out.get_mut(..whole * BLOCK).unwrap_or_default();
        read_blocks(fs, extent, index, out)?;
        return Ok(out.len());
    }
    let mut block = buffer(1)?;
    read_blocks(fs, extent, index, &mut block)?;
    let bytes = block.get(within..).unwrap_or_default();
    let count = bytes.len().min(out.len());
    if let Some((place, bytes)) = out.get_mut(..count).zip(bytes.get(..count)) {
        place.copy_from_slice(bytes);
    }
    Ok(count)
}

/// Reads whole blocks of `extent` from its block `index` on, and looks whether they are what was written.
fn read_blocks<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    extent: &Extent,
    index: usize,
    out: &mut [u8],
) -> Result<(), FsError> {
    let first = extent.start + index as u64;
    fs.volume.disk().read_run(first, out)?;
    for (number, block) in (index..).zip(out.chunks(BLOCK)) {
        if checksum(block) != extent.sum(number) {
            return Err(FsError::Corrupt {
                block: extent.start + number as u64,
                what: "data with another checksum",
            });
        }
    }
    Ok(())
}

/// Bytes that stand in blocks to which nothing points yet.
pub(super) struct Staged {
    blocks: Vec<u64>,
    sums: Vec<u64>,
}

impl Staged {
    /// Writes `bytes`, whole blocks, to new blocks: on a full volume not all of them, but one at least.
    pub(super) fn write<D: BlockDevice, R: RawRwLock>(
        fs: &KosFs<D, R>,
        bytes: &[u8],
    ) -> Result<Self, FsError> {
        let mut staged = Self { blocks: Vec::new(), sums: Vec::new() };
        staged.sums.try_reserve_exact(bytes.len() / BLOCK)?;
        fs.volume.stage(bytes.len() / BLOCK, &mut staged.blocks)?;
        let mut rest = bytes;
        for run in staged.blocks.chunk_by(|&a, &b| a + 1 == b) {
            let (now, later) = rest.split_at(run.len() * BLOCK);
            let first = run.first().copied().unwrap_or_default();
            if let Err(error) = fs.volume.disk().write(first, now, WriteMode::Cached) {
                staged.give_back(fs);
                return Err(error);
            }
            staged.sums.extend(now.chunks(BLOCK).map(checksum));
            rest = later;
        }
        Ok(staged)
    }

    /// Gives the blocks back: nothing will point to them.
    pub(super) fn give_back<D: BlockDevice, R: RawRwLock>(&self, fs: &KosFs<D, R>) {
        fs.volume.unstage(&self.blocks);
    }

    /// Lets `file` have them from its block `first` on.
    pub(super) fn put(&self, file: u64, first: u64, edits: &mut Edits) -> Result<(), FsError> {
        edits.claim(&self.blocks)?;
        let mut at = 0;
        for run in self.blocks.chunk_by(|&a, &b| a + 1 == b) {
            let sums = self.sums.iter().copied().skip(at).take(run.len());
            Extent::new(first + at as u64, run.first().copied().unwrap_or_default(), sums)
                .put(file, edits)?;
            at += run.len();
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        self.blocks.len() as u64
    }
}

/// Stores `bytes` from `offset` on; returns how many.
pub(super) fn write_at<D: BlockDevice, R: RawRwLock>(
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
        let mut inode = Inode::find(view.tree, file)?;
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
        let size = usize::try_from(inode.attr.size).unwrap_or(0);
        edits.put(inline_key(file), item.get(..size).unwrap_or_default())?;
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(true)
    })
}

fn copy_inline(tree: &Tree, file: u64, out: &mut [u8]) -> Result<(), Blocked> {
    let bytes = tree.get(inline_key(file))?.unwrap_or_default();
    if let Some(place) = out.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    Ok(())
}

/// What the blocks `range` hold now. Bytes in `new` are about to be written: blocks that lie in it are not read.
fn load_blocks<D: BlockDevice, R: RawRwLock>(
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
fn replace<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    start: u64,
    image: &[u8],
    now: Timestamp,
    size: impl Fn(u64, u64) -> u64,
) -> Result<(Attr, usize), FsError> {
    let first = first_block(fs, file, start)?;
    let staged = match Staged::write(fs, image) {
        Ok(staged) => staged,
        Err(error) => {
            first.iter().for_each(|first| first.give_back(fs));
            return Err(error);
        }
    };
    let end = start + staged.count();
    let changed = fs.volume.change(|view, edits| {
        let mut inode = Inode::find(view.tree, file)?;
        if inode.inline {
            edits.take_out(inline_key(file))?;
            inode.inline = false;
            if let Some(first) = &first {
                first.put(file, 0, edits)?;
                inode.blocks += 1;
            }
        }
        let gone = Extent::punch(view.tree, edits, file, start..end)?;
        staged.put(file, start, edits)?;
        inode.blocks = (inode.blocks + staged.count()).saturating_sub(gone);
        let new = size(inode.attr.size, end);
        store_size(&mut inode, new, now, edits)?;
        Ok(inode.shown())
    });
    if changed.is_err() {
        staged.give_back(fs);
        first.iter().for_each(|first| first.give_back(fs));
    }
    Ok((changed?, staged.blocks.len()))
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
        let inode = Inode::find(tree, file)?;
        if inode.inline {
            copy_inline(tree, file, &mut image)?;
        }
        Ok(inode.inline && inode.attr.size > 0)
    })?;
    if inline { Staged::write(fs, &image).map(Some) } else { Ok(None) }
}

/// Sets the size.
pub(super) fn truncate<D: BlockDevice, R: RawRwLock>(
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
        let inode = Inode::find(tree, file)?;
        let last =
            Extent::at_or_after(tree, file, size / SIZE)?.is_some_and(|extent| extent.first <= size / SIZE);
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
            let mut inode = Inode::find(view.tree, file)?;
            store_size(&mut inode, size, now, edits)?;
            Ok(inode.shown())
        })?
    };
    if size >= old.attr.size {
        return Ok(attr);
    }
    fs.reclaim(file)?;
    fs.volume.look(|tree| Ok(Inode::find(tree, file)?.shown()))
}

/// The file has `size` bytes now. Blocks behind the end go later, in steps.
fn store_size(inode: &mut Inode, size: u64, now: Timestamp, edits: &mut Edits) -> Result<(), FsError> {
    let number = inode.attr.ino.number;
    if size < inode.attr.size {
        edits.makes_room = true;
        edits.put(mark(number), &[])?;
    }
    inode.attr.size = size;
    inode.touch(now);
    edits.put(Inode::key(number), inode.encode().as_ref())
}

/// Sets the size of a file that is short and stays so; `None` for others.
fn truncate_inline<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    size: u64,
    now: Timestamp,
) -> Result<Option<Attr>, FsError> {
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find(view.tree, file)?;
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
        edits.put(inline_key(file), item.get(..short).unwrap_or_default())?;
        inode.attr.size = size;
        inode.touch(now);
        edits.put(Inode::key(file), inode.encode().as_ref())?;
        Ok(Some(inode.shown()))
    })
}

/// Takes the bytes `range` from the file: they read as zeroes; the size becomes at least `size`.
pub(super) fn punch<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    range: Range<u64>,
    size: u64,
    now: Timestamp,
) -> Result<Attr, FsError> {
    let inode = fs.volume.look(|tree| Inode::find(tree, file))?;
    let end = range.end.min(inode.attr.size);
    // Pieces of blocks become zeroes that are written; whole ones go.
    let mut at = range.start;
    while at < end {
        let stop = ((at / SIZE + 1) * SIZE).min(end);
        let whole = at.is_multiple_of(SIZE) && stop - at == SIZE;
        if whole && !inode.inline {
            at = drop_blocks(fs, file, at / SIZE..end / SIZE, now)? * SIZE;
            continue;
        }
        let zeroes = [0; BLOCK];
        let count = usize::try_from(stop - at).unwrap_or(0);
        write_at(fs, file, at, zeroes.get(..count).unwrap_or_default(), now)?;
        at = stop;
    }
    if size > inode.attr.size {
        return truncate(fs, file, size, now);
    }
    fs.volume.change(|view, edits| {
        let mut inode = Inode::find(view.tree, file)?;
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
        let mut inode = Inode::find(view.tree, file)?;
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

/// The first byte at or behind `offset` that is written, or is not.
pub(super) fn seek<D: BlockDevice, R: RawRwLock>(
    fs: &KosFs<D, R>,
    file: u64,
    offset: u64,
    size: u64,
    what: Seek,
) -> Result<Option<u64>, FsError> {
    fs.volume.look(|tree| {
        let inode = Inode::find(tree, file)?;
        let mut at = offset;
        while at < size {
            let extent = if inode.inline { None } else { Extent::at_or_after(tree, file, at / SIZE)? };
            let here = inode.inline || extent.is_some_and(|extent| extent.first * SIZE <= at);
            match (what, extent) {
                (Seek::Data, _) if here => return Ok(Some(at)),
                (Seek::Hole, _) if !here => return Ok(Some(at)),
                (_, None) => break,
                (Seek::Data, Some(extent)) => at = extent.first * SIZE,
                (Seek::Hole, Some(extent)) => at = extent.end() * SIZE,
            }
        }
        Ok((what == Seek::Hole).then_some(size))
    })
}
