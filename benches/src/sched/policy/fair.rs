//! What does it cost to end a fair task's turn: to charge it, put it back and pick the next?

use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::sync::Arc;
use core::cell::Cell;
use core::cmp::Reverse;
use core::hint::black_box;

use axsched::{BaseScheduler, CFSTask, CFScheduler};
use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, intrusive_adapter};
use kos_sched::class::{self, ClassSet};
use kos_sched::{Nice, Policy};

use super::kos::Queue;
use super::{Turns, scatter, subject};
use crate::harness::must;
use crate::harness::question::{Question, Shape};
use crate::peers::peer;

/// A turn, in ns.
const SLICE: u64 = 3_000_000;

/// The question for `count` tasks of nice values from -`spread` to `spread`.
pub(crate) fn question(name: &'static str, count: usize, spread: i8) -> Question {
    let values = if spread == 0 { "nice 0".to_owned() } else { format!("nice -{spread} to {spread}") };
    Question {
        name,
        what: format!(
            "{count} fair tasks of {values}: the current one has run for 3 ms and goes back, the next is picked."
        ),
        operation: "charge, put and pick",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched".to_owned(), "all classes; EEVDF: share, eligibility, deadline", move || {
                Fair(Queue::new(count, |index| policy(index, spread)))
            }),
            subject("kos-sched, class Fair alone".to_owned(), "EEVDF", move || {
                Fair(Queue::with_classes((class::Fair::new(), ()), count, |index| policy(index, spread)))
            }),
            subject(format!("{} CFS", peer("axsched")), "least virtual run time", move || {
                Ax::new(count, spread)
            }),
            subject("std BTreeMap".to_owned(), "keys only, least virtual run time", move || {
                Map::new(count, spread)
            }),
            subject(
                format!("{} RBTree", peer("intrusive-collections")),
                "least virtual run time",
                move || RedBlack::new(count, spread),
            ),
            subject("std BinaryHeap".to_owned(), "keys only, least virtual run time", move || {
                Heap::new(count, spread)
            }),
        ],
    }
}

fn nice(index: usize, spread: i8) -> Nice {
    let values = 2 * u64::from(spread.unsigned_abs()) + 1;
    let value = must(i8::try_from(scatter(index) % values).ok()) - spread;
    must(Nice::new(value).ok())
}

/// Virtual time of a slice at `nice`, roughly.
fn step(nice: Nice) -> u64 {
    let mut step = SLICE;
    for _ in 0..nice.get().unsigned_abs() {
        step = if nice.get() > 0 { step * 5 / 4 } else { step * 4 / 5 };
    }
    step
}

fn policy(index: usize, spread: i8) -> Policy {
    Policy::Fair { nice: nice(index, spread), slice: Policy::SLICE }
}

struct Fair<C>(Queue<C>);

impl<C: ClassSet + 'static> Turns for Fair<C> {
    #[inline]
    fn turn(&mut self) {
        let now = self.0.after(SLICE);
        let _ = black_box(self.0.queue.charge(now));
        black_box(must(self.0.queue.pick(now)));
    }
}

struct Ax {
    queue: CFScheduler<usize>,
    current: Option<Arc<CFSTask<usize>>>,
}

impl Ax {
    fn new(count: usize, spread: i8) -> Self {
        let mut queue = CFScheduler::new();
        for index in 0..count {
            let task = Arc::new(CFSTask::new(index));
            queue.set_priority(&task, nice(index, spread).get().into());
            queue.add_task(task);
        }
        let current = queue.pick_next_task();
        Self { queue, current }
    }
}

impl Turns for Ax {
    #[inline]
    fn turn(&mut self) {
        let task = must(self.current.take());
        black_box(self.queue.task_tick(&task));
        self.queue.put_prev_task(task, false);
        self.current = black_box(self.queue.pick_next_task());
    }
}

struct Map {
    map: BTreeMap<(u64, usize), u64>,
}

impl Map {
    fn new(count: usize, spread: i8) -> Self {
        Self { map: (0..count).map(|index| ((0, index), step(nice(index, spread)))).collect() }
    }
}

impl Turns for Map {
    #[inline]
    fn turn(&mut self) {
        let ((time, task), step) = black_box(must(self.map.pop_first()));
        self.map.insert((time + step, task), step);
    }
}

struct Entry {
    link: RBTreeLink,
    time: Cell<u64>,
    index: usize,
    step: u64,
}

intrusive_adapter!(ByTime = &'static Entry: Entry { link => RBTreeLink });

impl KeyAdapter<'_> for ByTime {
    type Key = (u64, usize);

    fn get_key(&self, entry: &Entry) -> (u64, usize) {
        (entry.time.get(), entry.index)
    }
}

struct RedBlack(RBTree<ByTime>);

impl RedBlack {
    fn new(count: usize, spread: i8) -> Self {
        let entry = |index| Entry {
            link: RBTreeLink::new(),
            time: Cell::new(0),
            index,
            step: step(nice(index, spread)),
        };
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        let mut tree = RBTree::new(ByTime::new());
        entries.leak().iter().for_each(|entry| {
            tree.insert(entry);
        });
        Self(tree)
    }
}

impl Turns for RedBlack {
    #[inline]
    fn turn(&mut self) {
        let first = black_box(must(self.0.front_mut().remove()));
        first.time.set(first.time.get() + first.step);
        self.0.insert(first);
    }
}

struct Heap {
    heap: BinaryHeap<Reverse<(u64, usize, u64)>>,
}

impl Heap {
    fn new(count: usize, spread: i8) -> Self {
        Self { heap: (0..count).map(|index| Reverse((0, index, step(nice(index, spread))))).collect() }
    }
}

impl Turns for Heap {
    #[inline]
    fn turn(&mut self) {
        let Reverse((time, task, step)) = black_box(must(self.heap.pop()));
        self.heap.push(Reverse((time + step, task, step)));
    }
}
