//! Bytes on their way: [`Staged`].

use alloc::vec::Vec;

use lock_api::RawRwLock;

use super::super::KosFs;
use super::super::edits::Edits;
use super::super::extent::{Extent, checksum};
use super::super::layout::BLOCK;
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

/// Bytes that stand in blocks to which nothing points yet.
pub(in crate::fs::kosfs) struct Staged {
    blocks: Vec<u64>,
    sums: Vec<u64>,
}

impl Staged {
    /// Writes `bytes` of `file` (0 for none yet), whole blocks, to new blocks: on a full volume not all of them, but one at least.
    pub(in crate::fs::kosfs) fn write<D: BlockDevice, R: RawRwLock>(
        fs: &KosFs<D, R>,
        file: u64,
        bytes: &[u8],
    ) -> Result<Self, FsError> {
        let mut staged = Self { blocks: Vec::new(), sums: Vec::new() };
        staged.sums.try_reserve_exact(bytes.len() / BLOCK)?;
        fs.volume.stage(file, bytes.len() / BLOCK, &mut staged.blocks)?;
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
    pub(in crate::fs::kosfs) fn give_back<D: BlockDevice, R: RawRwLock>(&self, fs: &KosFs<D, R>) {
        fs.volume.unstage(&self.blocks);
    }

    /// Lets `file` have them from its block `first` on.
    pub(in crate::fs::kosfs) fn put(&self, file: u64, first: u64, edits: &mut Edits) -> Result<(), FsError> {
        edits.claim(&self.blocks)?;
        edits.writes_to = file;
        let mut at = 0;
        for run in self.blocks.chunk_by(|&a, &b| a + 1 == b) {
            let sums = self.sums.iter().copied().skip(at).take(run.len());
            Extent::new(first + at as u64, run.first().copied().unwrap_or_default(), sums)
                .put(file, edits)?;
            at += run.len();
        }
        Ok(())
    }

    /// How many blocks.
    pub(super) fn count(&self) -> u64 {
        self.blocks.len() as u64
    }
}
