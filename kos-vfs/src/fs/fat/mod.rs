//! FAT12, FAT16 and FAT32 with long names: [`Fat`].
//!
//! | module | holds |
//! |---|---|
//! | `layout` | the first sector, and where things are |
//! | `cache` | the sectors of tables and directories used last |
//! | `table`, `alloc`, `chain` | links, free clusters, runs of clusters |
//! | `entry`, `time`, `codepage`, `name`, `lfn`, `alias` | names and what stands beside them |
//! | `dir`, `names`, `file` | reading directories, changing names, moving bytes |
//! | `nodes`, `volume` | the files in use; one call at work |
//! | `mkfs`, `fsck` | making, checking and mending a volume that is not mounted |
//!
//! **Order.** Data are written before the chain that leads to them, the chain before the entry; a file loses its entry before
//! its clusters. Each write of the driver is one request, in this order: a power cut between two of them costs at most the
//! change at hand, and leaves no more than clusters that nobody has, which [`fsck()`] frees. A device that reorders what was not
//! flushed may lose what came after the last [`sync`](crate::fs::FileSystem::sync); it never gives a file bytes of another one that was
//! removed, because a cluster is not used again before a flush.
//!
//! **Locks.** One mutex, which sleeps, for tables, names and growing. Bytes that a file has already are read and overwritten
//! without it.
//!
//! **Trust.** Everything on the device may be wrong: each number is checked where it is used, each loop is bounded by the size
//! of the volume.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format" 1.03; ECMA-107.

mod alias;
mod alloc;
mod bytes;
mod cache;
mod chain;
mod codepage;
mod dir;
mod entry;
mod file;
mod fsck;
mod layout;
mod lfn;
mod mkfs;
mod name;
mod names;
mod nodes;
mod ports;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod volume;

use core::fmt;

use lock_api::{Mutex, RawMutex};

use self::cache::{Cache, Disk};
use self::layout::{Layout, Root};
use self::nodes::Nodes;
use self::volume::{State, Volume};
use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode};
use crate::block::{BlockDevice, DeviceFeatures, SECTOR_MAX};
use crate::error::FsError;

pub use fsck::{FsckError, FsckReport, Problem, ShortName, fsck};
pub use layout::{FatKind, MountError};
pub use mkfs::{MkfsError, MkfsOptions, mkfs};

/// How a volume is mounted. FAT stores no owners and no modes: all files have these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Takes no changes.
    pub read_only: bool,
    /// Owner of all files.
    pub uid: u32,
    /// Group of all files.
    pub gid: u32,
    /// Permissions of a file that may be written; one that may not lacks the bits for writing.
    pub file_mode: Mode,
    /// Permissions of directories.
    pub dir_mode: Mode,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self { read_only: false, uid: 0, gid: 0, file_mode: Mode::of(0o755), dir_mode: Mode::of(0o755) }
    }
}

/// A mounted FAT volume on device `D`; `R` is a mutex that sleeps.
pub struct Fat<D, R: RawMutex> {
    device: D,
    layout: Layout,
    options: MountOptions,
    state: Mutex<R, State>,
}

impl<D: BlockDevice, R: RawMutex> Fat<D, R> {
    /// Mounts a volume. Lend the device (`&D`, `Arc<D>`) to keep it if that fails.
    ///
    /// # Errors
    /// No FAT volume, a damaged or truncated one, no memory, or what the device says.
    pub fn mount(device: D, options: MountOptions) -> Result<Self, MountError> {
        let mut boot = ::alloc::vec::Vec::new();
        boot.try_reserve_exact(SECTOR_MAX)?;
        boot.resize(SECTOR_MAX, 0);
        let layout = Layout::read(&device, &mut boot)?;
        let read_only = options.read_only || device.geometry().features().contains(DeviceFeatures::READ_ONLY);
        let first = match layout.root {
            Root::Chain(first) => first,
            Root::Fixed { .. } => 0,
        };
        let state = State {
            cache: Cache::new(layout.sector_shift)?,
            space: alloc::Space::default(),
            nodes: Nodes::new(first)?,
            marked: false,
            was_marked: false,
        };
        let fat =
            Self { device, layout, options: MountOptions { read_only, ..options }, state: Mutex::new(state) };
        fat.with(|volume| volume.read_hints())?;
        fat.with(|volume| volume.count_root())?;
        Ok(fat)
    }

    /// Which of the three.
    pub const fn kind(&self) -> FatKind {
        self.layout.kind
    }

    /// Whether the volume said when it was mounted that it had not been unmounted: [`fsck()`] should look at it. It then goes on
    /// saying so.
    pub fn was_in_use(&self) -> bool {
        self.state.lock().was_marked
    }

    /// The device, which what was not synced may be missing from.
    pub fn into_device(self) -> D {
        self.device
    }

    /// Looks for free clusters from `cluster` on.
    #[cfg(test)]
    fn start_at(&self, cluster: u32) {
        self.state.lock().space.next = cluster;
    }

    fn disk(&self) -> Disk<'_> {
        Disk::new(&self.device, &self.layout)
    }

    /// One call.
    fn with<T>(&self, body: impl FnOnce(&mut Volume<'_>) -> Result<T, FsError>) -> Result<T, FsError> {
        let state = &mut *self.state.lock();
        body(&mut Volume { disk: self.disk(), layout: &self.layout, options: &self.options, state })
    }
}

impl<D: BlockDevice, R: RawMutex> fmt::Debug for Fat<D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fat")
            .field("layout", &self.layout)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Volume<'_> {
    /// Counts the directories of the root.
    fn count_root(&mut self) -> Result<(), FsError> {
        let start = self.dir_start(nodes::ROOT)?;
        // A damaged root must not keep the rest from being read.
        let subdirs = self.count_dirs(start).map_or(0, |(dirs, _)| dirs);
        self.node(nodes::ROOT)?.subdirs = subdirs;
        Ok(())
    }

    /// What is known about a file in use. No chain is walked.
    fn attr(&mut self, file: Ino) -> Result<Attr, FsError> {
        let (options, layout) = (self.options, self.layout);
        let node = self.node(file)?;
        let entry = &node.entry;
        let directory = entry.is_dir();
        let clusters = if directory { 1 } else { u64::from(layout.clusters_of(entry.size)) };
        let bytes = clusters << layout.cluster_shift;
        let named = u32::from(!node.is_nameless());
        let write = Mode::of(0o222);
        Ok(Attr {
            ino: node.ino,
            kind: if directory { FileType::Directory } else { FileType::Regular },
            mode: match directory {
                true => options.dir_mode,
                false if entry.flags.contains(entry::Flags::READ_ONLY) => options.file_mode - write,
                false => options.file_mode,
            },
            links: if directory { named * (2 + node.subdirs) } else { named },
            uid: options.uid,
            gid: options.gid,
            device: DeviceNumber::default(),
            size: if directory { bytes } else { entry.size.into() },
            blocks: bytes / 512,
            accessed: entry.accessed(),
            modified: entry.modified(),
            changed: entry.modified(),
            born: entry.born(),
        })
    }
}
