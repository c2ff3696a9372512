//! [`Tmpfs`]: a file system in memory. What is in it is gone when it is dropped.
//!
//! Files are kept in shards, each behind its own lock, so that CPUs at different files rarely wait for each other. One
//! shard is locked at a time: the VFS keeps changes of one file apart (see [`fs`](super)), a shard's lock keeps its table
//! together. A failed call undoes what it did.
//!
//! Invariants: a file without uses and without names is gone; `pages` and `inodes` count what there is, the latter with one for
//! each name beyond the first and for each KiB of an extended attribute, so that these are bounded too.

mod check;
mod dir;
mod node;
mod ops;
mod pages;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod xattr;

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::RwLock;

use super::{FileSystem, FsFeatures, FsInfo, StatFs, SyncMode};
use crate::attr::{Attr, DeviceNumber, FileType, Ino, Mode, SetAttr, Timestamp};
use crate::error::FsError;
use crate::name::NAME_MAX;
use crate::ports::Env;
use node::{Body, Node, Shard};
use pages::{PAGE, Space};

/// How large a [`Tmpfs`] may become, and its root directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TmpfsConfig {
    /// Bytes of all files, in pages of 4096. Names and tables come beside them.
    pub bytes: usize,
    /// Files, names beyond the first of each, and extended attributes (one for each KiB begun).
    pub inodes: usize,
    /// Permission bits of the root directory.
    pub mode: Mode,
    /// Owner of the root directory.
    pub uid: u32,
    /// Group of the root directory.
    pub gid: u32,
    /// The time of its making.
    pub now: Timestamp,
    /// Makes the order in which names collide unknown to who chooses names. Take random bits.
    pub hash_key: u64,
}

impl Default for TmpfsConfig {
    /// 16 MiB and 4096 files; a root that is everybody's to write, and sticky.
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            inodes: 4096,
            mode: Mode::ALL_ACCESS | Mode::STICKY,
            uid: 0,
            gid: 0,
            now: Timestamp::EPOCH,
            hash_key: 0,
        }
    }
}

const SHARDS: usize = 16;

/// A file system in memory.
pub struct Tmpfs<E: Env> {
    shards: [RwLock<E::RwLock, Shard>; SHARDS],
    next_shard: AtomicUsize,
    pages: Space,
    inodes: Space,
    hash_key: u64,
}

/// The most names of a file.
const LINKS_MAX: u32 = 65_000;
/// The most bytes of a file.
const SIZE_MAX: u64 = i64::MAX.cast_unsigned();

const ROOT: Ino = Ino { number: 1, generation: 0 };

impl<E: Env> Tmpfs<E> {
    /// An empty file system.
    ///
    /// # Errors
    /// No memory, or room for no file at all.
    pub fn new(config: &TmpfsConfig) -> Result<Self, FsError> {
        let new = Self {
            shards: core::array::from_fn(|_| RwLock::new(Shard::default())),
            next_shard: AtomicUsize::new(0),
            pages: Space::new(config.bytes / PAGE),
            inodes: Space::new(config.inodes),
            hash_key: config.hash_key,
        };
        let mut attr = blank(FileType::Directory, config.now);
        (attr.mode, attr.uid, attr.gid, attr.links) = (config.mode, config.uid, config.gid, 2);
        let root = new.add(attr, Body::Dir(dir::Names::new()))?;
        debug_assert_eq!(root, ROOT, "the first file");
        // The file system itself uses it for ever.
        Ok(new)
    }

    /// The shard of a file, and its place in it.
    #[expect(clippy::indexing_slicing, reason = "a remainder by the number of shards")]
    fn place(&self, ino: Ino) -> (&RwLock<E::RwLock, Shard>, usize) {
        let index = usize::try_from(ino.number.wrapping_sub(1)).unwrap_or(usize::MAX);
        (&self.shards[index % SHARDS], index / SHARDS)
    }

    /// Looks at a file.
    fn with<R>(&self, ino: Ino, look: impl FnOnce(&Node) -> Result<R, FsError>) -> Result<R, FsError> {
        let (shard, slot) = self.place(ino);
        let shard = shard.read();
        let node = shard.nodes.get(slot).filter(|node| node.is(ino));
        node.ok_or(FsError::Stale).and_then(look)
    }

    /// Changes a file.
    fn with_mut<R>(
        &self,
        ino: Ino,
        work: impl FnOnce(&mut Node) -> Result<R, FsError>,
    ) -> Result<R, FsError> {
        let (shard, slot) = self.place(ino);
        let mut shard = shard.write();
        let node = shard.nodes.get_mut(slot).filter(|node| node.is(ino));
        node.ok_or(FsError::Stale).and_then(work)
    }

