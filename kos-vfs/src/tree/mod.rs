//! What is known of names, files and mounts: one [`Tree`] under one lock, held for memory work alone.
//!
//! Key types: [`Loc`] (a dentry seen through a mount), [`Tree`]. Neighbours: `dentry` (the name cache) and `names` (what happens to
//! names), `inode` (files in use), `mount` and `namespace`, `reclaim` (what goes); `lock` holds the order in which directories are
//! locked; `place` is the handle that others keep.
//!
//! Invariants: besides those of the parts, each dentry that is not negative holds a reference on its inode; each file system has
//! at least one mount.

pub(crate) mod dentry;
pub(crate) mod inode;
pub(crate) mod lock;
pub(crate) mod mount;
mod names;
mod namespace;
pub(crate) mod place;
mod reclaim;
pub(crate) mod slots;
mod spelling;

use alloc::sync::Arc;

use dentry::{Dentries, Dentry};
use inode::{Going, Inode, Inodes};
use mount::{Mount, Super};
use namespace::Namespace;
use slots::{NONE, Slots};

use crate::attr::{Attr, FileType, Ino};
use crate::config::Config;
use crate::error::NoMemory;
use crate::fs::{FileSystem, FsFeatures};

/// A dentry seen through a mount. Says nothing about pins: who keeps one has pinned both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loc {
    pub(crate) mount: u32,
    pub(crate) dentry: u32,
}

/// A file, for calling its driver. Good as long as its dentry is pinned.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) fs_id: u32,
    pub(crate) inode: u32,
    pub(crate) ino: Ino,
    /// Whether its bytes pass the page cache.
    pub(crate) cached: bool,
}

/// A call of a driver that waits until the tree's lock is dropped.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Uses to give back.
    Forget(Arc<dyn FileSystem>, Going),
    /// A file to be written, with one reference, of a file system that nothing shows any more.
    Flush(Node),
    /// A file system that nothing shows any more: to be synced, then dropped.
    Close(Arc<dyn FileSystem>),
}

/// Everything under the tree's lock.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) dentries: Dentries,
    pub(crate) inodes: Inodes,
    pub(crate) mounts: Slots<Mount>,
    pub(crate) supers: Slots<Super>,
    pub(crate) namespaces: Slots<Namespace>,
    name_bytes: usize,
    caching: bool,
    next_device: u64,
    /// A use for which there was no slot.
    refused: Option<Going>,
    /// Whether some file system may have lost its last mount.
    unmounted: bool,
    /// Counts renames of directories and changes of mounts: who climbs with `..` below a root of his own looks at it.
    pub(crate) moves: u64,
    /// Names answered without the driver, and with it.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) evictions: u64,
}

/// Inodes beyond the dentries: those on the way in and those on the way out.
const SPARE_INODES: u32 = 64;

impl Tree {
    pub(crate) fn new(config: &Config) -> Result<Self, NoMemory> {
        Ok(Self {
            dentries: Dentries::new(config.dentries, config.hash_key)?,
            inodes: Inodes::new(config.dentries + SPARE_INODES + config.dirty_files(), config.hash_key)?,
            mounts: Slots::new(config.mounts)?,
            supers: Slots::new(config.mounts)?,
            namespaces: Slots::new(config.mounts)?,
            name_bytes: config.name_bytes,
            caching: config.cache_bytes > 0,
            next_device: 1,
            refused: None,
            unmounted: false,
            moves: 0,
            hits: 0,
            misses: 0,
            evictions: 0,
        })
    }

    // Files.

    #[inline]
    pub(crate) fn dentry(&self, index: u32) -> &Dentry {
        self.dentries.get(index)
    }

    /// The inode of a dentry; `None` of a negative one.
    #[inline]
    pub(crate) fn inode_of(&self, dentry: u32) -> Option<&Inode> {
        let inode = self.dentry(dentry).inode;
        (inode != NONE).then(|| self.inodes.get(inode))
    }

    /// What is known about the file at `dentry`, which is there.
    #[inline]
    pub(crate) fn attr_of(&self, dentry: u32) -> &Attr {
        &self.inodes.get(self.dentry(dentry).inode).attr
    }

    pub(crate) fn node(&self, dentry: u32) -> Node {
        let dentry = self.dentry(dentry);
        self.node_of(dentry.inode)
    }

    fn node_of(&self, index: u32) -> Node {
        let inode = self.inodes.get(index);
        let mounted = self.supers.at(inode.fs);
        let resident = mounted.info.features.contains(FsFeatures::RESIDENT);
        let cached = self.caching && inode.attr.kind == FileType::Regular && !resident;
        let fs = Arc::clone(&mounted.fs);
        Node { fs, fs_id: inode.fs, inode: index, ino: inode.attr.ino, cached }
    }

    /// A file that the page cache has changes of, with one more reference.
    pub(crate) fn hold_dirty(&mut self, index: u32) -> Option<Node> {
        self.inodes.find_dirty(index)?;
        self.inodes.hold(index);
        Some(self.node_of(index))
    }

    /// Gives that reference back.
    pub(crate) fn release_dirty(&mut self, index: u32) {
        let fs = self.inodes.get(index).fs;
        self.inodes.release(index);
        self.forget_super(fs);
    }

    /// The slot of a file that is gone can be used again.
    pub(crate) fn free_inode(&mut self, going: &Going) {
        self.inodes.free(going.slot);
        self.forget_super(going.fs);
    }

    /// A file without a mount that only its changes keep in memory, with one more reference.
    fn next_unmounted_dirty(&mut self) -> Option<Node> {
        let left = |inode: &Inode| inode.dirty && inode.refs == 1 && self.supers.at(inode.fs).mounts == 0;
        let (index, _) = self.inodes.iter().find(|(_, inode)| left(inode))?;
        self.hold_dirty(index)
    }

    /// The inode of a file of which the driver has just counted one more use, with one more reference.
    ///
    /// # Errors
    /// All slots are taken: the use is on its way back.
    pub(crate) fn enter(&mut self, fs: u32, attr: Attr) -> Result<u32, NoMemory> {
        self.inodes.enter(fs, attr).ok_or_else(|| {
            self.refused = Some(Going { slot: NONE, fs, ino: attr.ino, uses: 1 });
            NoMemory
        })
    }

    // Self-test.

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        self.dentries.check()?;
        for (index, inode) in self.inodes.iter() {
            let held = self.dentries.iter().filter(|(_, dentry)| dentry.inode == index).count();
            if held as u64 > u64::from(inode.refs) {
                return Err("an inode has fewer references than dentries");
            }
        }
        for (_, dentry) in self.dentries.iter() {
            if dentry.inode != NONE && self.inodes.get(dentry.inode).fs != dentry.fs {
                return Err("a dentry of one file system has a file of another");
            }
        }
        for (index, mount) in self.mounts.iter() {
            let children = self.mounts.iter().filter(|(_, other)| other.parent == index).count();
            if children as u64 != u64::from(mount.children) || self.dentry(mount.root).pins == 0 {
                return Err("a mount is miscounted or its root is not pinned");
            }
        }
        for (index, namespace) in self.namespaces.iter() {
            let root = self.mounts.at(namespace.root);
            if root.parent != NONE || root.namespace != index {
                return Err("the root of a namespace is not its root");
            }
        }
        Ok(())
    }
}
