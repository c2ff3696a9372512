//! The tree of all items of a volume: [`Tree`], a B+ tree that copies what it changes.
//!
//! It does no input or output. What it lacks it names in a [`Miss`]: the caller lets go of the lock, reads that block, hands it
//! in, and asks again. A change comes in two steps: [`Tree::prepare`] may miss or run out of memory, and changes nothing;
//! [`Tree::insert`] and [`Tree::remove`] cannot fail after it.
//!
//! Invariants (walked by [`Tree::check`]): keys under a child are not below its key, and below the next child's; all leaves are as deep; the parent of a changed node is changed.
//!
//! Source: Comer, "The ubiquitous B-tree", 1979; Rodeh, "B-trees, shadowing, and clones", 2008.

mod change;
mod check;
mod drop;
mod seal;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use super::block::Block;
use super::key::Key;
use super::layout::{BlockKind, Pointer};
use super::node::{LEVELS_MAX, Node};
use super::store::{Nodes, is_changed};
use crate::error::FsError;

/// A node that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Miss {
    pub(super) pointer: Pointer,
    pub(super) level: u8,
}

/// Why a change was not prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    Miss(Miss),
    Fs(FsError),
}

impl From<Miss> for Blocked {
    fn from(miss: Miss) -> Self {
        Self::Miss(miss)
    }
}

impl From<FsError> for Blocked {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

/// The nodes from the root to a leaf, and which child was taken in each.
#[derive(Clone, Copy, Debug)]
struct Path {
    ids: [u64; LEVELS_MAX],
    children: [usize; LEVELS_MAX],
    depth: usize,
}

impl Path {
    fn id(&self, depth: usize) -> u64 {
        self.ids.get(depth).copied().unwrap_or_default()
    }

    fn child(&self, depth: usize) -> usize {
        self.children.get(depth).copied().unwrap_or_default()
    }

    fn leaf(&self) -> u64 {
        self.id(self.depth)
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    /// Where the root is; of a changed root only the address counts.
    root: Pointer,
    level: u8,
    nodes: Nodes,
    /// Blocks of the committed tree that this one needs no more.
    freed: Vec<u64>,
    /// What [`Tree::prepare`] counts in.
    copied: Vec<u64>,
}

/// What points to a changed node: nothing is known of it but its id.
fn changed(id: u64) -> Pointer {
    Pointer { address: id.into(), ..Pointer::default() }
}

impl Tree {
    /// A tree without items, not yet on the device.
    pub(super) fn try_new() -> Result<Self, FsError> {
        let mut nodes = Nodes::new();
        nodes.reserve(1, 0)?;
        let root = nodes.insert_changed(Node::try_new(0)?);
        Ok(Self { root: changed(root), level: 0, nodes, freed: Vec::new(), copied: Vec::new() })
    }

    /// A tree on the device.
    pub(super) fn open(root: Pointer, level: u8) -> Result<Self, FsError> {
        if usize::from(level) >= LEVELS_MAX || is_changed(root.address.get()) {
            return Err(FsError::Corrupt { block: root.address.get(), what: "a tree of impossible height" });
        }
        Ok(Self { root, level, nodes: Nodes::new(), freed: Vec::new(), copied: Vec::new() })
    }

    /// The root and its level, when nothing is changed.
    pub(super) const fn root(&self) -> (Pointer, u8) {
        (self.root, self.level)
    }

    /// Nodes that the next commit writes.
    pub(super) const fn changed(&self) -> usize {
        self.nodes.changed()
    }

    /// Nodes in memory.
    #[cfg(test)]
    pub(super) fn cached(&self) -> usize {
        self.nodes.len()
    }

    /// Lets clean nodes go until `budget` are left.
    pub(super) fn shrink(&mut self, budget: usize) {
        self.nodes.shrink(budget);
    }

