//! What is known of names, files and mounts: one [`Tree`] under one lock, held for memory work alone.
//!
//! Key types: [`Loc`] (a dentry seen through a mount), [`Tree`]. Neighbours: `dentry` (the name cache), `inode` (files in use),
//! `mount`; `rename` holds the order in which directories are locked; `place` is the handle that others keep.
//!
//! Invariants: besides those of the parts, each dentry that is not negative holds a reference on its inode; each file system has
//! at least one mount.

pub(crate) mod dentry;
pub(crate) mod inode;
pub(crate) mod lock;
pub(crate) mod mount;
pub(crate) mod place;
pub(crate) mod slots;
mod spelling;

use alloc::sync::Arc;

use dentry::{Dentries, Dentry};
use inode::{Going, Inode, Inodes};
use mount::{Mount, Super};
use slots::{NONE, Slots};

use crate::attr::{Attr, FileType, Ino};
use crate::config::Config;
use crate::error::NoMemory;
use crate::fs::{FileSystem, FsFeatures};
use crate::name::NameBuf;

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

    pub(crate) fn dentry(&self, index: u32) -> &Dentry {
        self.dentries.get(index)
    }

    /// The inode of a dentry; `None` of a negative one.
    pub(crate) fn inode_of(&self, dentry: u32) -> Option<&Inode> {
        let inode = self.dentry(dentry).inode;
        (inode != NONE).then(|| self.inodes.get(inode))
    }

    /// What is known about the file at `dentry`, which is there.
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

    // Dentries with their inodes.

    /// A new dentry of `name` with one pin, published if `hashed`. It takes over the reference on `inode` (or [`NONE`]), whether
    /// this succeeds or not. `None` if nothing can go for it, or no memory for a long name.
    pub(crate) fn add(&mut self, parent: u32, name: &[u8], fs: u32, inode: u32, hashed: bool) -> Option<u32> {
        let index = self.try_add(parent, name, fs, inode);
        match index {
            Some(index) if hashed => self.publish(index),
            None if inode != NONE => self.inodes.release(inode),
            _ => {}
        }
        index
    }

    fn try_add(&mut self, parent: u32, name: &[u8], fs: u32, inode: u32) -> Option<u32> {
        let name = NameBuf::new(name).ok()?;
        // The parent is pinned by whoever looks into it, so it does not go for its own child.
        if !self.make_room(name.heap()) {
            return None;
        }
        self.dentries.insert(parent, name, fs, inode)
    }

    /// Makes a slot free, and room for `heap` bytes of a long name.
    fn make_room(&mut self, heap: usize) -> bool {
        while self.dentries.is_full() {
            if !self.evict() {
                return false;
            }
        }
        self.make_room_for(heap)
    }

    /// Makes room for `heap` bytes of a long name.
    fn make_room_for(&mut self, heap: usize) -> bool {
        while heap > 0 && self.dentries.heap() + heap > self.name_bytes {
            if !self.evict() {
                return false;
            }
        }
        true
    }

    /// Lets the oldest unused dentry go; false if there is none.
    fn evict(&mut self) -> bool {
        let Some(oldest) = self.dentries.oldest() else { return false };
        self.evictions += 1;
        self.drop_dentry(oldest);
        true
    }

    /// Lets the oldest unused dentries go until `keep` are left; how many went.
    pub(crate) fn shrink(&mut self, keep: u32) -> u32 {
        let before = self.dentries.live();
        while self.dentries.live() > keep
            && let Some(oldest) = self.dentries.oldest()
        {
            self.drop_dentry(oldest);
        }
        before - self.dentries.live()
    }

    /// Gives a pin back.
    pub(crate) fn unpin(&mut self, index: u32) {
        if self.dentries.unpin(index) {
            self.drop_dentry(index);
        }
    }

    /// Frees a dentry without pins, and its parents as far as nothing holds them either.
    fn drop_dentry(&mut self, mut index: u32) {
        loop {
            let Some(dentry) = self.dentries.remove(index) else { return };
            if dentry.inode != NONE {
                self.inodes.release(dentry.inode);
            }
            if dentry.parent == index || !self.dentries.unpin(dentry.parent) {
                return;
            }
            index = dentry.parent;
        }
    }

    /// The name of a pinned dentry is gone: it is negative if nobody but the caller holds it, else found no more.
    pub(crate) fn name_gone(&mut self, index: u32) {
        if self.dentry(index).pins > 1 || self.forgets_missing(self.dentry(index).fs) {
            self.dentries.unhash(index);
            return;
        }
        let inode = core::mem::replace(&mut self.dentries.get_mut(index).inode, NONE);
        self.inodes.release(inode);
    }

    /// A directory is removed: the names that are remembered as missing in it go, for each would keep it in memory. One pass
    /// over the table at most.
    pub(crate) fn bury(&mut self, dir: u32) {
        let mut next = 0;
        while self.dentry(dir).pins > 1
            && let Some(child) = self.dentries.idle_child(dir, next)
        {
            self.drop_dentry(child);
            next = child + 1;
        }
        let inode = self.dentry(dir).inode;
        self.inodes.get_mut(inode).dead = true;
    }

    /// A pinned dentry turned out to name a file that is gone.
    pub(crate) fn expel(&mut self, index: u32) {
        if self.attr_of(index).kind == FileType::Directory {
            self.bury(index);
        }
        self.dentries.unhash(index);
    }

    /// A pinned negative dentry gets a file, and takes over the reference on it.
    pub(crate) fn name_made(&mut self, index: u32, inode: u32) {
        debug_assert!(self.dentry(index).is_negative(), "a name is made twice");
        self.dentries.get_mut(index).inode = inode;
        self.inodes.get_mut(inode).seen = index;
        if !self.dentry(index).hashed {
            self.dentries.publish(index);
        }
    }

    /// A pinned dentry gets another directory and name.
    pub(crate) fn reattach(&mut self, index: u32, parent: u32, name: NameBuf) {
        self.moves += 1;
        let old = self.dentries.reattach(index, parent, name);
        self.unpin(old);
    }

    /// What is left to do without the lock.
    pub(crate) fn next_chore(&mut self) -> Option<Chore> {
        if let Some(going) = self.refused.take().or_else(|| self.inodes.next_going()) {
            return Some(Chore::Forget(Arc::clone(&self.supers.at(going.fs).fs), going));
        }
        if !self.unmounted {
            return None;
        }
        let fs = self.take_unmounted();
        self.unmounted = fs.is_some();
        // A file system whose last mount is gone may still have files on their way out: they come first.
        if fs.is_none() && self.inodes.has_going() {
            self.unmounted = true;
            return self.next_chore();
        }
        if fs.is_none()
            && let Some(node) = self.next_unmounted_dirty()
        {
            self.unmounted = true;
            return Some(Chore::Flush(node));
        }
        fs.map(Chore::Close)
    }

    // Places.

    pub(crate) fn pin(&mut self, loc: Loc) {
        self.mounts.at_mut(loc.mount).pins += 1;
        self.dentries.pin(loc.dentry);
    }

    pub(crate) fn release(&mut self, loc: Loc) {
        self.unpin(loc.dentry);
        self.unpin_mount(loc.mount);
    }

    /// From a place down into whatever is mounted there.
    pub(crate) fn descend(&self, mut loc: Loc) -> Loc {
        while self.dentry(loc.dentry).mounts > 0
            && let Some(mount) = self.mount_at(loc)
        {
            loc = Loc { mount, dentry: self.mounts.at(mount).root };
        }
        loc
    }

    /// The mount that stands at `loc`.
    pub(crate) fn mount_at(&self, loc: Loc) -> Option<u32> {
        let here = |mount: &Mount| mount.parent == loc.mount && mount.point == loc.dentry;
        self.mounts.iter().find(|(_, mount)| here(mount)).map(|(index, _)| index)
    }

    /// Where the mount of `loc` stands, if `loc` is its root and it stands on another.
    pub(crate) fn ascend(&self, loc: Loc) -> Option<Loc> {
        let mount = self.mounts.at(loc.mount);
        let at_root = mount.root == loc.dentry && mount.parent != NONE;
        at_root.then_some(Loc { mount: mount.parent, dentry: mount.point })
    }

    /// Whether `below` is `above` or lies in it, within one file system.
    pub(crate) fn is_below(&self, mut below: u32, above: u32) -> bool {
        loop {
            if below == above {
                return true;
            }
            let parent = self.dentry(below).parent;
            if parent == below {
                return false;
            }
            below = parent;
        }
    }

    // Mounts.

    /// Takes a file system in. `None` if the table is full.
    pub(crate) fn add_super(&mut self, fs: Arc<dyn FileSystem>) -> Option<u32> {
        let info = fs.info();
        let index = self.supers.insert(Super { fs, info, mounts: 0, device: self.next_device }).ok()?;
        self.next_device += 1;
        Some(index)
    }

    /// A file system that never got a mount goes when its files are forgotten.
    pub(crate) fn forget_super(&mut self, fs: u32) {
        self.unmounted |= self.supers.at(fs).mounts == 0;
    }

    /// The first file system from slot `from` on.
    pub(crate) fn super_from(&self, from: u32) -> Option<(u32, Arc<dyn FileSystem>)> {
        let (index, found) = self.supers.iter().find(|&(index, _)| index >= from)?;
        Some((index, Arc::clone(&found.fs)))
    }

    /// Adds a mount that shows `root`; it takes over the caller's pin on it. `None`, and the pin is given back, if the table is
    /// full.
    pub(crate) fn add_mount(&mut self, mount: Mount) -> Option<u32> {
        let (fs, root) = (mount.fs, mount.root);
        match self.mounts.insert(mount) {
            Ok(index) => {
                self.supers.at_mut(fs).mounts += 1;
                Some(index)
            }
            Err(_) => {
                self.unpin(root);
                None
            }
        }
    }

    /// Puts a mount on a place.
    pub(crate) fn attach(&mut self, index: u32, at: Loc) {
        self.dentries.pin(at.dentry);
        self.dentries.get_mut(at.dentry).mounts += 1;
        self.mounts.at_mut(at.mount).children += 1;
        let mount = self.mounts.at_mut(index);
        (mount.parent, mount.point) = (at.mount, at.dentry);
        self.moves += 1;
    }

    /// Takes a mount off its place; it goes when nothing uses it.
    pub(crate) fn detach(&mut self, index: u32) {
        let mount = self.mounts.at_mut(index);
        let parent = core::mem::replace(&mut mount.parent, NONE);
        let point = core::mem::replace(&mut mount.point, NONE);
        (mount.detached, mount.namespace) = (true, false);
        self.moves += 1;
        if parent != NONE {
            self.dentries.get_mut(point).mounts -= 1;
            self.unpin(point);
            self.mounts.at_mut(parent).children -= 1;
            self.drop_mount_if_idle(parent);
        }
        self.drop_mount_if_idle(index);
    }

    pub(crate) fn unpin_mount(&mut self, index: u32) {
        self.mounts.at_mut(index).pins -= 1;
        self.drop_mount_if_idle(index);
    }

    fn drop_mount_if_idle(&mut self, index: u32) {
        let Some(mount) = self.mounts.get(index) else { return };
        if !mount.detached || mount.pins > 0 || mount.children > 0 {
            return;
        }
        let (fs, root) = (mount.fs, mount.root);
        self.mounts.remove(index);
        self.unpin(root);
        self.supers.at_mut(fs).mounts -= 1;
        self.unmounted |= self.supers.at(fs).mounts == 0;
    }

    /// A file system that no mount shows any more, once nothing of it is in memory: the caller syncs and drops it.
    fn take_unmounted(&mut self) -> Option<Arc<dyn FileSystem>> {
        let (fs, _) = self.supers.iter().find(|(_, fs)| fs.mounts == 0)?;
        while let Some(index) = self.idle_of(fs) {
            self.drop_dentry(index);
        }
        if self.inodes.iter().any(|(_, inode)| inode.fs == fs) {
            return None;
        }
        self.supers.remove(fs).map(|fs| fs.fs)
    }

    /// A dentry of a file system that nothing pins.
    fn idle_of(&self, fs: u32) -> Option<u32> {
        let mut dentries = self.dentries.iter();
        dentries.find(|(_, dentry)| dentry.fs == fs && dentry.pins == 0).map(|(index, _)| index)
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
        Ok(())
    }
}
