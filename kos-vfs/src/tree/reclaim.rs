//! Giving back: dentries that nobody uses, to make room; files and file systems that nothing holds any more.

use alloc::sync::Arc;

use super::slots::NONE;
use super::{Chore, Tree};
use crate::fs::FileSystem;

impl Tree {
    /// Makes a slot free, and room for `heap` bytes of a long name.
    pub(super) fn make_room(&mut self, heap: usize) -> bool {
        while self.dentries.is_full() {
            if !self.evict() {
                return false;
            }
        }
        self.make_room_for(heap)
    }

    /// Makes room for `heap` bytes of a long name.
    pub(super) fn make_room_for(&mut self, heap: usize) -> bool {
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
    #[inline]
    pub(crate) fn unpin(&mut self, index: u32) {
        if self.dentries.unpin(index) {
            self.drop_dentry(index);
        }
    }

    /// Frees a dentry without pins, and its parents as far as nothing holds them either.
    pub(super) fn drop_dentry(&mut self, mut index: u32) {
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

    /// Whether there is nothing to do without the lock, as is usual.
    #[inline]
    pub(crate) const fn is_idle(&self) -> bool {
        self.refused.is_none() && !self.inodes.has_going() && !self.unmounted
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

    /// A file system that never got a mount goes when its files are forgotten.
    pub(crate) fn forget_super(&mut self, fs: u32) {
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
}
