//! [`List`]: doubly linked, first in, first out; every operation O(1) but iteration.
//!
//! A ring: the last node leads to the first, so that the list is one word, and putting the first node last writes to no node.

use crate::error::Corruption;
use crate::task::node::Link;
use crate::task::{Nodes, TaskIndex};

const PREVIOUS: usize = 0;
pub(super) const NEXT: usize = 1;

/// A list of nodes.
#[derive(Clone, Copy, Debug)]
pub struct List {
    head: Link,
}

impl List {
    /// The empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: Link::NONE }
    }

    /// Whether it is empty.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head == Link::NONE
    }

    /// Whether it has one node.
    #[inline]
    #[must_use]
    pub fn is_single(&self, n: &Nodes<'_>) -> bool {
        n.at(self.head).is_some_and(|head| head.links[NEXT] == self.head)
    }

    /// The first node.
    #[inline]
    #[must_use]
    pub const fn front(&self) -> Option<TaskIndex> {
        self.head.get()
    }

    /// The node behind `task`.
    #[inline]
    #[must_use]
    pub fn next(&self, n: &Nodes<'_>, task: TaskIndex) -> Option<TaskIndex> {
        let next = n.get(task)?.links[NEXT];
        if next == self.head { None } else { next.get() }
    }

    /// Puts `task`, which is in no container, at the end.
    #[inline]
    pub fn push_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let at = Link::to(task);
        let last = n.at(self.head).map_or(at, |head| head.links[PREVIOUS]);
        let next = if self.is_empty() { at } else { self.head };
        let Some(node) = n.get_mut(task) else { return };
        node.links[PREVIOUS] = last;
        node.links[NEXT] = next;
        if self.is_empty() {
            self.head = at;
        } else {
            Self::join(n, last, at);
            Self::join(n, at, next);
        }
    }

    /// Puts `task`, which is in no container, at the beginning.
    #[inline]
    pub fn push_front(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        if n.owns(task) {
            self.push_back(n, task);
            self.head = Link::to(task);
        }
    }

    /// Takes `task`, which is in this list, out.
    #[inline]
    pub fn remove(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let at = Link::to(task);
        let Some(node) = n.get_mut(task) else { return };
        let [previous, next, _] = node.links;
        node.links[PREVIOUS] = Link::NONE;
        node.links[NEXT] = Link::NONE;
        if next == at {
            self.head = Link::NONE;
            return;
        }
        if self.head == at {
            self.head = next;
        }
        Self::join(n, previous, next);
    }

    /// Takes the first node out.
    #[inline]
    pub fn pop_front(&mut self, n: &mut Nodes<'_>) -> Option<TaskIndex> {
        let task = self.front()?;
        self.remove(n, task);
        Some(task)
    }

    /// Puts `task`, which is in this list, at its end. Says whether there are others.
    #[inline]
    pub fn move_to_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) -> bool {
        let Some(node) = n.get(task) else { return false };
        let next = node.links[NEXT];
        self.move_behind(n, task, next)
    }

    /// The same for who knows already which node is `next` to `task`, in the ring.
    #[inline]
    pub(super) fn move_behind(&mut self, n: &mut Nodes<'_>, task: TaskIndex, next: Link) -> bool {
        let at = Link::to(task);
        if at == self.head {
            self.head = next;
        } else if next != self.head {
            self.relink_last(n, task);
        }
        next != at
    }

    #[cold]
    fn relink_last(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        self.remove(n, task);
        self.push_back(n, task);
    }

    /// Makes `after` follow `before`.
    #[inline]
    fn join(n: &mut Nodes<'_>, before: Link, after: Link) {
        if let Some(node) = n.at_mut(before) {
            node.links[NEXT] = after;
        }
        if let Some(node) = n.at_mut(after) {
            node.links[PREVIOUS] = before;
        }
    }

    /// The nodes from first to last.
    pub fn iter(&self, n: &Nodes<'_>) -> impl Iterator<Item = TaskIndex> + Clone {
        core::iter::successors(self.front(), |&task| self.next(n, task)).take(n.capacity())
    }

    /// How many nodes there are, if every link has its counterpart and every node is owned. Takes time in proportion.
    ///
    /// # Errors
    /// [`Corruption::Link`] with the first node that is linked wrongly.
    pub fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        let Some(mut task) = self.head.get() else { return Ok(0) };
        let mut count = 0;
        loop {
            let next = n.get(task).ok_or(Corruption::Link(task))?.links[NEXT];
            count += 1;
            if n.at(next).is_none_or(|next| next.links[PREVIOUS] != Link::to(task)) || count > n.capacity() {
                return Err(Corruption::Link(task));
            }
            if next == self.head {
                return Ok(count);
            }
            task = next.get().ok_or(Corruption::Link(task))?;
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}
