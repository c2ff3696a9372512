//! [`Tree`]: a balanced tree that keeps a summary of each subtree in its top node, and knows its first and last node.
//!
//! A weak AVL tree: each node has a rank, a missing one 0 and a leaf 1, and each child is 1 or 2 below its parent; so the height
//! is at most 2 log2 n, and the rebalancing of one change is O(1) on average. Summaries are repaired upwards until one comes out as
//! it was. Who comes in behind the last node costs no search, which is what a fair queue mostly does.
//!
//! A search by summaries begins at the first node and climbs. So the nodes on the way from the top to the first one, the *leftmost*
//! ones, need not say what is left of them, and to take the first node out changes no summary but, at most, its parent's.
//!
//! Source: Haeupler, Sen, Tarjan, "Rank-Balanced Trees", 2015.

mod balance;

use core::fmt;
use core::marker::PhantomData;

use crate::error::Corruption;
use crate::task::node::Link;
use crate::task::{Node, Nodes, TaskIndex};
use balance::{PARENT, Side};

/// The order of a tree, and what it knows of each subtree.
pub trait Order {
    /// What is known of a subtree.
    type Summary: Copy + PartialEq + fmt::Debug;

    /// Whether `a` comes before `b`. Equals stay in the order in which they came.
    fn before(a: &Node, b: &Node) -> bool;

    /// The summary of `node` and what is below it. Of a `leftmost` node, [`Tree::find_first`] needs no word on what is left of it:
    /// the more is left out, the fewer nodes change with the first one.
    fn summary(node: &Node, left: Option<&Node>, right: Option<&Node>, leftmost: bool) -> Self::Summary;

    /// The summary that `node` holds.
    fn stored(node: &Node) -> Self::Summary;

    /// Makes `node` hold `summary`.
    fn store(node: &mut Node, summary: Self::Summary);
}

/// A tree of nodes in the order `O`. What `O` reads of a node must not change while the node is in.
pub struct Tree<O> {
    root: Link,
    first: Link,
    last: Link,
    order: PhantomData<fn() -> O>,
}

impl<O> fmt::Debug for Tree<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("root", &self.root).field("first", &self.first).finish_non_exhaustive()
    }
}

