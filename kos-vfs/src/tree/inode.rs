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
    next_going: u32,
}

/// Uses to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Going {
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

    pub(crate) fn get(&self, index: u32) -> &Inode {
        self.slots.at(index)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Inode {
        self.slots.at_mut(index)
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
        let (refs, uses, seen, next_going) = (1, 1, NONE, NONE);
        let inode = Inode { fs, attr, refs, uses, seen, dead: false, nameless: false, next_going };
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

    /// Gives a reference back. With the last, the file waits for [`next_going`](Self::next_going).
    pub(crate) fn release(&mut self, index: u32) {
        let inode = self.slots.at_mut(index);
        debug_assert!(inode.refs > 0, "released more often than held");
        inode.refs -= 1;
        if inode.refs > 0 {
            return;
        }
        let hash = Self::hash(self.key, inode.fs, inode.attr.ino);
        inode.next_going = core::mem::replace(&mut self.going, index);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
    }

    pub(crate) const fn has_going(&self) -> bool {
        self.going != NONE
    }

    /// A file whose uses are to be given back, now and by the caller; its slot is free again.
    pub(crate) fn next_going(&mut self) -> Option<Going> {
        let inode = self.slots.remove(self.going)?;
        self.going = inode.next_going;
        Some(Going { fs: inode.fs, ino: inode.attr.ino, uses: inode.uses })
    }
}
