//! [`Sleepers`]: the tasks that sleep until a time, on one CPU, under its queue's lock.
//!
//! A treap linked by index: each task carries its own node, so arming never fails and nothing is allocated. Times order it from
//! left to right, a hash of the task's number from top to bottom; so its depth does not depend on who arms what when. Arm and
//! cancel take O(log n) expected.
//!
//! Source: Aragon and Seidel, "Randomized search trees", 1989.

use super::counter::Locked64;
use super::slot::TaskSlot;
use super::system::System;
use crate::atomic::{AtomicU32, Ordering, const_fn};
use crate::task::TaskIndex;
use crate::time::Instant;

const NONE: u32 = u32::MAX;

/// The part of a task in a treap. Read and written under the lock of the queue where it is armed.
#[derive(Debug)]
pub(super) struct SleepNode {
    at: Locked64,
    parent: AtomicU32,
    /// Left, right.
    children: [AtomicU32; 2],
    /// The CPU on which it is armed; read without the lock by the task itself.
    cpu: AtomicU32,
}

impl SleepNode {
    const_fn! {
        /// Not armed.
        pub(super) fn new() -> Self {
            Self {
                at: Locked64::new(),
                parent: AtomicU32::new(NONE),
                children: [AtomicU32::new(NONE), AtomicU32::new(NONE)],
                cpu: AtomicU32::new(NONE),
            }
        }
    }

    /// When it ends, if it is armed. Under the lock of the queue where it is.
    pub(super) fn at(&self) -> Instant {
        Instant::from_ticks(self.at.get())
    }

    /// The number of the CPU on which it is armed.
    pub(super) fn armed_on(&self) -> Option<u32> {
        Some(self.cpu.load(Ordering::Relaxed)).filter(|&cpu| cpu != NONE)
    }
}

/// Who sleeps.
#[derive(Debug)]
pub(super) struct Sleepers {
    root: u32,
    /// The first in time.
    first: Option<(Instant, TaskIndex)>,
}

impl Sleepers {
    /// Nobody.
    pub(super) const fn new() -> Self {
        Self { root: NONE, first: None }
    }

    /// When the first sleep ends.
    #[inline]
    pub(super) const fn next_event(&self) -> Option<Instant> {
        match self.first {
            Some((at, _)) => Some(at),
            None => None,
        }
    }

    /// Lets `task`, which is not armed, sleep until `at` on the CPU numbered `cpu`.
    pub(super) fn arm<S: System>(&mut self, tasks: &[TaskSlot<S>], task: TaskIndex, at: Instant, cpu: u32) {
        let tree = Tree(tasks);
        let Some(node) = tree.node(task.get()) else { return };
        node.at.set(at.as_ticks());
        node.cpu.store(cpu, Ordering::Relaxed);
        let (mut parent, mut below) = (NONE, self.root);
        let mut side = 0;
        while below != NONE {
            side = usize::from(tree.key(below) < tree.key(task.get()));
            (parent, below) = (below, tree.child(below, side));
        }
        tree.set_child(parent, side, task.get(), &mut self.root);
        tree.set_parent(task.get(), parent);
        while let above = tree.parent(task.get())
            && above != NONE
            && rank(above) < rank(task.get())
        {
            tree.raise(task.get(), &mut self.root);
        }
        if self.first.is_none_or(|first| (at, task) < first) {
            self.first = Some((at, task));
        }
    }

    /// Ends the sleep of `task`, which is armed here.
    pub(super) fn disarm<S: System>(&mut self, tasks: &[TaskSlot<S>], task: TaskIndex) {
        let tree = Tree(tasks);
        let number = task.get();
        while let [left, right] = [0, 1].map(|side| tree.child(number, side))
            && (left != NONE || right != NONE)
        {
            let up = if right == NONE || left != NONE && rank(left) > rank(right) { left } else { right };
            tree.raise(up, &mut self.root);
        }
        let parent = tree.parent(number);
        let side = usize::from(parent != NONE && tree.child(parent, 1) == number);
        tree.set_child(parent, side, NONE, &mut self.root);
        tree.set_parent(number, NONE);
        if let Some(node) = tree.node(number) {
            node.cpu.store(NONE, Ordering::Relaxed);
        }
        if self.first.is_some_and(|(_, first)| first == task) {
            self.first = self.leftmost(&tree);
        }
    }

    /// A task whose sleep is over at `now`, no longer armed.
    pub(super) fn pop<S: System>(&mut self, tasks: &[TaskSlot<S>], now: Instant) -> Option<TaskIndex> {
        let (_, task) = self.first.filter(|&(at, _)| at <= now)?;
        self.disarm(tasks, task);
        Some(task)
    }

    fn leftmost<S: System>(&self, tree: &Tree<'_, S>) -> Option<(Instant, TaskIndex)> {
        let mut at = Some(self.root).filter(|&root| root != NONE)?;
        while tree.child(at, 0) != NONE {
            at = tree.child(at, 0);
        }
        Some((Instant::from_ticks(tree.key(at).0), TaskIndex::new(at)))
    }

