//! What a store is made of, as who lends memory sees it: [`Block`], [`Node`], [`Entry`].

use super::{BLOCK, MAX_NAME, NONE};
use crate::ramfs::Time;

/// A block of bytes, and which comes behind it.
#[derive(Clone, Debug)]
pub struct Block {
    pub(super) next: u32,
    pub(super) bytes: [u8; BLOCK],
}

/// A file or a directory.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// 0: free.
    pub(super) serial: u64,
    pub(super) directory: bool,
    pub(super) mode: u64,
    pub(super) owners: [u64; 2],
    pub(super) links: u64,
    pub(super) uses: u64,
    pub(super) size: u64,
    pub(super) times: [Time; 3],
    pub(super) first: u32,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// 0: free. Else the place in the order of listings.
    pub(super) serial: u64,
    pub(super) dir: u64,
    pub(super) file: u64,
    pub(super) length: usize,
    pub(super) name: [u8; MAX_NAME],
}

impl Block {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: NONE, bytes: [0; BLOCK] }
    }
}

impl Node {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        let (owners, times) = ([0; 2], [0; 3]);
        Self { serial: 0, directory: false, mode: 0, owners, links: 0, uses: 0, size: 0, times, first: NONE }
    }
}

impl Entry {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { serial: 0, dir: 0, file: 0, length: 0, name: [0; MAX_NAME] }
    }

    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}
