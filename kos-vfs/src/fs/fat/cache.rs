//! The sectors of tables and directories that were used last: [`Cache`].
//!
//! 64 sectors, each with one place where it can be; a change goes to the device at once, so nothing is ever dirty and the
//! order of writes is the order of changes. File data do not come here.

use alloc::vec::Vec;

use super::layout::Layout;
use crate::block::{BlockDevice, WriteMode};
use crate::error::{DeviceError, FsError};

/// How many sectors it holds. A power of two.
const SLOTS: usize = 64;
/// The number of no sector.
const NONE: u64 = u64::MAX;

/// The device as the volume's sectors.
#[derive(Clone, Copy)]
pub(super) struct Disk<'a> {
    pub(super) device: &'a dyn BlockDevice,
    /// How many of the device's sectors make one of the volume's, as a logarithm.
    shift: u32,
}

impl<'a> Disk<'a> {
    pub(super) fn new(device: &'a dyn BlockDevice, layout: &Layout) -> Self {
        Self { device, shift: layout.sector_shift.saturating_sub(device.geometry().sector_shift()) }
    }

    pub(super) fn read(self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.device.read(sector << self.shift, out)
    }

    pub(super) fn write(self, sector: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.device.write(sector << self.shift, bytes, WriteMode::Cached)
    }

    pub(super) fn flush(self) -> Result<(), DeviceError> {
        self.device.flush()
    }
}

/// A sector and its copies.
#[derive(Clone, Copy)]
pub(super) struct Copies {
    /// The one that is read.
    pub(super) sector: u64,
    /// The first one that is written.
    pub(super) first: u64,
    /// From one to the next.
    pub(super) step: u64,
    /// How many are written.
    pub(super) count: u32,
}

impl Copies {
    /// A sector without copies.
    pub(super) const fn one(sector: u64) -> Self {
        Self { sector, first: sector, step: 0, count: 1 }
    }
}

/// Sectors of metadata. What is in a slot with a number is what the device has.
pub(super) struct Cache {
    bytes: Vec<u8>,
    numbers: [u64; SLOTS],
    shift: u32,
}

impl Cache {
    /// For sectors of `1 << shift` bytes.
    pub(super) fn new(shift: u32) -> Result<Self, FsError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(SLOTS << shift)?;
        bytes.resize(SLOTS << shift, 0);
        Ok(Self { bytes, numbers: [NONE; SLOTS], shift })
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the number of slots")]
    const fn slot(sector: u64) -> usize {
        (sector % SLOTS as u64) as usize
    }

    fn bytes_of(&mut self, slot: usize) -> Result<&mut [u8], FsError> {
        let start = slot << self.shift;
        self.bytes.get_mut(start..start + (1 << self.shift)).ok_or(FsError::NoMemory)
    }

    fn number(&mut self, slot: usize) -> Result<&mut u64, FsError> {
        self.numbers.get_mut(slot).ok_or(FsError::NoMemory)
    }

    /// The bytes of a sector.
    pub(super) fn get(&mut self, disk: Disk<'_>, sector: u64) -> Result<&[u8], FsError> {
        let slot = Self::slot(sector);
        if *self.number(slot)? != sector {
            *self.number(slot)? = NONE;
            disk.read(sector, self.bytes_of(slot)?)?;
            *self.number(slot)? = sector;
        }
        Ok(self.bytes_of(slot)?)
    }

    /// Changes a sector and writes it and its copies. If that fails, each of them is old or new.
    pub(super) fn update(
        &mut self,
        disk: Disk<'_>,
        copies: Copies,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<(), FsError> {
        self.get(disk, copies.sector)?;
        let slot = Self::slot(copies.sector);
        *self.number(slot)? = NONE;
        let bytes = self.bytes_of(slot)?;
        change(bytes);
        for copy in 0..u64::from(copies.count) {
            disk.write(copies.first + copy * copies.step, bytes)?;
        }
        *self.number(slot)? = copies.sector;
        Ok(())
    }

    /// The sectors from `first` on, `count` of them, are written by others from now on.
    pub(super) fn forget(&mut self, first: u64, count: u64) {
        for number in &mut self.numbers {
            if number.wrapping_sub(first) < count {
                *number = NONE;
            }
        }
    }
}
