//! The inodes in memory: which files of which file systems are in use, and what is known about them.
//!
//! Invariants: at most one inode for each file; `refs` counts dentries and whoever looks at it just now; `uses` is what the
//! driver counts for us. An inode that lost its last reference waits, out of the index, until its uses are given back.

use core::hash::Hasher as _;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::slots::{NONE, Slots};
use crate::attr::{Attr, Ino};
use crate::error::NoMemory;

/// A file in use.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) fs: u32,
    /// As the driver said last. Kind, owner, group and mode are always right; sizes, times and links are the driver's to know.
    pub(crate) attr: Attr,
    pub(crate) refs: u32,
    uses: u32,
    /// The dentry that it got last. May be gone, or another's by now: who uses it looks.
    pub(crate) seen: u32,
    /// A directory that was removed: nothing comes into it any more.
    pub(crate) dead: bool,
    /// A file made without a name that shall never get one (`O_TMPFILE | O_EXCL`).
    pub(crate) nameless: bool,
    /// A file without any name: nobody reads it any more when it is used no more.
    pub(crate) unlinked: bool,
    /// The page cache has changes of it that its driver does not have, and holds it with one reference.
    pub(crate) dirty: bool,
    next_going: u32,
}

/// Uses to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Going {
    /// Its slot, to be freed when nothing is kept about it any more; [`NONE`] if it never got one.
    pub(crate) slot: u32,
    pub(crate) fs: u32,
    pub(crate) ino: Ino,
    pub(crate) uses: u32,
}

/// All inodes.
#[derive(Debug)]
pub(crate) struct Inodes {
    slots: Slots<Inode>,
    index: HashTable<u32>,
    going: u32,
    key: u64,
}

impl Inodes {
    pub(crate) fn new(count: u32, key: u64) -> Result<Self, NoMemory> {
        let slots = Slots::new(count)?;
        let mut index = HashTable::new();
        // Twice as many as are ever in it, as for the dentries.
        index.try_reserve(count as usize * 2, |_| 0)?;
        Ok(Self { slots, index, going: NONE, key })
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Inode {
        self.slots.at(index)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Inode {
        self.slots.at_mut(index)
    }

    /// The inode in a slot, if it is to be written.
    pub(crate) fn find_dirty(&self, index: u32) -> Option<&Inode> {
        self.slots.get(index).filter(|inode| inode.dirty && inode.refs > 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Inode)> {
        self.slots.iter()
    }

    fn hash(key: u64, fs: u32, ino: Ino) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(key, u64::from(fs) << 32 | u64::from(ino.generation));
        hasher.write_u64(ino.number);
        hasher.finish()
    }

    /// The inode of a file of which the driver has just counted one more use, with one more reference. `None` if all slots are
    /// taken: the use is then the caller's to give back.
    pub(crate) fn enter(&mut self, fs: u32, attr: Attr) -> Option<u32> {
        let hash = Self::hash(self.key, fs, attr.ino);
        let slots = &mut self.slots;
        let same = |&index: &u32| slots.at(index).fs == fs && slots.at(index).attr.ino == attr.ino;
        if let Some(&index) = self.index.find(hash, same) {
            let inode = slots.at_mut(index);
            inode.refs += 1;
            inode.uses += 1;
            return Some(index);
        }
        let inode = Inode {
            fs,
            attr,
            refs: 1,
            uses: 1,
            seen: NONE,
            dead: false,
            nameless: false,
            unlinked: false,
            dirty: false,
            next_going: NONE,
        };
        let index = slots.insert(inode).ok()?;
        let key = self.key;
        self.index.insert_unique(hash, index, |&other| {
            Self::hash(key, slots.at(other).fs, slots.at(other).attr.ino)
        });
        Some(index)
    }

    pub(crate) fn hold(&mut self, index: u32) {
        self.slots.at_mut(index).refs += 1;
    }

    /// The page cache has the first change of a file that is held.
    pub(crate) fn set_dirty(&mut self, index: u32) {
        let inode = self.slots.at_mut(index);
        debug_assert!(!inode.dirty, "dirty twice");
        inode.dirty = true;
        inode.refs += 1;
    }

    /// The page cache has no more changes of a file.
    pub(crate) fn settle(&mut self, index: u32) {
        if core::mem::take(&mut self.slots.at_mut(index).dirty) {
            self.release(index);
        }
    }

    /// Gives a reference back. With the last, the file waits for [`next_going`](Self::next_going); of a file without a name, what
    /// is still to be written keeps it no longer.
    pub(crate) fn release(&mut self, index: u32) {
        let inode = self.slots.at_mut(index);
        debug_assert!(inode.refs > 0, "released more often than held");
        inode.refs -= 1;
        if inode.refs > u32::from(inode.dirty && inode.unlinked) {
            return;
        }
        (inode.refs, inode.dirty) = (0, false);
        let hash = Self::hash(self.key, inode.fs, inode.attr.ino);
        inode.next_going = core::mem::replace(&mut self.going, index);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
    }

    pub(crate) const fn has_going(&self) -> bool {
        self.going != NONE
    }

    /// A file whose uses are to be given back, now and by the caller, who then [frees](Self::free) its slot.
    pub(crate) fn next_going(&mut self) -> Option<Going> {
        let slot = self.going;
        let inode = self.slots.get(slot)?;
        self.going = inode.next_going;
        Some(Going { slot, fs: inode.fs, ino: inode.attr.ino, uses: inode.uses })
    }

    /// The slot of a file that is gone can be used again.
    pub(crate) fn free(&mut self, slot: u32) {
        self.slots.remove(slot);
    }
}
