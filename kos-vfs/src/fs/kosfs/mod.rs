//! A crash-safe file system: [`KosFs`].
//!
//! What is changed is copied, never written over; one checksummed block is the commit. After a crash the volume is what it was
//! at the last commit or at the one on its way, nothing between, and nothing is replayed. `sync` and `fsync` commit.
//!
//! | module | holds |
//! |---|---|
//! | `layout`, `plan` | what stands on the device, and where |
//! | `block`, `disk`, `superblock` | a block with its checksum; reading and writing; the two roots |
//! | `key`, `node`, `store`, `tree` | one tree of all items, which copies what it changes and does no input or output |
//! | `space` | which blocks are free, now and for the next commit |
//! | `edits`, `volume` | what one operation changes, all of it or nothing; locks and commits |
//! | `inode`, `name_item`, `extent`, `xattr` | the kinds of items |
//! | `fsck` | checking and mending |
//! | `names`, `data`, `orphan`, `ports` | directories, bytes, files without a name, and what the VFS calls |
//!
//! **Price.** A commit writes the path from each change to the root: `fsync` after each small write writes several blocks.
//! One change is made at a time; readers go on beside it, and beside a commit.
//!
//! Source: Rodeh, Bacik and Mason, "BTRFS: The Linux B-tree filesystem", 2013, for the idea; the format is its own.

mod block;
mod data;
mod disk;
mod edits;
mod extent;
mod fsck;
mod inode;
mod key;
mod layout;
mod name_item;
mod names;
mod node;
mod orphan;
mod plan;
mod ports;
#[cfg(feature = "testing")]
mod reseal;
mod space;
mod store;
mod superblock;
#[cfg(test)]
mod tests;
mod tree;
mod volume;
mod xattr;

use core::fmt;
use core::sync::atomic::AtomicBool;

use hashbrown::HashMap;
use lock_api::{RawRwLock, RwLock};

use self::block::Block;
use self::disk::Disk;
use self::edits::Edits;
use self::inode::{Inode, ROOT};
use self::layout::Pointer;
use self::plan::Plan;
use self::superblock::Superblock;
use self::volume::{Budget, Volume};
use crate::attr::{DeviceNumber, FileType, Mode, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::NewNode;

pub use fsck::{Counted, FsckOptions, FsckReport, Problem, fsck};
#[cfg(feature = "testing")]
pub(crate) use reseal::{blocks_of_tree, reseal};
pub use superblock::MountError;

/// Bytes of a block.
pub const BLOCK_SIZE: usize = layout::BLOCK;

/// The most bytes of a file.
pub const SIZE_MAX: u64 = i64::MAX.cast_unsigned();

/// What a new volume is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MkfsOptions {
    /// What tells the volume from all others.
    pub uuid: [u8; 16],
    /// Text, filled with NUL.
    pub label: [u8; 64],
    /// The time of its root directory.
    pub now: Timestamp,
    /// Owner of its root directory.
    pub uid: u32,
    /// Group of its root directory.
    pub gid: u32,
    /// The key of the names' hash; a random one keeps others from choosing names with one hash.
    pub hash_key: [u8; 16],
}

/// How a volume is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Takes no changes, and leaves the device as it is.
    pub read_only: bool,
    /// Nodes of 4 KiB that stay in memory while nothing is done.
    pub nodes: usize,
    /// Bitmaps that stay in memory while nothing is done: 8 KiB for each 128 MiB of the volume in use.
    pub bitmaps: usize,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self { read_only: false, nodes: 256, bitmaps: 64 }
    }
}

/// What mkfs keeps in memory.
const MKFS: Budget = Budget { nodes: 8, bitmaps: 8 };

/// A mounted volume on `D`. `R` is its lock: one that sleeps, where there are several threads.
pub struct KosFs<D, R: RawRwLock> {
    volume: Volume<D, R>,
    hash_key: [u8; 16],
    uses: RwLock<R, Uses>,
    read_only: bool,
    /// Whether some file may have blocks behind its end.
    left_behind: AtomicBool,
}

/// Files in use.
#[derive(Debug, Default)]
struct Uses {
    /// With the number of their uses.
    files: HashMap<u64, u32, store::IdHash>,
    /// Uses to come, for which there is room in `files`: of files that are being made.
    coming: usize,
}

impl Uses {
    /// Room for one more use, beside those to come.
    fn reserve(&mut self) -> Result<(), FsError> {
        self.files.try_reserve(self.coming + 1).map_err(|_| FsError::NoMemory)
    }
}

