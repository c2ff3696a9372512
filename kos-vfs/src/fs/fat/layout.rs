//! Where things are on a FAT volume: [`Layout`], read from the first sector, which is not trusted.
//!
//! Sectors here are the volume's, counted from its start. The kind follows from the number of clusters, except that a volume
//! whose 16-bit size of the table is zero is FAT32 whatever its size: that is how it is laid out, and what other drivers do.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format" 1.03; ECMA-107.

use core::error::Error;
use core::fmt;

use super::bytes::{u8_at, u16_at, u32_at};
use crate::block::{BlockDevice, Geometry};
use crate::error::{DeviceError, FsError};

/// How wide an entry of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FatKind {
    /// 12 bits: fewer than 4085 clusters.
    Fat12,
    /// 16 bits: fewer than 65525 clusters.
    Fat16,
    /// 28 bits in 32.
    Fat32,
}

impl FatKind {
    /// The kind of a volume with so many clusters.
    pub const fn of_clusters(clusters: u32) -> Self {
        match clusters {
            0..4085 => Self::Fat12,
            4085..65525 => Self::Fat16,
            _ => Self::Fat32,
        }
    }

    /// Bits of an entry.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// The most clusters.
    pub const fn max_clusters(self) -> u32 {
        match self {
            Self::Fat12 => 4084,
            Self::Fat16 => 65524,
            Self::Fat32 => 0x0fff_fff4,
        }
    }
}

/// Why a device cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountError {
    /// Not a FAT volume.
    NotFat {
        /// Which field of its first sector says so.
        field: &'static str,
        /// What was found there.
        found: u32,
    },
    /// Sectors smaller than the device's.
    SectorSize {
        /// Bytes of the volume's.
        volume: usize,
        /// Bytes of the device's.
        device: usize,
    },
    /// The volume is larger than the device.
    Truncated {
        /// Sectors of the volume.
        volume: u64,
        /// Of these, how many the device has.
        device: u64,
    },
    /// The device failed.
    Device(DeviceError),
    /// The kernel has no memory.
    NoMemory,
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFat { field, found } => write!(f, "not a FAT volume: {field} is {found:#x}"),
            Self::SectorSize { volume, device } => {
                write!(f, "sectors of {volume} bytes on a device with {device}")
            }
            Self::Truncated { volume, device } => {
                write!(f, "a volume of {volume} sectors on a device of {device}")
            }
            Self::Device(error) => write!(f, "{error}"),
            Self::NoMemory => f.write_str("the kernel has no memory"),
        }
    }
}

impl Error for MountError {}

impl From<DeviceError> for MountError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<FsError> for MountError {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Device(error) => Self::Device(error),
            _ => Self::NoMemory,
        }
    }
}

impl From<alloc::collections::TryReserveError> for MountError {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self::NoMemory
    }
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// In sectors of its own.
    Fixed {
        /// The first of them.
        first: u64,
        /// How many names with up to 13 letters it holds.
        slots: u32,
    },
    /// In a chain that begins with this cluster.
    Chain(u32),
}

/// Where things are. All sums of its fields are below 2^44 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: FatKind,
    /// The logarithm of a sector's bytes: 9 to 12.
    pub(super) sector_shift: u32,
    /// The logarithm of a cluster's bytes: `sector_shift` to 19.
    pub(super) cluster_shift: u32,
    /// The first sector of the first table.
    pub(super) table: u64,
    /// How many tables: 1 to 255.
    pub(super) tables: u32,
    /// Sectors of a table.
    pub(super) table_sectors: u64,
    /// The table that is read; where not all are kept alike, also the only one that is written.
    pub(super) active: u32,
    /// Whether all tables are kept alike.
    pub(super) mirrored: bool,
    pub(super) root: Root,
    /// The sector of cluster 2.
    pub(super) data: u64,
    /// How many clusters there are. The highest number is one more.
    pub(super) clusters: u32,
    /// The sector of free counts.
    pub(super) info: Option<u64>,
    /// The second boot sector.
    pub(super) backup: Option<u64>,
    /// The byte of the first sector whose lowest bit says that the volume is in use.
    pub(super) dirty_at: usize,
    /// Sectors of the volume.
    pub(super) sectors: u64,
}

impl Layout {
    /// Reads the first sector of `device`.
    pub(super) fn read(device: &dyn BlockDevice, buffer: &mut [u8]) -> Result<Self, MountError> {
        let geometry = device.geometry();
        let size = geometry.sector_size();
        let sector = buffer.get_mut(..size).ok_or(MountError::NoMemory)?;
        device.read(0, sector)?;
        Self::parse(sector, geometry)
    }

    /// Checks the first sector of a device.
    pub(super) fn parse(boot: &[u8], geometry: Geometry) -> Result<Self, MountError> {
        let raw = Raw::parse(boot)?;
        let layout = raw.layout()?;
        if layout.sector_size() < geometry.sector_size() {
            return Err(MountError::SectorSize {
                volume: layout.sector_size(),
                device: geometry.sector_size(),
            });
        }
        let device = geometry.bytes() >> layout.sector_shift;
        if layout.sectors > device {
            return Err(MountError::Truncated { volume: layout.sectors, device });
        }
        Ok(layout)
    }

    pub(super) const fn sector_size(&self) -> usize {
        1 << self.sector_shift
    }

    pub(super) const fn cluster_bytes(&self) -> u32 {
        1 << self.cluster_shift
    }

