//! The files in use: [`Nodes`], by number and by where their entry stands.
//!
//! A file's number is the place of its entry, in units of 32 bytes from the start of the volume, when it was taken in use; it
//! keeps it while in use, wherever it is renamed to. Who then comes to that place gets a number that no place has.

use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::chain::Runs;
use super::entry::Entry;
use crate::attr::{Ino, Timestamp};
use crate::error::FsError;

/// The number of the root directory. No entry stands there: it is within the first sector.
pub(super) const ROOT: Ino = Ino { number: 1, generation: 0 };
/// The first number that is no place.
const UNPLACED: u64 = 1 << 62;

/// A file in use.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) ino: Ino,
    pub(super) uses: u32,
    /// What its directory says, or said last.
    pub(super) entry: Entry,
    /// Where its entry stands; `None` for the root and for who has no name any more.
    pub(super) place: Option<u64>,
    /// Where in its directory its slots began when it was found; a hint.
    pub(super) slot: u32,
    /// Directories in it.
    pub(super) subdirs: u32,
    /// Clusters that it will get.
    pub(super) promised: u32,
    pub(super) runs: Runs,
}

impl Node {
    /// A file with one use.
    fn new(ino: Ino, entry: Entry, place: Option<u64>) -> Self {
        Self { ino, uses: 1, entry, place, slot: 0, subdirs: 0, promised: 0, runs: Runs::default() }
    }

    /// Whether it had a name and lost it.
    pub(super) fn is_nameless(&self) -> bool {
        self.place.is_none() && self.ino != ROOT
    }
}

/// Spreads numbers, which lie close together, over a table.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }
}

type Map<T> = HashMap<u64, T, BuildHasherDefault<Mix>>;

/// The files in use. Each number in `places` has a node with that place, and the reverse.
#[derive(Default)]
pub(super) struct Nodes {
    nodes: Map<Node>,
    places: Map<u64>,
    unplaced: u64,
}

impl Nodes {
    /// The root alone.
    pub(super) fn new(first: u32) -> Result<Self, FsError> {
        let mut nodes = Self::default();
        let mut entry = Entry::new([b' '; 11], super::entry::Flags::DIRECTORY, Timestamp::EPOCH);
        entry.first = first;
        nodes.reserve()?;
        nodes.nodes.insert(ROOT.number, Node::new(ROOT, entry, None));
        Ok(nodes)
    }

    /// Makes room for one more file, or for one more place.
    pub(super) fn reserve(&mut self) -> Result<(), FsError> {
        self.nodes.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        self.places.try_reserve(1).map_err(|_| FsError::NoMemory)
    }

    /// A file in use.
    pub(super) fn get(&mut self, file: Ino) -> Result<&mut Node, FsError> {
        self.nodes.get_mut(&file.number).filter(|node| node.ino == file).ok_or(FsError::Stale)
    }

    /// The file whose entry stands at `place`, if it is in use.
    pub(super) fn at(&self, place: u64) -> Option<Ino> {
        self.places.get(&place).and_then(|number| self.nodes.get(number)).map(|node| node.ino)
    }

    /// The number that a file with its entry at `place` has, or would get now.
    pub(super) fn ino_of(&self, place: u64, entry: &Entry) -> Ino {
        self.at(place).unwrap_or_else(|| {
            let number = if self.nodes.contains_key(&place) { UNPLACED + self.unplaced } else { place };
            Ino { number, generation: entry.generation() }
        })
    }

    /// Takes in a file that is not in use yet, with one use; its slots begin with `slot`. [`reserve`](Self::reserve) made room.
    pub(super) fn insert(&mut self, place: u64, slot: u32, entry: Entry, subdirs: u32) -> Ino {
        let ino = self.ino_of(place, &entry);
        self.unplaced += u64::from(ino.number >= UNPLACED);
        self.nodes.insert(ino.number, Node { slot, subdirs, ..Node::new(ino, entry, Some(place)) });
        self.places.insert(place, ino.number);
        ino
    }

    /// The entry of `file` stands at `place` from now on. [`reserve`](Self::reserve) made room.
    pub(super) fn move_to(&mut self, file: Ino, place: Option<u64>) {
        let Ok(node) = self.get(file) else { return };
        let before = core::mem::replace(&mut node.place, place);
        if let Some(before) = before {
            self.places.remove(&before);
        }
        if let Some(place) = place {
            self.places.insert(place, file.number);
        }
    }

    /// Gives back uses; the node, if it has none left.
    pub(super) fn release(&mut self, file: Ino, uses: u32) -> Option<Node> {
        let node = self.get(file).ok()?;
        node.uses = node.uses.saturating_sub(uses);
        if node.uses > 0 || file == ROOT {
            return None;
        }
        if let Some(place) = node.place {
            self.places.remove(&place);
        }
        self.nodes.remove(&file.number)
    }

    /// Whether a file in use has no name.
    pub(super) fn any_nameless(&self) -> bool {
        self.nodes.len() > self.places.len() + 1
    }
}

impl core::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Nodes").field("in_use", &self.nodes.len()).finish_non_exhaustive()
    }
}
