//! Making a volume: [`mkfs`]. The same options and device give the same bytes.
//!
//! The first sector is erased before and written after everything else, so that a half-made volume is none.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::bytes::put;
use super::file::ZEROES;
use super::layout::FatKind;
use crate::block::{BlockDevice, WriteMode};
use crate::error::DeviceError;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MkfsOptions {
    /// Which of the three.
    pub kind: FatKind,
    /// Bytes of a cluster; `None` for what suits the size.
    pub cluster_bytes: Option<u32>,
    /// Copies of the table: 1 to 4.
    pub tables: u32,
    /// Names of up to 13 letters that the root of FAT12 and FAT16 holds.
    pub root_slots: u32,
    /// The volume's number.
    pub volume_id: u32,
    /// The volume's name in code page 437, padded with spaces.
    pub label: Option<[u8; 11]>,
}

impl MkfsOptions {
    /// The usual volume of a kind.
    pub const fn new(kind: FatKind) -> Self {
        Self { kind, cluster_bytes: None, tables: 2, root_slots: 512, volume_id: 0, label: None }
    }
}

/// Why a volume was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MkfsError {
    /// An option that no volume has.
    BadOption {
        /// Which.
        option: &'static str,
        /// Its value.
        value: u32,
    },
    /// The device has too few or too many sectors for the kind and its clusters.
    BadSize {
        /// How many clusters there would be.
        clusters: u64,
        /// The kind.
        kind: FatKind,
    },
    /// The device failed.
    Device(DeviceError),
    /// The kernel has no memory.
    NoMemory,
}

impl fmt::Display for MkfsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadOption { option, value } => write!(f, "{option} of {value}"),
            Self::BadSize { clusters, kind } => write!(f, "{kind:?} cannot have {clusters} clusters"),
            Self::Device(error) => write!(f, "{error}"),
            Self::NoMemory => f.write_str("the kernel has no memory"),
        }
    }
}

impl Error for MkfsError {}

impl From<DeviceError> for MkfsError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// Makes an empty volume over the whole device, or its first 2^32 - 1 sectors. What was there is lost.
///
/// # Errors
/// An option or a size that no volume has, no memory (nothing is written then), or what the device says.
pub fn mkfs(device: &dyn BlockDevice, options: &MkfsOptions) -> Result<(), MkfsError> {
    let plan = Plan::new(device, options)?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(plan.sector_size()).map_err(|_| MkfsError::NoMemory)?;
    buffer.resize(plan.sector_size(), 0);
    plan.erase(device)?;
    device.flush()?;
    plan.write_tables(device, &mut buffer)?;
    plan.write_root(device, &mut buffer)?;
    plan.write_info(device, &mut buffer)?;
    device.flush()?;
    plan.write_boot(device, &mut buffer)?;
    Ok(device.flush()?)
}

/// Where everything goes.
struct Plan {
    options: MkfsOptions,
    sector_shift: u32,
    cluster_shift: u32,
    sectors: u32,
    reserved: u32,
    root_sectors: u32,
    table_sectors: u32,
    clusters: u32,
}