impl<D, R: RawRwLock> fmt::Debug for KosFs<D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KosFs").field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

/// Makes a new volume on all of `device`: what was there is lost. The same arguments give the same bytes.
///
/// # Errors
/// [`FsError::NoSpace`] for a device below 4 MiB, or what the device says.
pub fn mkfs<D: BlockDevice, R: RawRwLock>(device: D, options: &MkfsOptions) -> Result<(), FsError> {
    let blocks = Disk::new(&device).blocks().min(plan::BLOCKS_MAX);
    let superblock = Superblock {
        volume: options.uuid,
        generation: 0,
        plan: Plan::new(blocks).ok_or(FsError::NoSpace)?,
        root: Pointer::default(),
        level: 0,
        next_file: ROOT,
        files: 0,
        free: 0,
        tables: 0,
        created: options.now.seconds.cast_unsigned(),
        hash_key: options.hash_key,
        label: options.label,
        read_only: false,
    };
    let volume = Volume::<_, R>::make(device, superblock, MKFS)?;
    let new = NewNode {
        kind: FileType::Directory,
        mode: Mode::of(0o755),
        uid: options.uid,
        gid: options.gid,
        device: DeviceNumber::default(),
        target: &[],
        now: options.now,
    };
    let root = Inode::new(ROOT, ROOT, &new);
    volume.change(|_, edits: &mut Edits| {
        (edits.files, edits.takes_number) = (1, true);
        Ok(edits.put(Inode::key(ROOT), root.encode().as_ref())?)
    })?;
    // Twice: both superblocks are good.
    volume.commit_all(true)?;
    volume.commit_all(true)
}

impl<D: BlockDevice, R: RawRwLock> KosFs<D, R> {
    /// Mounts `device`. Files that a crash left without a name are removed.
    ///
    /// # Errors
    /// Why the volume cannot be used.
    pub fn mount(device: D, options: MountOptions) -> Result<Self, MountError> {
        let budget = Budget { nodes: options.nodes, bitmaps: options.bitmaps };
        let volume = Volume::open(device, options.read_only, budget)?;
        let superblock = volume.superblock();
        let kosfs = Self {
            hash_key: superblock.hash_key,
            read_only: volume.is_read_only(),
            left_behind: AtomicBool::new(false),
            volume,
            uses: RwLock::new(Uses::default()),
        };
        if !kosfs.read_only {
            kosfs.reclaim_all()?;
        }
        Ok(kosfs)
    }

    /// Walks every invariant of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub fn check(&self) -> Result<(), FsError> {
        self.volume.check()
    }

    /// Takes one more use of a file.
    fn take_use(&self, file: u64) -> Result<(), FsError> {
        let mut uses = self.uses.write();
        uses.reserve()?;
        let count = uses.files.entry(file).or_insert(0);
        *count = count.checked_add(1).ok_or(FsError::NoMemory)?;
        Ok(())
    }

    /// Makes a file with one use: room for that comes first, so that a file that is made is not without.
    fn make_used(&self, make: impl FnOnce() -> Result<Inode, FsError>) -> Result<Inode, FsError> {
        {
            let mut uses = self.uses.write();
            uses.reserve()?;
            uses.coming += 1;
        }
        let made = make();
        let mut uses = self.uses.write();
        uses.coming -= 1;
        if let Ok(inode) = &made {
            uses.files.insert(inode.attr.ino.number, 1);
        }
        made
    }

    /// Gives uses back. Whether none are left.
    fn drop_uses(&self, file: u64, count: u32) -> bool {
        let mut uses = self.uses.write();
        let Some(left) = uses.files.get_mut(&file) else { return true };
        *left = left.saturating_sub(count);
        let none = *left == 0;
        if none {
            uses.files.remove(&file);
        }
        none
    }

    fn is_used(&self, file: u64) -> bool {
        self.uses.read().files.contains_key(&file)
    }
}

/// A buffer of `blocks` blocks.
fn buffer(blocks: usize) -> Result<alloc::vec::Vec<u8>, FsError> {
    let mut bytes = alloc::vec::Vec::new();
    bytes.try_reserve_exact(blocks * BLOCK_SIZE)?;
    bytes.resize(blocks * BLOCK_SIZE, 0);
    Ok(bytes)
}

const _: () = assert!(size_of::<Block>() < 64, "blocks are in the heap");
