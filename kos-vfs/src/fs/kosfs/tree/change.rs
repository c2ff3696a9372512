//! Changes of a [`Tree`]: prepared first, then done without failing; nodes split and join.

use alloc::vec::Vec;

use super::super::key::Key;
use super::super::layout::Pointer;
use super::super::node::{BRANCHES_MAX, Node};
use super::super::store::is_changed;
use super::{Blocked, Path, Tree, changed};
use crate::error::FsError;

impl Tree {
    /// Makes sure that one change at each of `keys` succeeds, of which `puts` store an item. Nothing is changed yet. Returns
    /// how many blocks more the next commit may need for it.
    ///
    /// Each clean node on a path is copied once. Joining two nodes makes no third one changed. An item splits one leaf at most,
    /// and an inner node is split once for every half of its children.
    pub(in crate::fs::kosfs) fn prepare(&mut self, keys: &[Key], puts: usize) -> Result<u64, Blocked> {
        let mut copied = core::mem::take(&mut self.copied);
        copied.clear();
        let walked = keys.iter().try_for_each(|&key| self.copies(key, &mut copied));
        let copies = copied.len();
        self.copied = copied;
        walked?;
        let levels = usize::from(self.level) + 2;
        let splits = if puts == 0 { 0 } else { puts + levels * (puts / (BRANCHES_MAX / 2) + 1) };
        self.nodes.reserve(2 * levels * keys.len(), splits)?;
        self.freed.try_reserve(3 * levels * keys.len()).map_err(FsError::from)?;
        Ok((copies + splits) as u64)
    }

    /// Adds the clean nodes on the way to `key` to `copied`.
    fn copies(&self, key: Key, copied: &mut Vec<u64>) -> Result<(), Blocked> {
        let path = self.path(key)?;
        for &id in path.ids.iter().take(path.depth + 1) {
            if !is_changed(id) && !copied.contains(&id) {
                copied.try_reserve(1).map_err(FsError::from)?;
                copied.push(id);
            }
        }
        Ok(())
    }

    /// Makes the node changed that `pointer` points to; returns its id.
    pub(super) fn change(&mut self, pointer: Pointer) -> u64 {
        let id = pointer.address.get();
        if is_changed(id) {
            return id;
        }
        let Some(node) = self.nodes.remove(id) else { return id };
        self.freed.push(id);
        self.nodes.insert_changed(node)
    }

    pub(super) fn change_child(&mut self, parent: u64, index: usize) -> u64 {
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

    /// Stores `item`, at most [`ITEM_MAX`](super::super::node::ITEM_MAX) bytes, at `key`, where a change was prepared; an item there
    /// is replaced.
    pub(in crate::fs::kosfs) fn insert(&mut self, key: Key, item: &[u8]) {
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
    pub(in crate::fs::kosfs) fn remove(&mut self, key: Key) -> bool {
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

    /// Takes an empty child out of its parent; joins one that has become small with a neighbour that is in memory.
    pub(super) fn tidy(&mut self, parent: u64, index: usize, child: u64) {
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
    pub(super) fn lower(&mut self) {
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
}
