//! Names with several spellings ([`FsFeatures::SPELLINGS`]): a file has one dentry, under the spelling that was used last.
//!
//! Only the driver knows which spellings are one name. So a name that is missing is not remembered: another spelling of it may
//! be made. (Nor is one where names come by themselves, [`FsFeatures::VOLATILE`].) And a file that is found under a new spelling keeps its dentry, which is found by that one from then on.

use super::Tree;
use super::dentry::Dentry;
use super::slots::NONE;
use crate::fs::FsFeatures;
use crate::name::NameBuf;

impl Tree {
    /// Makes a new dentry found by its name; not one of a name that is missing, where that may change.
    pub(super) fn publish(&mut self, index: u32) {
        let (inode, fs) = (self.dentry(index).inode, self.dentry(index).fs);
        if inode != NONE {
            self.inodes.get_mut(inode).seen = index;
        } else if self.forgets_missing(fs) {
            return;
        }
        self.dentries.publish(index);
    }

    /// Whether names in a file system have several spellings ([`FsFeatures::SPELLINGS`]).
    pub(crate) fn has_spellings(&self, fs: u32) -> bool {
        self.supers.at(fs).info.features.contains(FsFeatures::SPELLINGS)
    }

    /// Whether a name that is missing is not remembered, since it may come to be without the VFS.
    pub(super) fn forgets_missing(&self, fs: u32) -> bool {
        let features = self.supers.at(fs).info.features;
        features.intersects(FsFeatures::SPELLINGS | FsFeatures::VOLATILE)
    }

    /// Whether names in a file system come and go by themselves ([`FsFeatures::VOLATILE`]).
    pub(crate) fn is_volatile(&self, fs: u32) -> bool {
        self.supers.at(fs).info.features.contains(FsFeatures::VOLATILE)
    }

    /// The dentry in `parent` by which a file is known that was just found there by `name`, under another spelling so far.
    /// Takes over the reference on `inode`, if there is one.
    pub(crate) fn respell(&mut self, parent: u32, name: &[u8], inode: u32) -> Option<u32> {
        let index = self.inodes.get(inode).seen;
        let known = |dentry: &Dentry| dentry.inode == inode && dentry.parent == parent && dentry.hashed;
        if !self.dentries.try_get(index).is_some_and(known) {
            return None;
        }
        self.inodes.release(inode);
        self.dentries.pin(index);
        // The next time it is found by this spelling. It need not be: no room is no reason to fail.
        if let Ok(name) = NameBuf::new(name)
            && self.make_room_for(name.heap())
        {
            let parent = self.dentries.reattach(index, parent, name);
            self.unpin(parent);
        }
        Some(index)
    }
}
