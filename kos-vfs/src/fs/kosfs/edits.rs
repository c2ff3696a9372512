//! What one operation changes: [`Edits`], collected first and applied all at once.

use alloc::vec::Vec;
use core::ops::Range;

use super::key::Key;
use crate::error::FsError;

/// Items to store and to take out, blocks taken over and given up, files that came and went.
#[derive(Debug, Default)]
pub(super) struct Edits {
    keys: Vec<Key>,
    /// Where in `bytes` each key's new item is; `None` takes the item out.
    items: Vec<Option<Range<usize>>>,
    bytes: Vec<u8>,
    freed: Vec<u64>,
    claimed: Vec<u64>,
    /// How many files more, or fewer, there are.
    pub(super) files: i64,
    /// Whether the next number of a file is used up.
    pub(super) takes_number: bool,
    /// Whether it leads to free space, and so may use what is kept for that.
    pub(super) makes_room: bool,
    /// The file to which bytes are written, which may use what it was promised; 0 for none.
    pub(super) writes_to: u64,
}

impl Edits {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.items.clear();
        self.bytes.clear();
        self.freed.clear();
        self.claimed.clear();
        (self.files, self.takes_number, self.makes_room, self.writes_to) = (0, false, false, 0);
    }

    /// Stores `item` at `key`.
    pub(super) fn put(&mut self, key: Key, item: &[u8]) -> Result<(), FsError> {
        self.bytes.try_reserve(item.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(item);
        self.add(key, Some(start..self.bytes.len()))
    }

    /// Takes out the item at `key`.
    pub(super) fn take_out(&mut self, key: Key) -> Result<(), FsError> {
        self.add(key, None)
    }

    fn add(&mut self, key: Key, item: Option<Range<usize>>) -> Result<(), FsError> {
        self.keys.try_reserve(1)?;
        self.items.try_reserve(1)?;
        self.keys.push(key);
        self.items.push(item);
        Ok(())
    }

    /// Gives up `block`, which the committed tree may still need.
    pub(super) fn free(&mut self, block: u64) -> Result<(), FsError> {
        self.freed.try_reserve(1)?;
        self.freed.push(block);
        Ok(())
    }

    /// Points to `blocks`, which were staged.
    pub(super) fn claim(&mut self, blocks: &[u64]) -> Result<(), FsError> {
        self.claimed.try_reserve(blocks.len())?;
        self.claimed.extend_from_slice(blocks);
        Ok(())
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many of them store an item.
    pub(super) fn puts(&self) -> usize {
        self.items.iter().flatten().count()
    }

    pub(super) fn freed(&self) -> &[u64] {
        &self.freed
    }

    pub(super) fn claimed(&self) -> &[u64] {
        &self.claimed
    }

    /// Keys with their new items, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Option<&[u8]>)> {
        let items = self
            .items
            .iter()
            .map(|item| item.as_ref().map(|range| self.bytes.get(range.clone()).unwrap_or_default()));
        self.keys.iter().copied().zip(items)
    }
}