impl<O: Order> Tree<O> {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: Link::NONE, first: Link::NONE, last: Link::NONE, order: PhantomData }
    }

    /// Whether it is empty.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root == Link::NONE
    }

    /// The first node.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> Option<TaskIndex> {
        self.first.get()
    }

    /// The top node, whose summary is that of all.
    #[inline]
    #[must_use]
    pub const fn root(&self) -> Option<TaskIndex> {
        self.root.get()
    }

    /// Puts `task`, which is in no container, in: behind its equals.
    #[inline]
    pub fn insert(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some((parent, side)) = self.place_for(n, task) else { return };
        let at = Link::to(task);
        let Some(node) = n.get_mut(task) else { return };
        node.links = [Link::NONE, Link::NONE, parent];
        node.rank = 1;
        node.leftmost = parent == self.first && (side == Side::Left || parent == Link::NONE);
        if node.leftmost {
            self.first = at;
        }
        let summary = O::summary(node, None, None, node.leftmost);
        O::store(node, summary);
        match n.at_mut(parent) {
            Some(parent) => parent.set_child(side, at),
            None => self.root = at,
        }
        if parent == self.last && (side == Side::Right || parent == Link::NONE) {
            self.last = at;
        }
        Self::repair(n, parent, Link::NONE);
        self.rebalance_grown(n, at, 1);
    }

    /// Takes `task`, which is in this tree, out.
    #[inline]
    pub fn remove(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(&Node { links: [left, right, parent], rank, leftmost, .. }) = n.get(task) else { return };
        let at = Link::to(task);
        if at == self.first {
            self.first = if right == Link::NONE { parent } else { Self::end(n, right, Side::Left) };
        }
        if at == self.last {
            self.last = if left == Link::NONE { parent } else { Self::end(n, left, Side::Right) };
        }
        if left != Link::NONE && right != Link::NONE {
            return self.remove_inner(n, at, rank, leftmost);
        }
        let child = if left == Link::NONE { right } else { left };
        self.hang(n, at, child, parent);
        if let Some(child) = n.at_mut(child) {
            child.links[PARENT] = parent;
            // Who comes in the place of the first node is a leaf: its summary leaves nothing out.
            child.leftmost = leftmost;
        }
        Self::repair(n, parent, Link::NONE);
        self.rebalance_shrunk(n, child, parent);
    }

    /// The node behind `task`.
    #[must_use]
    pub fn next(&self, n: &Nodes<'_>, task: TaskIndex) -> Option<TaskIndex> {
        let mut at = Link::to(task);
        let right = n.get(task)?.child(Side::Right);
        if right != Link::NONE {
            return Self::end(n, right, Side::Left).get();
        }
        loop {
            let parent = n.at(at)?.links[PARENT];
            if n.at(parent)?.child(Side::Left) == at {
                return parent.get();
            }
            at = parent;
        }
    }

    /// The nodes in order.
    pub fn iter(&self, n: &Nodes<'_>) -> impl Iterator<Item = TaskIndex> + Clone {
        core::iter::successors(self.first(), |&task| self.next(n, task)).take(n.capacity())
    }

    /// The first node in order that is `good`, if of every subtree one can tell by the summary of its top node that it `may` have a
    /// good one; of a leftmost top node, that it or what is right of it may be one. Up and down again, two looks a level.
    #[inline]
    pub fn find_first(
        &self,
        n: &Nodes<'_>,
        may: impl Fn(&Node) -> bool,
        good: impl Fn(&Node) -> bool,
    ) -> Option<TaskIndex> {
        let mut at = self.first;
        let mut node = n.at(at)?;
        while !may(node) {
            at = node.links[PARENT];
            node = n.at(at)?;
        }
        if good(node) {
            return at.get();
        }
        at = node.child(Side::Right);
        loop {
            let node = n.at(at)?;
            let left = node.child(Side::Left);
            if n.at(left).is_some_and(&may) {
                at = left;
            } else if good(node) {
                return at.get();
            } else {
                at = node.child(Side::Right);
            }
        }
    }

    /// How many nodes there are, if links, order, ranks, summaries and ends are right. Takes time in proportion.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        let mut count = 0;
        let mut previous: Option<TaskIndex> = None;
        if n.at(self.root).is_some_and(|root| root.links[PARENT] != Link::NONE || !root.leftmost) {
            return Err(Corruption::Link(self.root.get().unwrap_or(TaskIndex::new(0))));
        }
        for task in self.iter(n) {
            let node = n.get(task).ok_or(Corruption::Link(task))?;
            Self::check_node(n, task, node)?;
            if previous.and_then(|previous| n.get(previous)).is_some_and(|previous| O::before(node, previous))
            {
                return Err(Corruption::Order(task));
            }
            previous = Some(task);
            count += 1;
        }
        let ends = Self::end(n, self.root, Side::Left) == self.first && Link::from(previous) == self.last;
        if !ends || (count == 0) != self.is_empty() {
            return Err(Corruption::Count);
        }
        Ok(count)
    }

    fn check_node(n: &Nodes<'_>, task: TaskIndex, node: &Node) -> Result<(), Corruption> {
        let [left, right, _] = node.links;
        for (child, leftmost) in [(left, node.leftmost), (right, false)] {
            let fits = |child: &Node| child.links[PARENT] == Link::to(task) && child.leftmost == leftmost;
            if child != Link::NONE && !n.at(child).is_some_and(fits) {
                return Err(Corruption::Link(task));
            }
        }
        let ranks =
            [left, right].map(|child| node.rank.wrapping_sub(n.at(child).map_or(0, |node| node.rank)));
        let leaf = left == Link::NONE && right == Link::NONE;
        if !ranks.iter().all(|difference| matches!(difference, 1 | 2)) || (leaf && node.rank != 1) {
            return Err(Corruption::Balance(task));
        }
        if O::stored(node) != Self::summary(n, node) {
            return Err(Corruption::Summary(task));
        }
        Ok(())
    }

    /// Under whom `task` belongs, and on which side.
    #[inline]
    fn place_for(&self, n: &Nodes<'_>, task: TaskIndex) -> Option<(Link, Side)> {
        let node = n.get(task)?;
        if n.at(self.last).is_some_and(|last| !O::before(node, last)) {
            return Some((self.last, Side::Right));
        }
        let (mut parent, mut side, mut at) = (Link::NONE, Side::Left, self.root);
        while let Some(here) = n.at(at) {
            side = if O::before(node, here) { Side::Left } else { Side::Right };
            (parent, at) = (at, here.child(side));
        }
        Some((parent, side))
    }

    /// The outermost node on `side` below `at`.
    fn end(n: &Nodes<'_>, mut at: Link, side: Side) -> Link {
        loop {
            match n.at(at).map(|node| node.child(side)) {
                Some(next) if next != Link::NONE => at = next,
                _ => return at,
            }
        }
    }

    /// Takes out a node with two children: the next node takes its place and rank.
    fn remove_inner(&mut self, n: &mut Nodes<'_>, at: Link, rank: u8, leftmost: bool) {
        let Some(&Node { links: [left, right, parent], .. }) = n.at(at) else { return };
        let heir = Self::end(n, right, Side::Left);
        let Some(&Node { links: [_, orphan, heirs_parent], .. }) = n.at(heir) else { return };
        let shrunk = if heir == right { heir } else { heirs_parent };
        if heir != right {
            self.hang(n, heir, orphan, heirs_parent);
            Self::set_parent(n, orphan, heirs_parent);
            Self::set_parent(n, right, heir);
        }
        self.hang(n, at, heir, parent);
        Self::set_parent(n, left, heir);
        if let Some(node) = n.at_mut(heir) {
            node.links = [left, if heir == right { orphan } else { right }, parent];
            node.rank = rank;
            node.leftmost = leftmost;
        }
        Self::repair(n, shrunk, heir);
        self.rebalance_shrunk(n, orphan, shrunk);
    }

    /// What `node` should say.
    #[inline]
    fn summary(n: &Nodes<'_>, node: &Node) -> O::Summary {
        O::summary(node, n.at(node.links[0]), n.at(node.links[1]), node.leftmost)
    }

    /// Repairs the summaries from `at` upwards until one is right as it is; all of them up to `until`, if that is above.
    #[inline]
    fn repair(n: &mut Nodes<'_>, mut at: Link, mut until: Link) {
        while let Some(node) = n.at(at) {
            let summary = Self::summary(n, node);
            if until == Link::NONE && O::stored(node) == summary {
                return;
            }
            if until == at {
                // It holds what was true in its old place, so its equality says nothing of those above.
                until = Link::NONE;
            }
            let parent = node.links[PARENT];
            if let Some(node) = n.at_mut(at) {
                O::store(node, summary);
            }
            at = parent;
        }
    }
}

impl<O: Order> Default for Tree<O> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
