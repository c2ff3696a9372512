//! The dentry cache: which name in which directory is which file, or is known to be missing.
//!
//! Key types: [`Dentries`], [`Dentry`]. A dentry is *pinned* by each child of it, each place that names it and each mount
//! on it; what is not pinned is on a list, oldest last, and goes when a slot is needed. A dentry that is *unhashed* (its name is
//! gone) is found by nobody any more and goes with its last pin.
//!
//! Invariants: a hashed (parent, name) occurs once and is in the index; the list holds exactly the hashed dentries without
//! pins; a dentry pins its parent. This module knows no inodes: who removes a dentry takes its inode from it.

use core::hash::Hasher as _;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::slots::{NONE, Slots};
use crate::error::NoMemory;
use crate::name::NameBuf;

/// One name of one directory.
#[derive(Debug)]
pub(crate) struct Dentry {
    /// The directory; itself for the root of a file system and for a file that never had a name.
    pub(crate) parent: u32,
    pub(crate) name: NameBuf,
    /// The file, [`NONE`] if it is missing.
    pub(crate) inode: u32,
    /// Which file system.
    pub(crate) fs: u32,
    /// Children, places, mounts.
    pub(crate) pins: u32,
    /// How many mounts are on it, in all namespaces.
    pub(crate) mounts: u32,
    /// Whether it is found by its name.
    pub(crate) hashed: bool,
    hash: u64,
    newer: u32,
    older: u32,
}

impl Dentry {
    pub(crate) const fn is_negative(&self) -> bool {
        self.inode == NONE
    }
}

/// All dentries.
#[derive(Debug)]
pub(crate) struct Dentries {
    slots: Slots<Dentry>,
    index: HashTable<u32>,
    newest: u32,
    oldest: u32,
    key: u64,
    /// Bytes of long names.
    heap: usize,
}

impl Dentries {
    pub(crate) fn new(count: u32, key: u64) -> Result<Self, NoMemory> {
        let mut index = HashTable::new();
        // Twice as many as are ever in it: then deletions are cleaned up in place, and an insertion never allocates.
        index.try_reserve(count as usize * 2, |_| 0)?;
        Ok(Self { slots: Slots::new(count)?, index, newest: NONE, oldest: NONE, key, heap: 0 })
    }

    pub(crate) const fn live(&self) -> u32 {
        self.slots.live()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.slots.is_full()
    }

    pub(crate) const fn heap(&self) -> usize {
        self.heap
    }