    /// Takes in the block for which `miss` asked.
    pub(super) fn supply(&mut self, miss: Miss, block: Block, volume: &[u8; 16]) -> Result<(), FsError> {
        block.verify_child(BlockKind::Node, miss.pointer, volume)?;
        self.nodes.insert_clean(miss.pointer.address.get(), Node::parse(block, miss.level)?)
    }

    /// The node that `pointer` points to.
    fn node(&self, pointer: Pointer, level: u8) -> Result<&Node, Miss> {
        self.nodes.get(pointer.address.get()).ok_or(Miss { pointer, level })
    }

    fn path(&self, key: Key) -> Result<Path, Miss> {
        let mut path =
            Path { ids: [0; LEVELS_MAX], children: [0; LEVELS_MAX], depth: usize::from(self.level) };
        let mut pointer = self.root;
        let places = path.ids.iter_mut().zip(&mut path.children);
        for ((id, child), level) in places.zip((0..=self.level).rev()) {
            let node = self.node(pointer, level)?;
            *id = pointer.address.get();
            if level > 0 {
                *child = node.child_of(key);
                pointer = node.branch(*child).child;
            }
        }
        Ok(path)
    }

    /// The item at `key`.
    pub(super) fn get(&self, key: Key) -> Result<Option<&[u8]>, Miss> {
        let leaf = self.leaf(key)?;
        Ok(leaf.search(key).ok().map(|index| leaf.item(index)))
    }

    fn leaf(&self, key: Key) -> Result<&Node, Miss> {
        let mut node = self.node(self.root, self.level)?;
        for level in (0..self.level).rev() {
            node = self.node(node.branch(node.child_of(key)).child, level)?;
        }
        Ok(node)
    }

    /// The first item at `from` or behind it.
    pub(super) fn at_or_after(&self, from: Key) -> Result<Option<(Key, &[u8])>, Miss> {
        let mut from = from;
        loop {
            let leaf = self.leaf(from)?;
            let index = leaf.search(from).unwrap_or_else(|place| place);
            if index < leaf.len() {
                return Ok(Some((leaf.key(index), leaf.item(index))));
            }
            let Some(next) = self.behind_leaf(from)? else { return Ok(None) };
            from = next;
        }
    }

    /// The last item at `until` or before it.
    pub(super) fn at_or_before(&self, until: Key) -> Result<Option<(Key, &[u8])>, Miss> {
        let mut node = self.node(self.root, self.level)?;
        let mut left = None; // the nearest subtree with smaller keys only
        for level in (0..self.level).rev() {
            let child = node.child_of(until);
            if child > 0 {
                left = Some((node.branch(child - 1).child, level));
            }
            node = self.node(node.branch(child).child, level)?;
        }
        let found = node.search(until).map_or_else(|place| place.checked_sub(1), Some);
        if let Some(index) = found {
            return Ok(Some((node.key(index), node.item(index))));
        }
        let Some((pointer, level)) = left else { return Ok(None) };
        let mut node = self.node(pointer, level)?;
        for level in (0..level).rev() {
            node = self.node(node.branch(node.len() - 1).child, level)?;
        }
        Ok(node.len().checked_sub(1).map(|index| (node.key(index), node.item(index))))
    }

    /// The key of the child that comes after the leaf of `key`.
    fn behind_leaf(&self, key: Key) -> Result<Option<Key>, Miss> {
        let mut node = self.node(self.root, self.level)?;
        let mut behind = None;
        for level in (0..self.level).rev() {
            let child = node.child_of(key);
            if child + 1 < node.len() {
                behind = Some(node.key(child + 1));
            }
            node = self.node(node.branch(child).child, level)?;
        }
        Ok(behind)
    }

    /// The bytes of a node that was sealed.
    pub(super) fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.nodes.get(address).map(|node| node.block().bytes())
    }

    /// Whether there are committed blocks that the tree no longer needs.
    pub(super) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// One of them.
    pub(super) fn next_freed(&self) -> Option<u64> {
        self.freed.last().copied()
    }

    /// Forgets it.
    pub(super) fn pop_freed(&mut self) {
        self.freed.pop();
    }
}
