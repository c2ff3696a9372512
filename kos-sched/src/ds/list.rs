//! [`List`]: doubly linked, first in, first out; every operation O(1) but iteration.

use crate::error::Corruption;
use crate::task::node::Link;
use crate::task::{Nodes, TaskIndex};

const PREVIOUS: usize = 0;
const NEXT: usize = 1;

/// A list of nodes.
#[derive(Clone, Copy, Debug)]
pub struct List {
    head: Link,
    tail: Link,
}

impl List {
    /// The empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: Link::NONE, tail: Link::NONE }
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
    pub fn is_single(&self) -> bool {
        self.head != Link::NONE && self.head == self.tail
    }

    /// The first node.
    #[inline]
    #[must_use]
    pub fn front(&self) -> Option<TaskIndex> {
        self.head.get()
    }

    /// The node behind `task`.
    #[inline]
    #[must_use]
    pub fn next(&self, n: &Nodes<'_>, task: TaskIndex) -> Option<TaskIndex> {
        n.get(task)?.links[NEXT].get()
    }

    /// Puts `task`, which is in no container, at the end.
    #[inline]
    pub fn push_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(node) = n.get_mut(task) else { return };
        node.links[PREVIOUS] = self.tail;
        node.links[NEXT] = Link::NONE;
        match self.tail.get().and_then(|tail| n.get_mut(tail)) {
            Some(tail) => tail.links[NEXT] = Link::to(task),
            None => self.head = Link::to(task),
        }
        self.tail = Link::to(task);
    }

    /// Puts `task`, which is in no container, at the beginning.
    #[inline]
    pub fn push_front(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(node) = n.get_mut(task) else { return };
        node.links[PREVIOUS] = Link::NONE;
        node.links[NEXT] = self.head;
        match self.head.get().and_then(|head| n.get_mut(head)) {
            Some(head) => head.links[PREVIOUS] = Link::to(task),
            None => self.tail = Link::to(task),
        }
        self.head = Link::to(task);
    }

    /// Takes `task`, which is in this list, out.
    #[inline]
    pub fn remove(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(node) = n.get_mut(task) else { return };
        let [previous, next, _] = node.links;
        node.links[PREVIOUS] = Link::NONE;
        node.links[NEXT] = Link::NONE;
        match previous.get().and_then(|previous| n.get_mut(previous)) {
            Some(node) => node.links[NEXT] = next,
            None => self.head = next,
        }
        match next.get().and_then(|next| n.get_mut(next)) {
            Some(node) => node.links[PREVIOUS] = previous,
            None => self.tail = previous,
        }
    }

    /// Takes the first node out.
    #[inline]
    pub fn pop_front(&mut self, n: &mut Nodes<'_>) -> Option<TaskIndex> {
        let task = self.front()?;
        self.remove(n, task);
        Some(task)
    }

    /// Puts `task`, which is in this list, at its end.
    #[inline]
    pub fn move_to_back(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        if self.tail != Link::to(task) {
            self.remove(n, task);
            self.push_back(n, task);
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
        let (mut count, mut previous, mut at) = (0, Link::NONE, self.head);
        while let Some(task) = at.get() {
            let node = n.get(task).ok_or(Corruption::Link(task))?;
            if node.links[PREVIOUS] != previous || count >= n.capacity() {
                return Err(Corruption::Link(task));
            }
            (previous, at) = (at, node.links[NEXT]);
            count += 1;
        }
        match self.tail.get() {
            Some(task) if self.tail != previous => Err(Corruption::Link(task)),
            None if count > 0 => Err(Corruption::Count),
            _ => Ok(count),
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}