    /// The one that has not been used for the longest time, of those that can go.
    pub(crate) const fn oldest(&self) -> Option<u32> {
        if self.oldest == NONE { None } else { Some(self.oldest) }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Dentry {
        self.slots.at(index)
    }

    pub(crate) fn try_get(&self, index: u32) -> Option<&Dentry> {
        self.slots.get(index)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Dentry {
        self.slots.at_mut(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Dentry)> {
        self.slots.iter()
    }

    fn hash(&self, parent: u32, name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key, u64::from(parent));
        hasher.write(name);
        hasher.finish()
    }

    /// The dentry of `name` in `parent`.
    pub(crate) fn find(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let hash = self.hash(parent, name);
        let found = self.index.find(hash, |&index| {
            let dentry = self.slots.at(index);
            dentry.hash == hash && dentry.parent == parent && dentry.name.as_bytes() == name
        });
        found.copied()
    }

    /// Takes a slot for a dentry with one pin, which its maker has; `parent` [`NONE`] makes one that is its own parent. Not yet
    /// found by its name. `None` if all slots are taken.
    pub(crate) fn insert(&mut self, parent: u32, name: NameBuf, fs: u32, inode: u32) -> Option<u32> {
        let (hash, heap) = (0, name.heap());
        let (newer, older) = (NONE, NONE);
        let dentry =
            Dentry { parent, name, inode, fs, pins: 1, mounts: 0, hashed: false, hash, newer, older };
        let index = self.slots.insert(dentry).ok()?;
        self.heap += heap;
        if parent == NONE {
            self.slots.at_mut(index).parent = index;
        } else {
            self.pin(parent);
        }
        Some(index)
    }

    /// Makes it found by its name.
    pub(crate) fn publish(&mut self, index: u32) {
        let dentry = self.slots.at(index);
        debug_assert!(!dentry.hashed, "published twice");
        let hash = self.hash(dentry.parent, dentry.name.as_bytes());
        let slots = &self.slots;
        self.index.insert_unique(hash, index, |&other| slots.at(other).hash);
        let dentry = self.slots.at_mut(index);
        (dentry.hash, dentry.hashed) = (hash, true);
        self.list_if_idle(index);
    }

    /// Makes it found no more. It stays for its pins; one without any is the caller's to [`remove`](Self::remove).
    pub(crate) fn unhash(&mut self, index: u32) {
        if !self.slots.at(index).hashed {
            return;
        }
        if let Ok(entry) = self.index.find_entry(self.slots.at(index).hash, |&other| other == index) {
            entry.remove();
        }
        if self.slots.at(index).pins == 0 {
            self.unlist(index);
        }
        self.slots.at_mut(index).hashed = false;
    }

    /// Gives it another directory and name, and the old parent its pin back; returns that parent, which may have lost its last.
    pub(crate) fn reattach(&mut self, index: u32, parent: u32, name: NameBuf) -> u32 {
        self.unhash(index);
        let heap = name.heap();
        self.pin(parent);
        let dentry = self.slots.at_mut(index);
        let old = core::mem::replace(&mut dentry.name, name);
        let old_parent = core::mem::replace(&mut dentry.parent, parent);
        self.heap = self.heap + heap - old.heap();
        self.publish(index);
        old_parent
    }

    #[inline]
    pub(crate) fn pin(&mut self, index: u32) {
        if self.slots.at(index).pins == 0 && self.slots.at(index).hashed {
            self.unlist(index);
        }
        self.slots.at_mut(index).pins += 1;
    }

    /// Gives a pin back; whether the dentry is now to be [removed](Self::remove): unhashed, and without pins.
    #[must_use]
    pub(crate) fn unpin(&mut self, index: u32) -> bool {
        let dentry = self.slots.at_mut(index);
        debug_assert!(dentry.pins > 0, "unpinned more often than pinned");
        dentry.pins -= 1;
        if dentry.pins > 0 {
            return false;
        }
        self.list_if_idle(index);
        !self.slots.at(index).hashed
    }

    /// Frees a dentry without pins. Its parent, if it has another, keeps the pin: the caller gives it back.
    pub(crate) fn remove(&mut self, index: u32) -> Option<Dentry> {
        debug_assert_eq!(self.slots.at(index).pins, 0, "a pinned dentry is removed");
        self.unhash(index);
        let dentry = self.slots.remove(index)?;
        self.heap -= dentry.name.heap();
        Some(dentry)
    }

    /// Marks it as just used.
    #[inline]
    pub(crate) fn touch(&mut self, index: u32) {
        if self.slots.at(index).pins == 0 && self.slots.at(index).hashed && self.newest != index {
            self.unlist(index);
            self.list(index);
        }
    }

    /// The first dentry in a directory, from slot `from` on, that nothing pins.
    pub(crate) fn idle_child(&self, parent: u32, from: u32) -> Option<u32> {
        let end = u32::try_from(self.slots.capacity()).unwrap_or(NONE);
        let idle = |dentry: &Dentry| dentry.parent == parent && dentry.pins == 0 && dentry.hashed;
        (from..end).find(|&index| self.slots.get(index).is_some_and(idle))
    }

    fn list_if_idle(&mut self, index: u32) {
        if self.slots.at(index).pins == 0 && self.slots.at(index).hashed {
            self.list(index);
        }
    }

    fn list(&mut self, index: u32) {
        let second = core::mem::replace(&mut self.newest, index);
        let dentry = self.slots.at_mut(index);
        (dentry.newer, dentry.older) = (NONE, second);
        match self.slots.get_mut(second) {
            Some(second) => second.newer = index,
            None => self.oldest = index,
        }
    }

    fn unlist(&mut self, index: u32) {
        let Dentry { newer, older, .. } = *self.slots.at(index);
        match self.slots.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Whether the module's invariants hold.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let mut idle = 0_usize;
        let mut heap = 0;
        for (index, dentry) in self.iter() {
            heap += dentry.name.heap();
            idle += usize::from(dentry.hashed && dentry.pins == 0);
            if dentry.hashed && self.find(dentry.parent, dentry.name.as_bytes()) != Some(index) {
                return Err("a name is not in the index, or twice");
            }
            if dentry.pins == 0 && !dentry.hashed {
                return Err("an unhashed dentry without pins");
            }
            let children = self.iter().filter(|(child, other)| *child != index && other.parent == index);
            if self.live() < 512 && (children.count() as u64) > u64::from(dentry.pins) {
                return Err("a dentry has more children than pins");
            }
        }
        let mut at = self.newest;
        let mut listed = 0_usize;
        while let Some(dentry) = self.slots.get(at) {
            if dentry.pins > 0 || !dentry.hashed || listed > idle {
                return Err("the list holds what cannot go");
            }
            listed += 1;
            at = dentry.older;
        }
        if listed != idle || heap != self.heap {
            return Err("the list or the bytes of names are miscounted");
        }
        Ok(())
    }
}
