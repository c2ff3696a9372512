//! Timers as one would make them of what there is.

use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::rc::Rc;
use core::cell::Cell;
use core::cmp::Reverse;
use core::time::Duration;

use hierarchical_hash_wheel_timer::wheels::cancellable::{CancellableTimerEntry, QuadWheelWithOverflow};
use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, intrusive_adapter};

use super::{TICK, Timers};
use crate::harness::must;

/// Nothing is armed.
const NEVER: u64 = u64::MAX;

/// By time and number.
pub(super) struct Map {
    map: BTreeMap<(u64, usize), ()>,
    at: Vec<u64>,
}

impl Map {
    pub(super) fn new(count: usize) -> Self {
        Self { map: BTreeMap::new(), at: vec![NEVER; count] }
    }
}

impl Timers for Map {
    #[inline]
    fn arm(&mut self, index: usize, _: u64, at: u64) {
        *must(self.at.get_mut(index)) = at;
        self.map.insert((at, index), ());
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        must(self.map.remove(&(*must(self.at.get(index)), index)));
    }

    #[inline]
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize)) {
        for _ in 0..limit {
            match self.map.first_key_value() {
                Some((&(at, index), ())) if at <= now => {
                    self.map.pop_first();
                    fired(index);
                }
                _ => return,
            }
        }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        must(self.map.first_key_value()).0.0
    }
}

/// A cancelled entry stays: it is known by its time, which is not the timer's any more.
pub(super) struct Heap {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    at: Vec<u64>,
}

impl Heap {
    pub(super) fn new(count: usize) -> Self {
        Self { heap: BinaryHeap::new(), at: vec![NEVER; count] }
    }
}

impl Timers for Heap {
    #[inline]
    fn arm(&mut self, index: usize, _: u64, at: u64) {
        *must(self.at.get_mut(index)) = at;
        self.heap.push(Reverse((at, index)));
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        *must(self.at.get_mut(index)) = NEVER;
    }

    #[inline]
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize)) {
        let mut left = limit;
        while left > 0 && self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Reverse((at, index)) = must(self.heap.pop());
            if self.at.get(index) == Some(&at) {
                left -= 1;
                fired(index);
            }
        }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        must(self.heap.peek()).0.0
    }
}

struct Entry {
    link: RBTreeLink,
    at: Cell<u64>,
    index: usize,
}

intrusive_adapter!(ByTime = &'static Entry: Entry { link => RBTreeLink });

impl KeyAdapter<'_> for ByTime {
    type Key = (u64, usize);

    fn get_key(&self, entry: &Entry) -> (u64, usize) {
        (entry.at.get(), entry.index)
    }
}

pub(super) struct RedBlack {
    tree: RBTree<ByTime>,
    entries: &'static [Entry],
}

impl RedBlack {
    pub(super) fn new(count: usize) -> Self {
        let entry = |index| Entry { link: RBTreeLink::new(), at: Cell::new(NEVER), index };
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        Self { tree: RBTree::new(ByTime::new()), entries: entries.leak() }
    }
}

impl Timers for RedBlack {
    #[inline]
    fn arm(&mut self, index: usize, _: u64, at: u64) {
        let entry = must(self.entries.get(index));
        entry.at.set(at);
        self.tree.insert(entry);
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        let entry = must(self.entries.get(index));
        // SAFETY: it is in this tree, the only one there is for its link.
        let mut cursor = unsafe { self.tree.cursor_mut_from_ptr(entry) };
        must(cursor.remove());
    }

    #[inline]
    fn expire(&mut self, now: u64, limit: usize, fired: &mut impl FnMut(usize)) {
        let mut first = self.tree.front_mut();
        for _ in 0..limit {
            match first.get() {
                Some(entry) if entry.at.get() <= now => fired(must(first.remove()).index),
                _ => return,
            }
        }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        must(self.tree.front().get()).at.get()
    }
}

#[derive(Debug)]
struct Numbered(usize);

impl CancellableTimerEntry for Numbered {
    type Id = usize;

    fn id(&self) -> &usize {
        &self.0
    }
}

/// Counts milliseconds; a timer is allocated for each arming.
pub(super) struct HashWheel {
    wheel: QuadWheelWithOverflow<Numbered>,
    ticked: u64,
}

impl HashWheel {
    pub(super) fn new(_: usize) -> Self {
        Self { wheel: QuadWheelWithOverflow::new(), ticked: 0 }
    }
}

impl Timers for HashWheel {
    #[inline]
    fn arm(&mut self, index: usize, now: u64, at: u64) {
        let delay = Duration::from_nanos(at - now);
        must(self.wheel.insert_ref_with_delay(Rc::new(Numbered(index)), delay).ok());
    }

    #[inline]
    fn cancel(&mut self, index: usize) {
        must(self.wheel.cancel(&index).ok());
    }

    #[inline]
    fn expire(&mut self, now: u64, _: usize, fired: &mut impl FnMut(usize)) {
        while self.ticked + TICK <= now {
            self.ticked += TICK;
            self.wheel.tick().iter().for_each(|timer| fired(timer.0));
        }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        NEVER
    }
}