    /// Makes a file with one use. Its number is chosen here.
    #[expect(clippy::indexing_slicing, reason = "a remainder by the number of shards")]
    fn add(&self, attr: Attr, body: Body) -> Result<Ino, FsError> {
        self.inodes.take(1)?;
        let index = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let added = self.shards[index].write().add(attr, body, |slot| (slot * SHARDS + index) as u64 + 1);
        added.inspect_err(|_| self.inodes.give_back(1))
    }

    /// Changes a file and frees it if that left it without uses and names.
    fn leave<R>(&self, ino: Ino, work: impl FnOnce(&mut Node) -> R) -> Result<R, FsError> {
        let (shard, slot) = self.place(ino);
        let mut shard = shard.write();
        let node = shard.nodes.get_mut(slot).filter(|node| node.is(ino)).ok_or(FsError::Stale)?;
        let result = work(node);
        if node.uses == 0 && node.attr.links == 0 {
            if let Body::File(pages) = &mut node.body {
                pages.clear(&self.pages);
            }
            let attributes = core::mem::take(&mut node.xattrs).cost();
            shard.free(slot);
            drop(shard);
            self.inodes.give_back(1 + attributes);
        }
        Ok(result)
    }
}

/// What is known of a file that has nothing yet.
fn blank(kind: FileType, now: Timestamp) -> Attr {
    Attr {
        ino: ROOT,
        kind,
        mode: Mode::empty(),
        links: 0,
        uid: 0,
        gid: 0,
        device: DeviceNumber::default(),
        size: 0,
        blocks: 0,
        accessed: now,
        modified: now,
        changed: now,
        born: now,
    }
}

impl<E: Env> FileSystem for Tmpfs<E> {
    fn info(&self) -> FsInfo {
        FsInfo {
            kind: "tmpfs",
            block_size: 4096,
            max_size: SIZE_MAX,
            max_links: LINKS_MAX,
            max_name: NAME_MAX,
            time_step: 1,
            access_step: 1,
            features: FsFeatures::OWNERS
                | FsFeatures::SYMLINKS
                | FsFeatures::SPECIAL
                | FsFeatures::EXCHANGE
                | FsFeatures::SPARSE
                | FsFeatures::NAMELESS
                | FsFeatures::RESIDENT,
        }
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn load(&self, file: Ino) -> Result<Attr, FsError> {
        self.with_mut(file, |node| {
            node.uses = node.uses.saturating_add(1);
            Ok(node.attr)
        })
    }

    fn attr(&self, file: Ino) -> Result<Attr, FsError> {
        self.with(file, |node| Ok(node.attr))
    }

    fn set_attr(&self, file: Ino, set: &SetAttr) -> Result<Attr, FsError> {
        self.with_mut(file, |node| {
            let attr = &mut node.attr;
            attr.mode = set.mode.unwrap_or(attr.mode);
            attr.uid = set.uid.unwrap_or(attr.uid);
            attr.gid = set.gid.unwrap_or(attr.gid);
            attr.accessed = set.accessed.unwrap_or(attr.accessed);
            attr.modified = set.modified.unwrap_or(attr.modified);
            attr.changed = set.changed.unwrap_or(attr.changed);
            Ok(*attr)
        })
    }

    fn forget(&self, file: Ino, uses: u32) {
        // Who forgets what is not there has nothing to be told.
        let _ = self.leave(file, |node| node.uses = node.uses.saturating_sub(uses));
    }

    fn dirs(&self) -> &dyn super::DirOps {
        self
    }

    fn files(&self) -> &dyn super::FileOps {
        self
    }

    fn xattrs(&self) -> Option<&dyn super::XattrOps> {
        Some(self)
    }

    fn statfs(&self) -> Result<StatFs, FsError> {
        let free = |space: &Space| (space.limit - space.used().min(space.limit)) as u64;
        Ok(StatFs {
            blocks: self.pages.limit as u64,
            free: free(&self.pages),
            available: free(&self.pages),
            files: self.inodes.limit as u64,
            files_free: free(&self.inodes),
        })
    }

    fn sync(&self, _: SyncMode) -> Result<(), FsError> {
        Ok(())
    }
}

impl<E: Env> fmt::Debug for Tmpfs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pages, inodes) = (self.pages.used(), self.inodes.used());
        f.debug_struct("Tmpfs").field("pages", &pages).field("inodes", &inodes).finish_non_exhaustive()
    }
}
