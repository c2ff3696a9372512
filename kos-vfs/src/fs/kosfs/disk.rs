//! Blocks of a volume on a [`BlockDevice`] of any sector size: [`Disk`].

use super::block::Block;
use super::layout::BLOCK;
use crate::block::{BlockDevice, WriteMode};
use crate::error::FsError;

#[derive(Debug)]
pub(super) struct Disk<D> {
    device: D,
    /// The logarithm of the sectors of a block.
    shift: u32,
}

impl<D: BlockDevice> Disk<D> {
    pub(super) fn new(device: D) -> Self {
        let shift = BLOCK.trailing_zeros().saturating_sub(device.geometry().sector_shift());
        Self { device, shift }
    }

    /// Whole blocks of the device.
    pub(super) fn blocks(&self) -> u64 {
        self.device.geometry().sectors() >> self.shift
    }

    pub(super) fn device(&self) -> &D {
        &self.device
    }

    fn sector(&self, block: u64) -> Result<u64, FsError> {
        let wild = FsError::Corrupt { block, what: "it lies behind the device" };
        block.checked_shl(self.shift).filter(|_| block < self.blocks()).ok_or(wild)
    }

    pub(super) fn read(&self, block: u64, into: &mut Block) -> Result<(), FsError> {
        Ok(self.device.read(self.sector(block)?, into.bytes_mut())?)
    }

    /// Reads `out`, which is whole blocks, from `block` on.
    pub(super) fn read_run(&self, block: u64, out: &mut [u8]) -> Result<(), FsError> {
        Ok(self.device.read(self.sector(block)?, out)?)
    }

    /// Writes `bytes`, which are whole blocks, from `block` on.
    pub(super) fn write(&self, block: u64, bytes: &[u8], mode: WriteMode) -> Result<(), FsError> {
        Ok(self.device.write(self.sector(block)?, bytes, mode)?)
    }

    pub(super) fn flush(&self) -> Result<(), FsError> {
        Ok(self.device.flush()?)
    }
}