    /// Sectors of a cluster.
    pub(super) const fn cluster_sectors(&self) -> u64 {
        1 << (self.cluster_shift - self.sector_shift)
    }

    /// Whether `cluster` is one.
    pub(super) const fn is_cluster(&self, cluster: u32) -> bool {
        cluster >= 2 && cluster - 2 < self.clusters
    }

    /// The first sector of a cluster.
    pub(super) const fn sector_of(&self, cluster: u32) -> u64 {
        self.data + (cluster.saturating_sub(2) as u64) * self.cluster_sectors()
    }

    /// How many clusters `size` bytes take.
    pub(super) const fn clusters_of(&self, size: u32) -> u32 {
        size.div_ceil(self.cluster_bytes())
    }

    /// Directory entries of a cluster.
    pub(super) const fn slots_per_cluster(&self) -> u32 {
        self.cluster_bytes() / 32
    }
}

/// The fields of the first sector, each as it stands there.
struct Raw {
    sector_size: u32,
    per_cluster: u32,
    reserved: u32,
    tables: u32,
    root_slots: u32,
    sectors: u32,
    table_sectors: u32,
    wide: bool,
    flags: u32,
    root: u32,
    info: u32,
    backup: u32,
}

/// An error about one field.
const fn bad<T>(field: &'static str, found: u32) -> Result<T, MountError> {
    Err(MountError::NotFat { field, found })
}

impl Raw {
    fn parse(boot: &[u8]) -> Result<Self, MountError> {
        let narrow = u32::from(u16_at(boot, 22));
        let (few, many) = (u32::from(u16_at(boot, 19)), u32_at(boot, 32));
        let wide = narrow == 0;
        let raw = Self {
            sector_size: u16_at(boot, 11).into(),
            per_cluster: u8_at(boot, 13).into(),
            reserved: u16_at(boot, 14).into(),
            tables: u8_at(boot, 16).into(),
            root_slots: u16_at(boot, 17).into(),
            sectors: if few == 0 { many } else { few },
            table_sectors: if wide { u32_at(boot, 36) } else { narrow },
            wide,
            flags: if wide { u16_at(boot, 40).into() } else { 0 },
            root: u32_at(boot, 44),
            info: u16_at(boot, 48).into(),
            backup: u16_at(boot, 50).into(),
        };
        match u16_at(boot, 510) {
            0xaa55 => raw.check(),
            found => bad("its signature", found.into()),
        }
    }

    /// Checks each field by itself.
    fn check(self) -> Result<Self, MountError> {
        if !self.sector_size.is_power_of_two() || !(512..=4096).contains(&self.sector_size) {
            return bad("its sector size", self.sector_size);
        }
        if !self.per_cluster.is_power_of_two() {
            return bad("its sectors in a cluster", self.per_cluster);
        }
        match 0 {
            _ if self.reserved == 0 => bad("its reserved sectors", 0),
            _ if self.tables == 0 => bad("its number of tables", 0),
            _ if self.table_sectors == 0 => bad("its table's size", 0),
            _ if !self.wide && self.root_slots == 0 => bad("its root's size", 0),
            _ if self.wide && self.flags & 0x80 != 0 && self.flags & 0xf >= self.tables => {
                bad("its active table", self.flags)
            }
            _ => Ok(self),
        }
    }

    /// Puts the parts one behind the other.
    fn layout(&self) -> Result<Layout, MountError> {
        let sector_shift = self.sector_size.trailing_zeros();
        let tables_end = u64::from(self.reserved) + u64::from(self.tables) * u64::from(self.table_sectors);
        let slots = if self.wide { 0 } else { self.root_slots };
        let data = tables_end + (u64::from(slots) * 32).div_ceil(u64::from(self.sector_size));
        let rest = u64::from(self.sectors).saturating_sub(data) >> self.per_cluster.trailing_zeros();
        let clusters = u32::try_from(rest).unwrap_or(0);
        let kind = if self.wide { FatKind::Fat32 } else { FatKind::of_clusters(clusters) };
        if clusters == 0 || clusters > kind.max_clusters() {
            return bad("its number of sectors", self.sectors);
        }
        let entries = (u64::from(self.table_sectors) << (sector_shift + 3)) / u64::from(kind.bits());
        if entries < u64::from(clusters) + 2 {
            return bad("its table's size", self.table_sectors);
        }
        let single = self.flags & 0x80 != 0;
        let layout = Layout {
            kind,
            sector_shift,
            cluster_shift: sector_shift + self.per_cluster.trailing_zeros(),
            table: self.reserved.into(),
            tables: self.tables,
            table_sectors: self.table_sectors.into(),
            active: if single { self.flags & 0xf } else { 0 },
            mirrored: !single,
            root: if self.wide { Root::Chain(self.root) } else { Root::Fixed { first: tables_end, slots } },
            data,
            clusters,
            info: self.reserved_sector(self.info),
            backup: self.reserved_sector(self.backup),
            dirty_at: if self.wide { 65 } else { 37 },
            sectors: self.sectors.into(),
        };
        if self.wide && !layout.is_cluster(self.root) {
            return bad("its root's cluster", self.root);
        }
        Ok(layout)
    }

    /// A sector that must lie before the tables and behind the first.
    fn reserved_sector(&self, sector: u32) -> Option<u64> {
        (self.wide && sector != 0 && sector < self.reserved).then_some(u64::from(sector))
    }
}
