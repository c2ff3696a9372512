//! A node of the tree in memory: [`Node`], a leaf of items or an inner node of [`Branch`]es.
//!
//! Invariants, checked when it comes from the device ([`Node::parse`]) and kept by every change: keys ascend; the items of a
//! leaf lie behind its slots and do not overlap; an inner node has a child at least.

use super::block::Block;
use super::key::Key;
use super::layout::{BLOCK, Branch, HEADER, Header, Pointer, Slot};
use crate::error::FsError;

/// Bytes of a slot and of a branch.
const SLOT: usize = size_of::<Slot>();
const BRANCH: usize = size_of::<Branch>();

/// Bytes of a node behind its header.
const CAPACITY: usize = BLOCK - HEADER;

/// Bytes of the largest item: with its slot a third of a leaf, so that one split makes room for any.
pub(super) const ITEM_MAX: usize = CAPACITY / 3 - SLOT;

/// Children of an inner node, at most.
pub(super) const BRANCHES_MAX: usize = CAPACITY / BRANCH;

/// Levels of a tree, at most: more than 2^64 items need.
pub(super) const LEVELS_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Node(Block);

impl Node {
    /// An empty node; level 0 is a leaf.
    pub(super) fn try_new(level: u8) -> Result<Self, FsError> {
        let mut node = Self(Block::try_new()?);
        node.clear(level);
        Ok(node)
    }

    /// Makes it an empty node.
    pub(super) fn clear(&mut self, level: u8) {
        self.0.put(0, &Header { level, items: 0.into(), ..self.0.header() });
    }

    /// Takes a block whose checksum was right, and whose bytes are still not to be trusted.
    pub(super) fn parse(block: Block, level: u8) -> Result<Self, FsError> {
        let node = Self(block);
        let corrupt = |what| Err(FsError::Corrupt { block: node.0.header().address.get(), what });
        if node.level() != level {
            return corrupt("a node of another level");
        }
        let entry = if level == 0 { SLOT } else { BRANCH };
        if node.len() > CAPACITY / entry || (level > 0 && node.len() == 0) {
            return corrupt("a node with too many or no items");
        }
        if (1..node.len()).any(|index| node.key(index - 1) >= node.key(index)) {
            return corrupt("keys that do not ascend");
        }
        if level == 0 && !node.items_fit() {
            return corrupt("items that overlap");
        }
        Ok(node)
    }

    /// Whether all items lie between the slots and the end, and together take no more than there is.
    fn items_fit(&self) -> bool {
        let floor = HEADER + self.len() * SLOT;
        let inside = (0..self.len()).all(|index| {
            let slot = self.slot(index);
            let start = usize::from(slot.start.get());
            start >= floor && start + usize::from(slot.length.get()) <= BLOCK
        });
        inside && self.used() <= CAPACITY && !self.overlaps()
    }

    fn overlaps(&self) -> bool {
        let mut taken = [0_u64; BLOCK / 64];
        (0..self.len()).any(|index| {
            let slot = self.slot(index);
            let start = usize::from(slot.start.get());
            (start..start + usize::from(slot.length.get())).any(|at| {
                let Some(word) = taken.get_mut(at / 64) else { return true };
                let bit = 1 << (at % 64);
                core::mem::replace(word, *word | bit) & bit != 0
            })
        })
    }

    pub(super) fn block(&self) -> &Block {
        &self.0
    }

    pub(super) fn block_mut(&mut self) -> &mut Block {
        &mut self.0
    }

    pub(super) fn level(&self) -> u8 {
        self.0.header().level
    }

    /// Its items or children.
    pub(super) fn len(&self) -> usize {
        usize::from(self.0.header().items.get())
    }

    fn set_len(&mut self, items: usize) {
        let items = u16::try_from(items).unwrap_or(u16::MAX).into();
        self.0.put(0, &Header { items, ..self.0.header() });
    }

    fn slot(&self, index: usize) -> Slot {
        self.0.get(HEADER + index * SLOT).unwrap_or(NO_SLOT)
    }

    /// The key at `index`.
    pub(super) fn key(&self, index: usize) -> Key {
        if self.level() == 0 { self.slot(index).key.into() } else { self.branch(index).key.into() }
    }

    /// Where `key` is, or would go.
    pub(super) fn search(&self, key: Key) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(&key) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The child under which `key` is: the first one takes what is below its key, too.
    pub(super) fn child_of(&self, key: Key) -> usize {
        self.search(key).unwrap_or_else(|place| place.saturating_sub(1))
    }

    /// The child at `index` with its key.
    pub(super) fn branch(&self, index: usize) -> Branch {
        self.0.get(HEADER + index * BRANCH).unwrap_or(NO_BRANCH)
    }

    pub(super) fn set_key(&mut self, index: usize, key: Key) {
        let branch = Branch { key: key.into(), ..self.branch(index) };
        self.0.put(HEADER + index * BRANCH, &branch);
    }

    pub(super) fn set_child(&mut self, index: usize, child: Pointer) {
        let branch = Branch { child, ..self.branch(index) };
        self.0.put(HEADER + index * BRANCH, &branch);
    }

    /// Whether an inner node has room for one more child.
    pub(super) fn has_branch_room(&self) -> bool {
        self.len() < BRANCHES_MAX
    }

    pub(super) fn insert_branch(&mut self, index: usize, key: Key, child: Pointer) {
        let len = self.len();
        self.shift_entries(index, len, BRANCH, true);
        self.0.put(HEADER + index * BRANCH, &Branch { key: key.into(), child });
        self.set_len(len + 1);
    }