    /// How many are armed, if order, ranks and links hold.
    pub(super) fn check<S: System>(&self, tasks: &[TaskSlot<S>]) -> Option<usize> {
        let tree = Tree(tasks);
        let (mut count, mut last) = (0, None);
        let mut next = self.leftmost(&tree).map_or(NONE, |(_, task)| task.get());
        if next != self.first.map_or(NONE, |(_, task)| task.get()) {
            return None;
        }
        while next != NONE && count <= tasks.len() {
            let parent = tree.parent(next);
            let key = Some(tree.key(next));
            if last >= key
                || parent != NONE && rank(parent) < rank(next)
                || (parent == NONE) != (next == self.root)
            {
                return None;
            }
            (last, count) = (key, count + 1);
            next = tree.successor(next);
        }
        Some(count)
    }
}

/// Scattered, so that neighbours do not make a list; equal for none.
fn rank(task: u32) -> u32 {
    // Odd constants and shifts are invertible: 2^32 tasks, 2^32 ranks.
    let mut hash = task.wrapping_mul(0x9e37_79b1);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x85eb_ca77);
    hash ^ hash >> 13
}

/// The nodes by number.
struct Tree<'a, S: System>(&'a [TaskSlot<S>]);

impl<S: System> Tree<'_, S> {
    fn node(&self, task: u32) -> Option<&SleepNode> {
        Some(&self.0.get(task as usize)?.sleep)
    }

    fn key(&self, task: u32) -> (u64, u32) {
        (self.node(task).map_or(u64::MAX, |node| node.at.get()), task)
    }

    fn parent(&self, task: u32) -> u32 {
        self.node(task).map_or(NONE, |node| node.parent.load(Ordering::Relaxed))
    }

    fn set_parent(&self, task: u32, parent: u32) {
        if let Some(node) = self.node(task) {
            node.parent.store(parent, Ordering::Relaxed);
        }
    }

    fn child(&self, task: u32, side: usize) -> u32 {
        self.node(task)
            .and_then(|node| node.children.get(side))
            .map_or(NONE, |child| child.load(Ordering::Relaxed))
    }

    /// Makes `child` the child of `task` on `side`, or the root if `task` is none.
    fn set_child(&self, task: u32, side: usize, child: u32, root: &mut u32) {
        match self.node(task).and_then(|node| node.children.get(side)) {
            Some(place) => place.store(child, Ordering::Relaxed),
            None => *root = child,
        }
    }

    /// Rotates `task` above its parent.
    fn raise(&self, task: u32, root: &mut u32) {
        let parent = self.parent(task);
        let above = self.parent(parent);
        let side = usize::from(self.child(parent, 1) == task);
        let moved = self.child(task, 1 - side);
        self.set_child(parent, side, moved, root);
        self.set_parent(moved, parent);
        self.set_child(task, 1 - side, parent, root);
        let upper = usize::from(above != NONE && self.child(above, 1) == parent);
        self.set_child(above, upper, task, root);
        self.set_parent(parent, task);
        self.set_parent(task, above);
    }

    fn successor(&self, task: u32) -> u32 {
        let mut at = self.child(task, 1);
        if at != NONE {
            while self.child(at, 0) != NONE {
                at = self.child(at, 0);
            }
            return at;
        }
        let (mut below, mut above) = (task, self.parent(task));
        while above != NONE && self.child(above, 1) == below {
            (below, above) = (above, self.parent(above));
        }
        above
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::Sleepers;
    use crate::core::slot::TaskSlot;
    use crate::task::TaskIndex;
    use crate::testing::FakeSystem;
    use crate::time::Instant;

    #[test]
    fn sleepers_wake_in_the_order_of_their_times() {
        let tasks: Vec<TaskSlot<FakeSystem<()>>> = (0..200).map(|_| TaskSlot::new()).collect();
        let mut sleepers = Sleepers::new();
        let mut model = BTreeSet::new();
        let mut random = 1_u64;
        let mut draw = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        for _ in 0..20_000 {
            let task = TaskIndex::new(u32::try_from(draw(200)).unwrap());
            let armed = model.iter().copied().find(|&(_, other)| other == task);
            match (draw(3), armed) {
                (0, _) => {
                    let now = Instant::from_ticks(draw(50));
                    let due = model.first().copied().filter(|&(at, _)| at <= now);
                    assert_eq!(sleepers.pop(&tasks, now), due.map(|(_, task)| task));
                    model.retain(|&entry| Some(entry) != due);
                }
                (_, Some(entry)) => {
                    sleepers.disarm(&tasks, task);
                    model.remove(&entry);
                }
                (_, None) => {
                    let at = Instant::from_ticks(draw(100));
                    sleepers.arm(&tasks, task, at, 3);
                    model.insert((at, task));
                }
            }
            assert_eq!(
                tasks[task.as_usize()].sleep.armed_on().is_some(),
                model.iter().any(|&(_, other)| other == task)
            );
            assert_eq!(sleepers.check(&tasks), Some(model.len()));
            assert_eq!(sleepers.next_event(), model.first().map(|&(at, _)| at));
        }
    }
}
