//! The bytes of files: reading with checksums, writing to new blocks, cutting, keeping room.
//!
//! Bytes that are written go to blocks that no tree has; the change that points to them comes after, and with it the old
//! blocks are given up. Invariant: behind the end of a file its last block is zero.

mod cut;
mod room;
mod staged;
mod write;

use lock_api::RawRwLock;

use super::extent::{Extent, checksum};
use super::inode::Inode;
use super::key::{ItemKind, Key};
use super::layout::BLOCK;
use super::tree::{Blocked, Tree};
use super::{KosFs, buffer};
use crate::attr::FileType;
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::Seek;

pub(super) use cut::{punch, truncate};
pub(super) use room::allocate;
pub(super) use staged::Staged;
pub(super) use write::write_at;

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
        Some(extent) if extent.first <= block && extent.reserved => {
            (Piece::Hole(extent.end().saturating_mul(SIZE).min(size) - at), size)
        }
        Some(extent) if extent.first <= block => (Piece::Blocks(extent), size),
        Some(extent) => (Piece::Hole(extent.first.saturating_mul(SIZE).min(size) - at), size),
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
            let (data, end) = match extent {
                None => (inode.inline, size),
                Some(extent) if extent.first.saturating_mul(SIZE) > at => {
                    (false, extent.first.saturating_mul(SIZE))
                }
                Some(extent) => (!extent.reserved, extent.end().saturating_mul(SIZE)),
            };
            if data == (what == Seek::Data) {
                return Ok(Some(at));
            }
            at = end;
        }
        Ok((what == Seek::Hole).then_some(size))
    })
}
