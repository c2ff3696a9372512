//! The names of a directory: [`Names`], in the order in which they were made, with a hash index.
//!
//! Each name gets a cookie larger than all before, so a listing that goes on behind a cookie meets each name once. A name that
//! goes leaves a gap; gaps are closed, keeping the order, when there are more of them than names. A replaced file
//! leaves its cookie to the one that replaces it.

use alloc::vec::Vec;
use core::hash::Hasher as _;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::attr::{FileType, Ino};
use crate::error::FsError;
use crate::fs::{Cookie, DirEntry, DirSink};
use crate::name::{Name, NameBuf};

#[derive(Debug)]
struct Entry {
    cookie: u64,
    hash: u64,
    /// `None` is a gap.
    name: Option<NameBuf>,
    ino: Ino,
    kind: FileType,
}

/// Gaps that are not worth closing.
const GAPS: usize = 32;

/// The names of one directory.
#[derive(Debug)]
pub(super) struct Names {
    entries: Vec<Entry>,
    /// Where in `entries` each name is.
    index: HashTable<u32>,
    next: u64,
}

impl Names {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), index: HashTable::new(), next: Cookie::FIRST.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn hash(key: u64, name: Name<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(key, 0);
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    fn is(entries: &[Entry], at: u32, name: Name<'_>) -> bool {
        let entry = entries.get(at as usize).and_then(|entry| entry.name.as_ref());
        entry.is_some_and(|found| found.as_bytes() == name.as_bytes())
    }

    fn position(&self, key: u64, name: Name<'_>) -> Option<u32> {
        self.index.find(Self::hash(key, name), |&at| Self::is(&self.entries, at, name)).copied()
    }

    pub(super) fn find(&self, key: u64, name: Name<'_>) -> Option<(Ino, FileType)> {
        let entry = self.entries.get(self.position(key, name)? as usize)?;
        Some((entry.ino, entry.kind))
    }

    /// Adds a name that is not there.
    pub(super) fn insert(
        &mut self,
        key: u64,
        name: Name<'_>,
        ino: Ino,
        kind: FileType,
    ) -> Result<(), FsError> {
        let buffer = NameBuf::new(name.as_bytes())?;
        self.entries.try_reserve(1)?;
        let entries = &self.entries;
        let hash_of = |&at: &u32| entries.get(at as usize).map_or(0, |entry| entry.hash);
        self.index.try_reserve(1, hash_of).map_err(|_| FsError::NoMemory)?;
        let at = u32::try_from(self.entries.len()).map_err(|_| FsError::NoSpace)?;
        let hash = Self::hash(key, name);
        self.index.insert_unique(hash, at, hash_of);
        self.entries.push(Entry { cookie: self.next, hash, name: Some(buffer), ino, kind });
        self.next += 1;
        Ok(())
    }

    /// Makes a name another file's; false if it is not there.
    pub(super) fn replace(&mut self, key: u64, name: Name<'_>, ino: Ino, kind: FileType) -> bool {
        let at = self.position(key, name).map(|at| at as usize);
        let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) else { return false };
        (entry.ino, entry.kind) = (ino, kind);
        true
    }

    /// Removes a name; false if it is not there.
    pub(super) fn remove(&mut self, key: u64, name: Name<'_>) -> bool {
        let entries = &mut self.entries;
        let found = self.index.find_entry(Self::hash(key, name), |&at| Self::is(entries, at, name));
        let Ok(found) = found else { return false };
        let (at, _) = found.remove();
        if let Some(entry) = self.entries.get_mut(at as usize) {
            entry.name = None;
        }
        if self.entries.len() > 2 * self.index.len() + GAPS {
            self.close_gaps();
        }
        true
    }

    fn close_gaps(&mut self) {
        self.entries.retain(|entry| entry.name.is_some());
        self.index.clear();
        for (at, entry) in (0..).zip(&self.entries) {
            // Room for all of them is there: it was not given up.
            self.index.insert_unique(entry.hash, at, |_| 0);
        }
    }

    /// Gives the names behind a cookie to `sink`.
    pub(super) fn list(&self, from: Cookie, sink: &mut dyn DirSink) {
        let start = self.entries.partition_point(|entry| entry.cookie <= from.0);
        for entry in self.entries.get(start..).unwrap_or_default() {
            let Some(name) = entry.name.as_ref().and_then(|name| Name::new(name.as_bytes()).ok()) else {
                continue;
            };
            let (ino, kind, next) = (entry.ino, entry.kind, Cookie(entry.cookie));
            if !sink.entry(DirEntry { name, ino, kind, next }) {
                return;
            }
        }
    }
}
