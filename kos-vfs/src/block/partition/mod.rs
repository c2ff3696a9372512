//! The parts of a disk: [`scan`] finds them by GPT or MBR, [`Partition`] is a device that is one of them.
//!
//! Nothing on the device is trusted: checksums are compared, every range is checked against the device, chains are bounded.
//!
//! Source: UEFI Specification 2.10, chapter 5 (GPT, and the MBR in 5.2).

mod crc;
mod gpt;
mod mbr;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::device::{BlockDevice, Geometry, SECTOR_MAX, WriteMode};
use crate::error::DeviceError;

pub use crc::crc32;

/// What a partition says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartitionKind {
    /// The type byte of an MBR.
    Mbr(u8),
    /// The type GUID of a GPT, as its 16 bytes on the device.
    Gpt([u8; 16]),
}

/// One part of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEntry {
    /// Its place in the table, from 1 on: logical partitions of an MBR begin at 5. The number in `sda1`.
    pub number: u32,
    /// Its first sector.
    pub first: u64,
    /// How many sectors it has; at least one.
    pub sectors: u64,
    /// What it says that it is.
    pub kind: PartitionKind,
    /// Its own GUID as its 16 bytes on the device; zeroes in an MBR.
    pub guid: [u8; 16],
}

/// Why there are no partitions to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionError {
    /// The device failed.
    Device(DeviceError),
    /// No MBR is there, and so no GPT.
    NotPartitioned {
        /// What stands where 0xaa55 would.
        found: u16,
    },
    /// A GPT, both copies of which are damaged.
    DamagedGpt {
        /// What is wrong with the first copy.
        what: &'static str,
    },
    /// The kernel has no memory.
    NoMemory,
}

impl fmt::Display for PartitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "{error}"),
            Self::NotPartitioned { found } => {
                write!(f, "no partition table: {found:#06x} in place of 0xaa55")
            }
            Self::DamagedGpt { what } => write!(f, "both copies of the partition table are damaged: {what}"),
            Self::NoMemory => f.write_str("the kernel has no memory"),
        }
    }
}

impl Error for PartitionError {}

impl From<DeviceError> for PartitionError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<alloc::collections::TryReserveError> for PartitionError {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self::NoMemory
    }
}

/// The partitions of a device, in the order of their tables. Those that are empty or reach behind its end are left out.
///
/// # Errors
/// No table, a damaged one, no memory, or what the device says.
pub fn scan<D: BlockDevice + ?Sized>(device: &D) -> Result<Vec<PartitionEntry>, PartitionError> {
    let mut sector = Sector::new()?;
    let table = mbr::read_table(device, 0, &mut sector)?;
    if table.is_protective() { gpt::scan(device, &mut sector) } else { mbr::scan(device, table, &mut sector) }
}

/// The bytes of one sector.
struct Sector(Vec<u8>);

impl Sector {
    fn new() -> Result<Self, PartitionError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(SECTOR_MAX)?;
        bytes.resize(SECTOR_MAX, 0);
        Ok(Self(bytes))
    }

    /// Reads sector `number`.
    fn read<D: BlockDevice + ?Sized>(&mut self, device: &D, number: u64) -> Result<&[u8], DeviceError> {
        let size = device.geometry().sector_size();
        let bytes = self.0.get_mut(..size).ok_or(DeviceError::Unaligned { length: size })?;
        device.read(number, bytes)?;
        Ok(bytes)
    }
}

/// Bytes from `at` on, where there are so many.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

/// Adds an entry that is not empty and ends within the device.
fn push(
    found: &mut Vec<PartitionEntry>,
    geometry: Geometry,
    entry: PartitionEntry,
) -> Result<(), PartitionError> {
    if entry.sectors != 0 && geometry.check_sectors(entry.first, entry.sectors).is_ok() {
        found.try_reserve(1)?;
        found.push(entry);
    }
    Ok(())
}

/// A device that is a part of another.
#[derive(Clone, Copy, Debug)]
pub struct Partition<D> {
    device: D,
    first: u64,
    geometry: Geometry,
}

impl<D: BlockDevice> Partition<D> {
    /// The `sectors` sectors of `device` from `first` on.
    ///
    /// # Errors
    /// [`DeviceError::OutOfRange`].
    pub fn new(device: D, first: u64, sectors: u64) -> Result<Self, DeviceError> {
        let whole = device.geometry();
        whole.check_sectors(first, sectors)?;
        let out_of_range = DeviceError::OutOfRange { sector: first, sectors: whole.sectors() };
        let geometry = whole.resized(sectors).ok_or(out_of_range)?;
        Ok(Self { device, first, geometry })
    }

    /// The device behind it.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// Gives the device back.
    pub fn into_inner(self) -> D {
        self.device
    }

    /// A fault of the whole device, told in sectors of the partition.
    fn translate(&self, error: DeviceError) -> DeviceError {
        let own = |sector: u64| sector.saturating_sub(self.first);
        match error {
            DeviceError::Failed { sector } => DeviceError::Failed { sector: own(sector) },
            DeviceError::NoSpace { sector } => DeviceError::NoSpace { sector: own(sector) },
            other => other,
        }
    }

    fn at(&self, sector: u64) -> u64 {
        self.first.saturating_add(sector)
    }
}

impl<D: BlockDevice> BlockDevice for Partition<D> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, sector: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.geometry.check(sector, out.len())?;
        self.device.read(self.at(sector), out).map_err(|error| self.translate(error))
    }

    fn write(&self, sector: u64, bytes: &[u8], mode: WriteMode) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, bytes.len())?;
        self.device.write(self.at(sector), bytes, mode).map_err(|error| self.translate(error))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.device.flush().map_err(|error| self.translate(error))
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), DeviceError> {
        self.geometry.check_write(sector, 0)?;
        self.geometry.check_sectors(sector, count)?;
        self.device.discard(self.at(sector), count).map_err(|error| self.translate(error))
    }
}
