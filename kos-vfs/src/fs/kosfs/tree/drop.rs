//! Nodes that are lost: taken out of a [`Tree`] unread.

use super::super::key::Key;
use super::super::node::{LEVELS_MAX, Node};
use super::{Blocked, Tree, changed};
use crate::error::FsError;

impl Tree {
    /// Takes the child at `level` on the way to `key` out of its parent, with all that is below, of which nothing is read and
    /// nothing given up.
    pub(in crate::fs::kosfs) fn drop_child(&mut self, key: Key, level: u8) -> Result<(), Blocked> {
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
}
