//! The rules of a weak AVL tree: what happens when a subtree has grown or shrunk by one rank, and the rotations for it.
//!
//! Each rotation keeps what is below the moved nodes together, so the summary of the whole stays and two have to be made anew.

use super::{Order, Tree};
use crate::task::Nodes;
use crate::task::node::{Link, Node};

/// The link of a node to its parent.
pub(super) const PARENT: usize = 2;

/// Left or right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    /// The side on which `child` hangs below a node with these links.
    #[inline]
    pub(super) fn of(child: Link, [left, ..]: [Link; 3]) -> Self {
        if left == child { Self::Left } else { Self::Right }
    }

    #[inline]
    pub(super) const fn child(self, [left, right, _]: [Link; 3]) -> Link {
        match self {
            Self::Left => left,
            Self::Right => right,
        }
    }

    #[inline]
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
        side.child(self.links)
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
    #[inline]
    fn rank(&self, link: Link) -> u8 {
        self.at(link).map_or(0, |node| node.rank)
    }

    #[inline]
    fn add_rank(&mut self, link: Link, by: i8) {
        if let Some(node) = self.at_mut(link) {
            node.rank = node.rank.wrapping_add_signed(by);
        }
    }
}

impl<O: Order> Tree<O> {
    #[inline]
    pub(super) fn set_parent(n: &mut Nodes<'_>, at: Link, parent: Link) {
        if let Some(node) = n.at_mut(at) {
            node.links[PARENT] = parent;
        }
    }

    /// Hangs `new`, or nobody, where `old` is below `parent`.
    #[inline]
    pub(super) fn hang(&mut self, n: &mut Nodes<'_>, old: Link, new: Link, parent: Link) {
        match n.at_mut(parent) {
            Some(parent) => parent.set_child(Side::of(old, parent.links), new),
            None => self.root = new,
        }
    }

    /// `at` has grown by a rank. Ends in O(1) on average.
    #[inline]
    pub(super) fn rebalance_grown(&mut self, n: &mut Nodes<'_>, mut at: Link, mut rank: u8) {
        let Some(&Node { links: [.., mut parent], .. }) = n.at(at) else { return };
        loop {
            let Some(above) = n.at(parent).filter(|above| above.rank == rank) else { return };
            let links = above.links;
            let side = Side::of(at, links);
            if rank.wrapping_sub(n.rank(side.other().child(links))) != 1 {
                return self.rotate_grown(n, at, parent, side);
            }
            n.add_rank(parent, 1);
            rank = rank.wrapping_add(1);
            (at, parent) = (parent, links[PARENT]);
        }
    }

    /// Mends `parent`, to which its child `at` on `side` is equal in rank, by a rotation or two.
    fn rotate_grown(&mut self, n: &mut Nodes<'_>, at: Link, parent: Link, side: Side) {
        let Some(&Node { links, rank, .. }) = n.at(at) else { return };
        let inner = side.other().child(links);
        n.add_rank(parent, -1);
        if rank.wrapping_sub(n.rank(inner)) == 2 {
            return self.rotate(n, at, parent, side);
        }
        n.add_rank(at, -1);
        n.add_rank(inner, 1);
        self.rotate(n, inner, at, side.other());
        self.rotate(n, inner, parent, side);
    }

    /// `at`, which may be nobody, below `parent` has shrunk by a rank. Ends in O(1) on average.
    #[inline]
    pub(super) fn rebalance_shrunk(&mut self, n: &mut Nodes<'_>, mut at: Link, mut parent: Link) {
        let mut rank = n.rank(at);
        let Some(&Node { mut links, rank: mut above, .. }) = n.at(parent) else { return };
        if above == 2 && links[0] == links[1] {
            // A leaf of rank 2.
            n.add_rank(parent, -1);
            rank = 1;
            (at, parent) = (parent, links[PARENT]);
            let Some(&Node { links: further, rank: higher, .. }) = n.at(parent) else { return };
            (links, above) = (further, higher);
        }
        while above.wrapping_sub(rank) == 3 {
            // The side is told by the sibling: `at` may be nobody, and so may a link of the sibling's.
            let side = Side::of(at, links);
            let sibling = side.other().child(links);
            let Some(&Node { links: nephews, rank: beside, .. }) = n.at(sibling) else { return };
            if above.wrapping_sub(beside) != 2 {
                let [outer, inner] =
                    [side.other(), side].map(|side| beside.wrapping_sub(n.rank(side.child(nephews))));
                if outer == 1 || inner == 1 {
                    return self.rotate_shrunk(n, parent, sibling, side, outer == 1);
                }
                n.add_rank(sibling, -1);
            }
            n.add_rank(parent, -1);
            rank = above.wrapping_sub(1);
            (at, parent) = (parent, links[PARENT]);
            let Some(&Node { links: further, rank: higher, .. }) = n.at(parent) else { return };
            (links, above) = (further, higher);
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
            return;
        }
        let inner = n.at(sibling).map_or(Link::NONE, |node| node.child(side));
        n.add_rank(inner, 2);
        n.add_rank(sibling, -1);
        n.add_rank(parent, -2);
        self.rotate(n, inner, sibling, side);
        self.rotate(n, inner, parent, side.other());
    }

    /// Puts `at`, the child of `parent` on `side`, in the parent's place and the parent below it.
    fn rotate(&mut self, n: &mut Nodes<'_>, at: Link, parent: Link, side: Side) {
        let (Some(below), Some(above)) = (n.at(at), n.at(parent)) else { return };
        let (moved, grandparent) = (below.child(side.other()), above.links[PARENT]);
        let (leftmost, whole) = (above.leftmost, O::stored(above));
        let leftmost_below = leftmost && side == Side::Right;
        let (inner, outer) = (n.at(moved), n.at(above.child(side.other())));
        let (left, right) = if side == Side::Left { (inner, outer) } else { (outer, inner) };
        let part = O::summary(above, left, right, leftmost_below);
        if let Some(node) = n.at_mut(parent) {
            node.set_child(side, moved);
            node.links[PARENT] = at;
            node.leftmost = leftmost_below;
            O::store(node, part);
        }
        Self::set_parent(n, moved, parent);
        self.hang(n, parent, at, grandparent);
        if let Some(node) = n.at_mut(at) {
            node.set_child(side.other(), parent);
            node.links[PARENT] = grandparent;
            node.leftmost = leftmost;
            // The same nodes are below it as were below the parent.
            O::store(node, whole);
        }
        if leftmost {
            Self::repair_one(n, at);
        }
    }

    /// Repairs the summary of a leftmost node: what it leaves out depends on its children.
    fn repair_one(n: &mut Nodes<'_>, at: Link) {
        let Some(node) = n.at(at) else { return };
        let summary = Self::summary(n, node);
        if let Some(node) = n.at_mut(at) {
            O::store(node, summary);
        }
    }
}