    /// Takes out the entry at `index`: of a leaf with its item.
    pub(super) fn remove(&mut self, index: usize) {
        let len = self.len();
        let entry = if self.level() == 0 { SLOT } else { BRANCH };
        self.shift_entries(index + 1, len, entry, false);
        self.set_len(len - 1);
    }

    /// Moves the entries `from..to` one place on, or back.
    fn shift_entries(&mut self, from: usize, to: usize, entry: usize, on: bool) {
        let source = HEADER + from * entry..HEADER + to * entry;
        let target = if on { source.start + entry } else { source.start - entry };
        self.0.bytes_mut().copy_within(source, target);
    }

    /// The bytes of the item at `index`.
    pub(super) fn item(&self, index: usize) -> &[u8] {
        let slot = self.slot(index);
        let start = usize::from(slot.start.get());
        self.0.bytes().get(start..start + usize::from(slot.length.get())).unwrap_or_default()
    }

    /// Bytes that items and slots, or branches, take.
    pub(super) fn used(&self) -> usize {
        if self.level() > 0 {
            return self.len() * BRANCH;
        }
        (0..self.len()).map(|index| self.size(index)).sum()
    }

    /// Bytes that the item at `index` takes with its slot.
    fn size(&self, index: usize) -> usize {
        SLOT + usize::from(self.slot(index).length.get())
    }

    /// Whether a leaf has room for an item of `length` bytes.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.used() + SLOT + length <= CAPACITY
    }

    /// Puts an item into a leaf that has room for it.
    pub(super) fn insert_item(&mut self, index: usize, key: Key, item: &[u8]) {
        let len = self.len();
        let slots_end = HEADER + (len + 1) * SLOT;
        let mut floor = self.floor();
        if floor < slots_end + item.len() {
            self.compact();
            floor = self.floor();
        }
        let start = floor - item.len();
        if let Some(place) = self.0.bytes_mut().get_mut(start..floor) {
            place.copy_from_slice(item);
        }
        self.shift_entries(index, len, SLOT, true);
        let number = |value: usize| u16::try_from(value).unwrap_or(u16::MAX).into();
        let slot = Slot { key: key.into(), start: number(start), length: number(item.len()) };
        self.0.put(HEADER + index * SLOT, &slot);
        self.set_len(len + 1);
    }

    /// Where the lowest item starts.
    fn floor(&self) -> usize {
        (0..self.len()).map(|index| usize::from(self.slot(index).start.get())).min().unwrap_or(BLOCK)
    }

    /// Moves all items to the end, without gaps.
    fn compact(&mut self) {
        let mut old = [0; BLOCK];
        old.copy_from_slice(self.0.bytes());
        let mut end = BLOCK;
        for index in 0..self.len() {
            let slot = self.slot(index);
            let (from, length) = (usize::from(slot.start.get()), usize::from(slot.length.get()));
            let start = end - length;
            let item = old.get(from..from + length).unwrap_or_default();
            if let Some(place) = self.0.bytes_mut().get_mut(start..end) {
                place.copy_from_slice(item);
            }
            let start_number = u16::try_from(start).unwrap_or(u16::MAX).into();
            self.0.put(HEADER + index * SLOT, &Slot { start: start_number, ..slot });
            end = start;
        }
    }

    /// Moves the entries from `from` on to `other`, which is empty or has smaller keys only.
    pub(super) fn move_tail(&mut self, from: usize, other: &mut Self) {
        for index in from..self.len() {
            let end = other.len();
            if self.level() == 0 {
                other.insert_item(end, self.key(index), self.item(index));
            } else {
                let branch = self.branch(index);
                other.insert_branch(end, branch.key.into(), branch.child);
            }
        }
        self.set_len(from);
    }

    /// Whether it should be joined with a neighbour.
    pub(super) fn is_small(&self) -> bool {
        self.used() < CAPACITY / 4
    }

    /// Whether it and `other` leave a quarter of one node free.
    pub(super) fn joins(&self, other: &Self) -> bool {
        self.used() + other.used() <= CAPACITY / 4 * 3
    }

    /// Where to cut a leaf so that an item of `length` bytes at `index` has room: the entries from there on go to the right.
    /// Says whether the item goes to the left.
    pub(super) fn cut(&self, index: usize, length: usize) -> (usize, bool) {
        let half = (self.used() + SLOT + length) / 2;
        let mut sum = 0;
        for at in 0..self.len() {
            if at == index {
                sum += SLOT + length;
                if sum >= half {
                    return (at, true);
                }
            }
            sum += self.size(at);
            if sum >= half {
                return (at + 1, index <= at);
            }
        }
        (self.len(), false)
    }
}

const NO_SLOT: Slot = Slot { key: NO_KEY, start: U16_ZERO, length: U16_ZERO };
const NO_BRANCH: Branch =
    Branch { key: NO_KEY, child: Pointer { address: U64_ZERO, generation: U64_ZERO, checksum: U64_ZERO } };
const NO_KEY: super::layout::RawKey = super::layout::RawKey { file: U64_ZERO, kind: 0, offset: U64_ZERO };
const U16_ZERO: zerocopy::little_endian::U16 = zerocopy::little_endian::U16::ZERO;
const U64_ZERO: zerocopy::little_endian::U64 = zerocopy::little_endian::U64::ZERO;
