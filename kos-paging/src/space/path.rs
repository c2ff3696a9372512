//! Ways from the root of a [`Tree`] down, to change what they lead to and balance all that they pass.

use super::tree::{NIL, Tree, child};

/// The deepest path of a tree of 2^32 nodes.
const DEPTH: usize = 48;

/// Nodes from the root, each with the side on which the way goes on.
#[derive(Debug)]
pub(super) struct Path {
    steps: [(u32, usize); DEPTH],
    len: usize,
}

impl Default for Path {
    fn default() -> Self {
        Self { steps: [(NIL, 0); DEPTH], len: 0 }
    }
}

impl Path {
    pub(super) fn push(&mut self, node: u32, side: usize) {
        if let Some(step) = self.steps.get_mut(self.len) {
            *step = (node, side);
            self.len += 1;
        }
    }

    /// The node that the path leads to.
    pub(super) fn follow<O>(&self, tree: &Tree<O>) -> u32 {
        match self.last() {
            Some((node, side)) => tree.node(node).map_or(NIL, |node| child(node, side)),
            None => tree.root,
        }
    }

    /// Makes the path lead to another node.
    pub(super) fn link<O>(&self, tree: &mut Tree<O>, to: u32) {
        match self.last() {
            Some((node, side)) => tree.set_child(node, side, to),
            None => tree.root = to,
        }
    }

    fn last(&self) -> Option<(u32, usize)> {
        self.steps.get(self.len.checked_sub(1)?).copied()
    }

    /// Balances every node of the path, the last first.
    pub(super) fn rebalance<O>(mut self, tree: &mut Tree<O>) {
        while let Some((node, _)) = self.last() {
            self.len -= 1;
            let risen = tree.balance(node);
            self.link(tree, risen);
        }
    }
}
