//! Dentries with their inodes: how names come, change and go.

use super::Tree;
use super::dentry::Dentry;
use super::slots::NONE;
use crate::attr::FileType;
use crate::name::NameBuf;

impl Tree {
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

    /// Whether a directory that the driver just named in `parent` is known elsewhere: above `parent`, or by another name. Locks of
    /// directories have an order only where each has one name, so a damaged volume must not give it a second.
    pub(crate) fn is_elsewhere(&self, inode: u32, parent: u32) -> bool {
        let found = self.inodes.get(inode);
        // Mostly nobody but the caller holds it: then no dentry has it.
        if found.attr.kind != FileType::Directory || found.refs == 1 {
            return false;
        }
        let named = |dentry: &Dentry| dentry.inode == inode && dentry.hashed;
        let other = self.dentries.try_get(found.seen).is_some_and(named) && !self.is_volatile(found.fs);
        other || self.is_at_or_above(inode, parent)
    }

    /// Whether an inode is that of `dentry`, or of what is above it in its file system.
    fn is_at_or_above(&self, inode: u32, mut dentry: u32) -> bool {
        loop {
            let Dentry { inode: here, parent, .. } = *self.dentry(dentry);
            if here == inode || parent == dentry {
                return here == inode;
            }
            dentry = parent;
        }
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
}