impl Plan {
    fn new(device: &dyn BlockDevice, options: &MkfsOptions) -> Result<Self, MkfsError> {
        let geometry = device.geometry();
        let size = 1_u32 << geometry.sector_shift();
        let bad = |option, value| Err(MkfsError::BadOption { option, value });
        if !(1..=4).contains(&options.tables) {
            return bad("copies of the table", options.tables);
        }
        if !(16..=65_535).contains(&options.root_slots) {
            return bad("names in the root", options.root_slots);
        }
        if let Some(bytes) = options.cluster_bytes
            && !(bytes.is_power_of_two() && bytes >= size && bytes / size <= 128)
        {
            return bad("bytes of a cluster", bytes);
        }
        let sectors = u32::try_from(geometry.sectors()).unwrap_or(u32::MAX);
        let chosen = options.cluster_bytes.map(u32::trailing_zeros);
        let least = chosen.unwrap_or_else(|| usual_cluster(options.kind, geometry.bytes(), size));
        let most = chosen.unwrap_or(geometry.sector_shift() + 7);
        let mut refused = MkfsError::BadSize { clusters: 0, kind: options.kind };
        for cluster_shift in least..=most {
            match Self::with_clusters(*options, sectors, geometry.sector_shift(), cluster_shift) {
                Ok(plan) => return Ok(plan),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn with_clusters(
        options: MkfsOptions,
        sectors: u32,
        sector_shift: u32,
        cluster_shift: u32,
    ) -> Result<Self, MkfsError> {
        let wide = options.kind == FatKind::Fat32;
        let size = 1_u64 << sector_shift;
        let reserved = if wide { 32 } else { 1 };
        let root = if wide { 0 } else { (u64::from(options.root_slots) * 32).div_ceil(size) };
        let rest = u64::from(sectors).saturating_sub(reserved + root);
        let per_cluster = cluster_shift - sector_shift;
        let table = (((rest >> per_cluster) + 2) * u64::from(options.kind.bits())).div_ceil(8 * size);
        let clusters = rest.saturating_sub(table * u64::from(options.tables)) >> per_cluster;
        let refused = MkfsError::BadSize { clusters, kind: options.kind };
        let count = u32::try_from(clusters).ok().filter(|&count| {
            count > 0 && count <= options.kind.max_clusters() && FatKind::of_clusters(count) == options.kind
        });
        let (Some(clusters), Ok(table_sectors), Ok(root_sectors)) =
            (count, u32::try_from(table), u32::try_from(root))
        else {
            return Err(refused);
        };
        let reserved = if wide { 32 } else { 1 };
        Ok(Self {
            options,
            sector_shift,
            cluster_shift,
            sectors,
            reserved,
            root_sectors,
            table_sectors,
            clusters,
        })
    }

    const fn is_wide(&self) -> bool {
        matches!(self.options.kind, FatKind::Fat32)
    }

    const fn sector_size(&self) -> usize {
        1 << self.sector_shift
    }

    const fn per_cluster(&self) -> u64 {
        1 << (self.cluster_shift - self.sector_shift)
    }

    /// Clusters of the root directory.
    const fn root_clusters(&self) -> u64 {
        self.is_wide() as u64
    }

    /// The first sector behind the tables.
    const fn root(&self) -> u64 {
        self.reserved as u64 + self.options.tables as u64 * self.table_sectors as u64
    }

    /// The sector of cluster 2.
    const fn data(&self) -> u64 {
        self.root() + self.root_sectors as u64
    }

    /// Zeroes up to the first cluster, and in that of the root.
    fn erase(&self, device: &dyn BlockDevice) -> Result<(), MkfsError> {
        let end = self.data() + self.root_clusters() * self.per_cluster();
        let mut sector = 0;
        while sector < end {
            let bytes = (end - sector) << self.sector_shift;
            let bytes = usize::try_from(bytes).ok().and_then(|bytes| ZEROES.get(..bytes)).unwrap_or(ZEROES);
            device.write(sector, bytes, WriteMode::Cached)?;
            sector += (bytes.len() >> self.sector_shift) as u64;
        }
        Ok(())
    }

    /// The entries of clusters 0 and 1, and of the root.
    fn write_tables(&self, device: &dyn BlockDevice, buffer: &mut [u8]) -> Result<(), MkfsError> {
        buffer.fill(0);
        match self.options.kind {
            FatKind::Fat12 => put(buffer, 0, &[0xf8, 0xff, 0xff]),
            FatKind::Fat16 => put(buffer, 0, &[0xf8, 0xff, 0xff, 0xff]),
            FatKind::Fat32 => {
                put(buffer, 0, &[0xf8, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0x0f]);
            }
        }
        for table in 0..u64::from(self.options.tables) {
            let sector = u64::from(self.reserved) + table * u64::from(self.table_sectors);
            device.write(sector, buffer, WriteMode::Cached)?;
        }
        Ok(())
    }

    /// The label, which is the first entry of the root.
    fn write_root(&self, device: &dyn BlockDevice, buffer: &mut [u8]) -> Result<(), MkfsError> {
        let Some(label) = self.options.label else { return Ok(()) };
        buffer.fill(0);
        put(buffer, 0, &label);
        put(buffer, 11, &[0x08]);
        put(buffer, 24, &[0x21, 0]);
        Ok(device.write(self.root(), buffer, WriteMode::Cached)?)
    }

    /// The sector of free counts, and its backup.
    fn write_info(&self, device: &dyn BlockDevice, buffer: &mut [u8]) -> Result<(), MkfsError> {
        if !self.is_wide() {
            return Ok(());
        }
        buffer.fill(0);
        put(buffer, 0, &0x4161_5252_u32.to_le_bytes());
        put(buffer, 484, &0x6141_7272_u32.to_le_bytes());
        put(buffer, 488, &(self.clusters - 1).to_le_bytes());
        put(buffer, 492, &3_u32.to_le_bytes());
        put(buffer, 508, &0xaa55_0000_u32.to_le_bytes());
        device.write(1, buffer, WriteMode::Cached)?;
        Ok(device.write(7, buffer, WriteMode::Cached)?)
    }

    /// The first sector, after its backup.
    fn write_boot(&self, device: &dyn BlockDevice, buffer: &mut [u8]) -> Result<(), MkfsError> {
        buffer.fill(0);
        self.fill_boot(buffer);
        if self.is_wide() {
            device.write(6, buffer, WriteMode::Cached)?;
        }
        Ok(device.write(0, buffer, WriteMode::Cached)?)
    }

    #[expect(clippy::cast_possible_truncation, reason = "each field was checked against its width")]
    fn fill_boot(&self, boot: &mut [u8]) {
        let wide = self.is_wide();
        let few = if wide || self.sectors > 0xffff { 0 } else { self.sectors as u16 };
        put(boot, 0, if wide { b"\xeb\x58\x90" } else { b"\xeb\x3c\x90" });
        put(boot, 3, b"KOS     ");
        put(boot, 11, &(1_u16 << self.sector_shift).to_le_bytes());
        put(boot, 13, &[self.per_cluster() as u8]);
        put(boot, 14, &(self.reserved as u16).to_le_bytes());
        put(boot, 16, &[self.options.tables as u8]);
        put(boot, 17, &(if wide { 0 } else { self.options.root_slots as u16 }).to_le_bytes());
        put(boot, 19, &few.to_le_bytes());
        put(boot, 21, &[0xf8]);
        put(boot, 22, &(if wide { 0 } else { self.table_sectors as u16 }).to_le_bytes());
        put(boot, 24, &[63, 0, 255, 0]);
        put(boot, 32, &(if few == 0 { self.sectors } else { 0 }).to_le_bytes());
        if wide {
            put(boot, 36, &self.table_sectors.to_le_bytes());
            put(boot, 44, &2_u32.to_le_bytes());
            put(boot, 48, &[1, 0, 6, 0]);
        }
        let at = if wide { 64 } else { 36 };
        let name = match self.options.kind {
            FatKind::Fat12 => b"FAT12   ",
            FatKind::Fat16 => b"FAT16   ",
            FatKind::Fat32 => b"FAT32   ",
        };
        put(boot, at, &[0x80, 0, 0x29]);
        put(boot, at + 3, &self.options.volume_id.to_le_bytes());
        put(boot, at + 7, &self.options.label.unwrap_or(*b"NO NAME    "));
        put(boot, at + 18, name);
        put(boot, 510, &[0x55, 0xaa]);
    }
}

/// The cluster that suits a volume of `bytes` bytes, as a logarithm: the least to try.
fn usual_cluster(kind: FatKind, bytes: u64, sector: u32) -> u32 {
    let wanted = match (kind, bytes >> 20) {
        (FatKind::Fat12 | FatKind::Fat16, _) | (FatKind::Fat32, 0..=260) => 512,
        (FatKind::Fat32, 261..=8192) => 4096,
        (FatKind::Fat32, 8193..=16_384) => 8192,
        (FatKind::Fat32, 16_385..=32_768) => 16_384,
        (FatKind::Fat32, _) => 32_768,
    };
    wanted.max(sector).trailing_zeros()
}
