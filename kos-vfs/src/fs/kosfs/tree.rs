//! The tree of all items of a volume: [`Tree`], a B+ tree that copies what it changes.
//!
//! It does no input or output. What it lacks it names in a [`Miss`]: the caller lets go of the lock, reads that block, hands it
//! in, and asks again. A change comes in two steps: [`Tree::prepare`] may miss or run out of memory, and changes nothing;
//! [`Tree::insert`] and [`Tree::remove`] cannot fail after it.
//!
//! Invariants (walked by [`Tree::check`]): keys under a child are not below its key, and below the next child's; all leaves are as deep; the parent of a changed node is changed.
//!
//! Source: Comer, "The ubiquitous B-tree", 1979; Rodeh, "B-trees, shadowing, and clones", 2008.

use alloc::vec::Vec;

use super::block::{Block, Expected};
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
        Ok(Self { root: changed(root), level: 0, nodes, freed: Vec::new() })
    }

    /// A tree on the device.
    pub(super) fn open(root: Pointer, level: u8) -> Result<Self, FsError> {
        if usize::from(level) >= LEVELS_MAX || is_changed(root.address.get()) {
            return Err(FsError::Corrupt { block: root.address.get(), what: "a tree of impossible height" });
        }
        Ok(Self { root, level, nodes: Nodes::new(), freed: Vec::new() })
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

    /// Makes sure that one change at each of `keys` succeeds. Nothing is changed yet.
    pub(super) fn prepare(&mut self, keys: &[Key]) -> Result<(), Blocked> {
        for &key in keys {
            self.path(key)?;
        }
        let levels = (usize::from(self.level) + 2) * keys.len();
        self.nodes.reserve(2 * levels, levels)?;
        self.freed.try_reserve(3 * levels).map_err(FsError::from)?;
        Ok(())
    }

    /// Blocks that one prepared change may need more at the next commit, at most.
    pub(super) fn cost(&self) -> u64 {
        2 * (u64::from(self.level) + 2)
    }

    /// Makes the node changed that `pointer` points to; returns its id.
    fn change(&mut self, pointer: Pointer) -> u64 {
        let id = pointer.address.get();
        if is_changed(id) {
            return id;
        }
        let Some(node) = self.nodes.remove(id) else { return id };
        self.freed.push(id);
        self.nodes.insert_changed(node)
    }

    fn change_child(&mut self, parent: u64, index: usize) -> u64 {
        let Some(pointer) = self.nodes.get(parent).map(|node| node.branch(index).child) else {
            return parent;
        };
        let id = self.change(pointer);
        if let Some(node) = self.nodes.get_mut(parent) {
            node.set_child(index, changed(id));
        }
        id
    }

    /// Makes the nodes down to the leaf of `key` changed. They are in memory.
    fn change_path(&mut self, key: Key) -> Option<Path> {
        let mut path = self.path(key).ok()?;
        let mut id = self.change(self.root);
        self.root = changed(id);
        for depth in 0..=path.depth {
            *path.ids.get_mut(depth)? = id;
            if depth < path.depth {
                id = self.change_child(id, path.child(depth));
            }
        }
        Some(path)
    }

    /// Stores `item`, at most [`ITEM_MAX`](super::node::ITEM_MAX) bytes, at `key`, where a change was prepared; an item there
    /// is replaced.
    pub(super) fn insert(&mut self, key: Key, item: &[u8]) {
        let Some(path) = self.change_path(key) else { return };
        self.cover(&path, key);
        let Some(leaf) = self.nodes.get_mut(path.leaf()) else { return };
        let found = leaf.search(key);
        if let Ok(index) = found {
            leaf.remove(index);
        }
        let index = found.unwrap_or_else(|place| place);
        if leaf.has_room(item.len()) {
            leaf.insert_item(index, key, item);
            return;
        }
        let (cut, left) = leaf.cut(index, item.len());
        let Some(mut right) = self.nodes.take_spare(0) else { return };
        let Some(leaf) = self.nodes.get_mut(path.leaf()) else { return };
        leaf.move_tail(cut, &mut right);
        if left {
            leaf.insert_item(index, key, item);
        } else {
            right.insert_item(index - cut, key, item);
        }
        self.add_sibling(&path, right);
    }

    /// Lowers the keys of first children that `key` is below of.
    fn cover(&mut self, path: &Path, key: Key) {
        for depth in 0..path.depth {
            if let Some(node) = self.nodes.get_mut(path.id(depth)).filter(|node| key < node.key(0)) {
                node.set_key(0, key);
            }
        }
    }

    /// Hangs `right` into the tree behind the leaf of `path`.
    fn add_sibling(&mut self, path: &Path, right: Node) {
        let mut right = right;
        for depth in (0..path.depth).rev() {
            let key = right.key(0);
            let child = changed(self.nodes.insert_changed(right));
            let place = path.child(depth) + 1;
            let Some(parent) = self.nodes.get_mut(path.id(depth)) else { return };
            if parent.has_branch_room() {
                parent.insert_branch(place, key, child);
                return;
            }
            let (level, half) = (parent.level(), parent.len() / 2);
            let Some(mut other) = self.nodes.take_spare(level) else { return };
            let Some(parent) = self.nodes.get_mut(path.id(depth)) else { return };
            parent.move_tail(half, &mut other);
            if place <= half {
                parent.insert_branch(place, key, child);
            } else {
                other.insert_branch(place - half, key, child);
            }
            right = other;
        }
        self.grow(right);
    }

    /// A new root over the old one and `right`.
    fn grow(&mut self, right: Node) {
        let Some(mut root) = self.nodes.take_spare(self.level + 1) else { return };
        root.insert_branch(0, Key::LEAST, self.root);
        root.insert_branch(1, right.key(0), changed(self.nodes.insert_changed(right)));
        self.root = changed(self.nodes.insert_changed(root));
        self.level += 1;
    }

    /// Takes out the item at `key`, where a change was prepared. Whether there was one.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        if !matches!(self.get(key), Ok(Some(_))) {
            return false;
        }
        let Some(path) = self.change_path(key) else { return false };
        let Some(leaf) = self.nodes.get_mut(path.leaf()) else { return false };
        if let Ok(index) = leaf.search(key) {
            leaf.remove(index);
        }
        for depth in (0..path.depth).rev() {
            self.tidy(path.id(depth), path.child(depth), path.id(depth + 1));
        }
        self.lower();
        true
    }

    /// Takes the child at `level` on the way to `key` out of its parent, with all that is below, of which nothing is read and
    /// nothing given up.
    pub(super) fn drop_child(&mut self, key: Key, level: u8) -> Result<(), Blocked> {
        if level >= self.level {
            self.nodes.reserve(1, 0)?;
            self.root = changed(self.nodes.insert_changed(Node::try_new(0)?));
            self.level = 0;
            return Ok(());
        }
        let (mut ids, depth) = ([(0, 0); LEVELS_MAX], usize::from(self.level - level));
        let mut pointer = self.root;
        for (place, level) in ids.iter_mut().zip((level + 1..=self.level).rev()) {
            let node = self.node(pointer, level)?;
            let child = node.child_of(key);
            *place = (0, child);
            pointer = node.branch(child).child;
        }
        self.nodes.reserve(3 * depth, 0)?;
        self.freed.try_reserve(3 * depth).map_err(FsError::from)?;
        let mut id = self.change(self.root);
        self.root = changed(id);
        for at in 0..depth {
            let Some(place) = ids.get_mut(at) else { break };
            place.0 = id;
            if at + 1 < depth {
                id = self.change_child(id, place.1);
            }
        }
        let ids = ids.get(..depth).unwrap_or_default();
        if let Some((id, child)) = ids.last()
            && let Some(node) = self.nodes.get_mut(*id)
        {
            node.remove(*child);
        }
        for pair in ids.windows(2).rev() {
            if let [(parent, index), (child, _)] = *pair {
                self.tidy(parent, index, child);
            }
        }
        self.lower();
        Ok(())
    }

    /// Takes an empty child out of its parent; joins one that has become small with a neighbour that is in memory.
    fn tidy(&mut self, parent: u64, index: usize, child: u64) {
        let Some(node) = self.nodes.get(child) else { return };
        if node.len() == 0 {
            self.nodes.remove(child);
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.remove(index);
            }
            return;
        }
        if node.is_small() {
            let _ = self.join(parent, index) || (index > 0 && self.join(parent, index - 1));
        }
    }

    /// Joins the children at `index` and behind it, if both are in memory and half a node has room for them.
    fn join(&mut self, parent: u64, index: usize) -> bool {
        let Some((left, right)) = self.neighbours(parent, index) else { return false };
        let left = self.change(left);
        let Some(mut moved) = self.nodes.remove(right.address.get()) else { return false };
        if !is_changed(right.address.get()) {
            self.freed.push(right.address.get());
        }
        if let Some(left) = self.nodes.get_mut(left) {
            moved.move_tail(0, left);
        }
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.set_child(index, changed(left));
            parent.remove(index + 1);
        }
        true
    }

    fn neighbours(&self, parent: u64, index: usize) -> Option<(Pointer, Pointer)> {
        let parent = self.nodes.get(parent)?;
        if index + 1 >= parent.len() {
            return None;
        }
        let (left, right) = (parent.branch(index).child, parent.branch(index + 1).child);
        let fits = self.nodes.get(left.address.get())?.joins(self.nodes.get(right.address.get())?);
        fits.then_some((left, right))
    }

    /// Takes off roots with one child or none.
    fn lower(&mut self) {
        while self.level > 0 {
            let id = self.root.address.get();
            let Some(node) = self.nodes.get(id) else { return };
            match node.len() {
                0 => {
                    self.level = 0;
                    if let Some(node) = self.nodes.get_mut(id) {
                        node.clear(0);
                    }
                    return;
                }
                1 => {
                    self.root = node.branch(0).child;
                    self.level -= 1;
                    self.nodes.remove(id);
                }
                _ => return,
            }
        }
    }

    /// Gives every changed node a block and its checksum: the tree is what the device will have, and `written` are the blocks
    /// to write, children first.
    ///
    /// # Errors
    /// No memory; nothing is changed.
    pub(super) fn seal(
        &mut self,
        volume: &[u8; 16],
        generation: u64,
        allocate: &mut dyn FnMut() -> u64,
        written: &mut Vec<u64>,
    ) -> Result<(), FsError> {
        written.try_reserve(self.changed())?;
        if is_changed(self.root.address.get()) {
            let mut seal = Seal { nodes: &mut self.nodes, volume, generation, allocate, written };
            self.root = seal.node(self.root);
        }
        Ok(())
    }

    /// The bytes of a node that was sealed.
    pub(super) fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.nodes.get(address).map(|node| node.block().bytes())
    }

    /// Walks every invariant of what is in memory.
    ///
    /// # Errors
    /// [`FsError::Corrupt`] with what is wrong.
    pub(super) fn check(&self) -> Result<(), FsError> {
        let changed = self.check_below(self.root, self.level, Key::LEAST, None)?;
        let lost = FsError::Corrupt { block: 0, what: "a changed node that nothing points to" };
        if changed == self.changed() { Ok(()) } else { Err(lost) }
    }

    /// Checks the nodes below and at `pointer`, whose keys are at `low` or above and below `high`. Counts the changed ones.
    fn check_below(
        &self,
        pointer: Pointer,
        level: u8,
        low: Key,
        high: Option<Key>,
    ) -> Result<usize, FsError> {
        let address = pointer.address.get();
        let corrupt = |what| Err(FsError::Corrupt { block: address, what });
        let Some(node) = self.nodes.get(address) else {
            return if is_changed(address) { corrupt("a changed node is missing") } else { Ok(0) };
        };
        let keys = (0..node.len()).map(|index| node.key(index));
        let inside = keys.clone().all(|key| key >= low && high.is_none_or(|high| key < high));
        if node.level() != level || !inside || !keys.is_sorted_by(|a, b| a < b) {
            return corrupt("a node with keys or a level of another");
        }
        let mut sum = usize::from(is_changed(address));
        for index in 0..if level == 0 { 0 } else { node.len() } {
            let high = if index + 1 < node.len() { Some(node.key(index + 1)) } else { high };
            sum += self.check_below(node.branch(index).child, level - 1, node.key(index), high)?;
        }
        if sum > 0 && !is_changed(address) {
            return corrupt("a changed node below one that is not");
        }
        Ok(sum)
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

/// A commit at work.
struct Seal<'a> {
    nodes: &'a mut Nodes,
    volume: &'a [u8; 16],
    generation: u64,
    allocate: &'a mut dyn FnMut() -> u64,
    written: &'a mut Vec<u64>,
}

impl Seal<'_> {
    /// Seals what is changed below and at `pointer`, at most [`LEVELS_MAX`] calls deep.
    fn node(&mut self, pointer: Pointer) -> Pointer {
        let Some(mut node) = self.nodes.remove(pointer.address.get()) else { return pointer };
        let children = if node.level() == 0 { 0 } else { node.len() };
        for index in 0..children {
            let child = node.branch(index).child;
            if is_changed(child.address.get()) {
                node.set_child(index, self.node(child));
            }
        }
        let address = (self.allocate)();
        let expected = Expected { kind: BlockKind::Node, address, volume: self.volume };
        let sealed = node.block_mut().seal(expected, self.generation);
        self.written.push(address);
        // A place was just emptied: this one needs no memory.
        let _ = self.nodes.insert_clean(address, node);
        sealed
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
