//! The rules of a weak AVL tree: what happens when a subtree has grown or shrunk by one rank, and the rotations for it.
//!
//! Each rotation keeps what is below the moved nodes together, so the summary of the whole stays and two have to be made anew.

use super::{Order, Tree};
use crate::task::node::{Link, Node};
use crate::task::{Nodes, TaskIndex};

/// The link of a node to its parent.
pub(super) const PARENT: usize = 2;

/// Left or right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl Node {
    #[inline]
    pub(super) const fn child(&self, side: Side) -> Link {
        match side {
            Side::Left => self.links[0],
            Side::Right => self.links[1],
        }
    }

    #[inline]
    pub(super) const fn set_child(&mut self, side: Side, child: Link) {
        match side {
            Side::Left => self.links[0] = child,
            Side::Right => self.links[1] = child,
        }
    }
}

impl Nodes<'_> {
    /// The node that `link` leads to.
    #[inline]
    pub(super) fn at(&self, link: Link) -> Option<&Node> {
        self.get(TaskIndex::new(link.raw()))
    }

    #[inline]
    pub(super) fn at_mut(&mut self, link: Link) -> Option<&mut Node> {
        self.get_mut(TaskIndex::new(link.raw()))
    }

    fn rank(&self, link: Link) -> u8 {
        self.at(link).map_or(0, |node| node.rank)
    }

    fn add_rank(&mut self, link: Link, by: i8) {
        if let Some(node) = self.at_mut(link) {
            node.rank = node.rank.wrapping_add_signed(by);
        }
    }

    fn child(&self, link: Link, side: Side) -> Link {
        self.at(link).map_or(Link::NONE, |node| node.child(side))
    }

    fn side_of(&self, child: Link, parent: Link) -> Side {
        if self.child(parent, Side::Left) == child { Side::Left } else { Side::Right }
    }
}

impl<O: Order> Tree<O> {
    pub(super) fn set_parent(n: &mut Nodes<'_>, at: Link, parent: Link) {
        if let Some(node) = n.at_mut(at) {
            node.links[PARENT] = parent;
        }
    }

    /// Puts `new`, or nobody, where `old` is below `parent`.
    pub(super) fn replace(&mut self, n: &mut Nodes<'_>, old: Link, new: Link, parent: Link) {
        let side = n.side_of(old, parent);
        match n.at_mut(parent) {
            Some(parent) => parent.set_child(side, new),
            None => self.root = new,
        }
        Self::set_parent(n, new, parent);
    }

    /// `at` has grown by a rank. Ends in O(1) on average.
    #[inline]
    pub(super) fn rebalance_grown(&mut self, n: &mut Nodes<'_>, mut at: Link) {
        loop {
            let Some(&Node { links, rank, .. }) = n.at(at) else { return };
            let parent = links[PARENT];
            if n.rank(parent) != rank {
                return;
            }
            let side = n.side_of(at, parent);
            if rank - n.rank(n.child(parent, side.other())).min(rank) == 1 {
                n.add_rank(parent, 1);
                at = parent;
                continue;
            }
            let inner = n.child(at, side.other());
            n.add_rank(parent, -1);
            if rank - n.rank(inner).min(rank) == 2 {
                self.rotate(n, at, parent, side);
            } else {
                n.add_rank(at, -1);
                n.add_rank(inner, 1);
                self.rotate(n, inner, at, side.other());
                self.rotate(n, inner, parent, side);
            }
            return;
        }
    }

    /// `at`, which may be nobody, below `parent` has shrunk by a rank. Ends in O(1) on average.
    #[inline]
    pub(super) fn rebalance_shrunk(&mut self, n: &mut Nodes<'_>, mut at: Link, mut parent: Link) {
        if n.at(parent).is_some_and(|node| node.rank == 2 && node.links[0] == node.links[1]) {
            n.add_rank(parent, -1);
            at = parent;
            parent = n.at(at).map_or(Link::NONE, |node| node.links[PARENT]);
        }
        while parent != Link::NONE && n.rank(parent).wrapping_sub(n.rank(at)) == 3 {
            // The side is told by the sibling: `at` may be nobody, and so may a link of the sibling's.
            let side = if n.child(parent, Side::Left) == at { Side::Left } else { Side::Right };
            let sibling = n.child(parent, side.other());
            let rank = n.rank(sibling);
            let two_below = n.rank(parent).wrapping_sub(rank) == 2;
            let [outer, inner] = [side.other(), side].map(|side| n.child(sibling, side));
            let [outer_difference, inner_difference] =
                [outer, inner].map(|child| rank.wrapping_sub(n.rank(child)));
            if !two_below && (outer_difference == 1 || inner_difference == 1) {
                return self.rotate_shrunk(n, parent, sibling, side, outer_difference == 1);
            }
            n.add_rank(parent, -1);
            if !two_below {
                n.add_rank(sibling, -1);
            }
            at = parent;
            parent = n.at(at).map_or(Link::NONE, |node| node.links[PARENT]);
        }
    }

    /// Mends `parent`, whose child on `side` is too low, by a rotation with its other child, or two.
    fn rotate_shrunk(&mut self, n: &mut Nodes<'_>, parent: Link, sibling: Link, side: Side, single: bool) {
        if single {
            n.add_rank(sibling, 1);
            n.add_rank(parent, -1);
            self.rotate(n, sibling, parent, side.other());
            if n.at(parent).is_some_and(|node| node.links[0] == node.links[1]) {
                n.add_rank(parent, -1);
            }
        } else {
            let inner = n.child(sibling, side);
            n.add_rank(inner, 2);
            n.add_rank(sibling, -1);
            n.add_rank(parent, -2);
            self.rotate(n, inner, sibling, side);
            self.rotate(n, inner, parent, side.other());
        }
    }

    /// Puts `at`, the child of `parent` on `side`, in the parent's place and the parent below it.
    fn rotate(&mut self, n: &mut Nodes<'_>, at: Link, parent: Link, side: Side) {
        let Some(grandparent) = n.at(parent).map(|node| node.links[PARENT]) else { return };
        let moved = n.child(at, side.other());
        self.replace(n, parent, at, grandparent);
        if let Some(node) = n.at_mut(parent) {
            node.set_child(side, moved);
            node.links[PARENT] = at;
        }
        Self::set_parent(n, moved, parent);
        if let Some(node) = n.at_mut(at) {
            node.set_child(side.other(), parent);
        }
        Self::summarize(n, parent);
        Self::summarize(n, at);
    }

    fn summarize(n: &mut Nodes<'_>, at: Link) {
        let Some(node) = n.at(at) else { return };
        let summary = O::summary(node, n.at(node.links[0]), n.at(node.links[1]));
        if let Some(node) = n.at_mut(at) {
            O::store(node, summary);
        }
    }
}
