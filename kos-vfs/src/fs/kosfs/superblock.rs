//! The two superblocks: [`Superblock`], read, chosen and written.
//!
//! The newer one that is whole counts. Writing one is the commit: until it is durable the other one, and everything it points
//! to, is as it was.

use twox_hash::XxHash64;

use super::block::{Block, Expected};
use super::layout::{BLOCK, BlockKind, HEADER, Pointer, Super};
use super::plan::Plan;
use super::space::Table;
use crate::error::FsError;

/// What a driver must know to mount the volume; this one knows nothing beside the first version.
pub(super) const KNOWN_INCOMPATIBLE: u64 = 0;
/// What a driver must know to write to it.
pub(super) const KNOWN_READ_ONLY: u64 = 0;

/// The highest number that the next file may have: there are never as many.
const NEXT_FILE_MAX: u64 = 1 << 62;

/// Why a volume was not mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountError {
    /// Neither superblock is one of kosfs.
    NotKosfs {
        /// The first bytes of the place where the magic stands.
        magic: [u8; 4],
    },
    /// A superblock of a version that is not known.
    Version {
        /// Which.
        version: u32,
    },
    /// The volume uses what this driver does not know.
    Features {
        /// The bits that are not known.
        bits: u64,
    },
    /// The device is smaller than the volume.
    Truncated {
        /// Blocks of the volume.
        blocks: u64,
        /// Blocks of the device.
        device: u64,
    },
    /// Anything else that is wrong.
    Fs(FsError),
}

impl core::fmt::Display for MountError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotKosfs { magic } => {
                write!(f, "no kosfs: \"{}\" where kosB should be", magic.escape_ascii())
            }
            Self::Version { version } => write!(f, "kosfs of version {version}, where 1 is known"),
            Self::Features { bits } => write!(f, "kosfs with features {bits:#x} that are not known"),
            Self::Truncated { blocks, device } => {
                write!(f, "a volume of {blocks} blocks on a device of {device}")
            }
            Self::Fs(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for MountError {}

impl From<FsError> for MountError {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

/// What one generation of a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) volume: [u8; 16],
    pub(super) generation: u64,
    pub(super) plan: Plan,
    pub(super) root: Pointer,
    pub(super) level: u8,
    pub(super) next_file: u64,
    pub(super) files: u64,
    pub(super) free: u64,
    /// The digest of the table of groups.
    pub(super) tables: u64,
    pub(super) created: u64,
    pub(super) hash_key: [u8; 16],
    pub(super) label: [u8; 64],
    /// Whether it says that a driver like this one may only read.
    pub(super) read_only: bool,
}

impl Superblock {
    /// Reads one superblock; `None` if it is not whole.
    pub(super) fn parse(block: &Block, address: u64, device: u64) -> Result<Option<Self>, MountError> {
        let volume = block.header().volume;
        let Ok(header) = block.verify(Expected { kind: BlockKind::Super, address, volume: &volume }) else {
            return Ok(None);
        };
        let Some(raw) = block.get::<Super>(HEADER) else { return Ok(None) };
        if raw.version.get() != 1 || raw.block_shift != 12 || raw.checksum_kind != 1 {
            return Err(MountError::Version { version: raw.version.get() });
        }
        let unknown = raw.incompatible.get() & !KNOWN_INCOMPATIBLE;
        if unknown != 0 {
            return Err(MountError::Features { bits: unknown });
        }
        let blocks = raw.blocks.get();
        let plan = Plan::new(blocks)
            .ok_or(FsError::Corrupt { block: address, what: "a volume of impossible size" })?;
        if blocks > device {
            return Err(MountError::Truncated { blocks, device });
        }
        if raw.next_file.get() > NEXT_FILE_MAX {
            return Err(FsError::Corrupt { block: address, what: "more files than there can be" }.into());
        }
        Ok(Some(Self {
            volume,
            generation: header.generation.get(),
            plan,
            root: raw.root,
            level: raw.level,
            next_file: raw.next_file.get(),
            files: raw.files.get(),
            free: raw.free.get(),
            tables: raw.tables.get(),
            created: raw.created.get(),
            hash_key: raw.hash_key,
            label: raw.label,
            read_only: raw.read_only_compatible.get() & !KNOWN_READ_ONLY != 0,
        }))
    }

    /// Writes it into `block`, for the place of its generation. Returns the place.
    pub(super) fn seal(&self, block: &mut Block, kind: BlockKind) -> u64 {
        let address = match kind {
            BlockKind::Parameters => self.plan.last(),
            _ => Plan::superblock(self.generation),
        };
        block.bytes_mut().fill(0);
        let raw = Super {
            version: 1.into(),
            block_shift: BLOCK.trailing_zeros().to_le_bytes()[0],
            checksum_kind: 1,
            level: self.level,
            flags: 0,
            blocks: self.plan.blocks().into(),
            compatible: 0.into(),
            read_only_compatible: 0.into(),
            incompatible: 0.into(),
            root: self.root,
            next_file: self.next_file.into(),
            files: self.files.into(),
            free: self.free.into(),
            tables: self.tables.into(),
            created: self.created.into(),
            hash_key: self.hash_key,
            label: self.label,
        };
        block.put(HEADER, &raw);
        block.seal(Expected { kind, address, volume: &self.volume }, self.generation);
        address
    }
}

/// The digest of the table of groups that a superblock holds.
pub(super) fn digest(tables: &[Table]) -> u64 {
    use core::hash::Hasher as _;
    let mut hasher = XxHash64::with_seed(0);
    for table in tables {
        hasher.write(&table.checksum.to_le_bytes());
    }
    hasher.finish()
}
