//! What does it cost to choose among 100 priorities?

use alloc::collections::{BTreeMap, BinaryHeap};
use core::cmp::Reverse;
use core::hint::black_box;

use kos_sched::{Policy, RtPriority};

use super::kos::{Classes, Queue};
use super::{Turns, scatter, subject};
use crate::harness::must;
use crate::harness::question::{Question, Shape};

/// The question for `count` tasks.
pub(crate) fn question(name: &'static str, count: usize) -> Question {
    Question {
        name,
        what: format!(
            "{count} FIFO tasks, spread over 100 priorities, all awake: the current one, which is of the highest, sleeps and \
             is woken again behind its equals, then one is picked."
        ),
        operation: "sleep, wake and pick",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched".to_owned(), "time is charged", move || {
                Levels(Queue::new(count, |index| Policy::Fifo(level(index))))
            }),
            subject("std BinaryHeap".to_owned(), "keys only", move || Heap::new(count)),
            subject("std BTreeMap".to_owned(), "keys only", move || Map::new(count)),
        ],
    }
}

fn level(index: usize) -> RtPriority {
    must(u8::try_from(scatter(index) % 100).ok().and_then(|level| RtPriority::new(level).ok()))
}

struct Levels(Queue<Classes>);

impl Turns for Levels {
    #[inline]
    fn turn(&mut self) {
        let now = self.0.after(1_000);
        let task = must(self.0.queue.current());
        let _ = black_box(self.0.queue.dequeue(task, now));
        let _ = black_box(self.0.queue.enqueue(task, now));
        black_box(must(self.0.queue.pick(now)));
    }
}

/// By priority, then by turn.
struct Heap {
    heap: BinaryHeap<(u8, Reverse<u64>, usize)>,
    turn: u64,
}

impl Heap {
    fn new(count: usize) -> Self {
        let heap = (0..count).map(|index| (level(index).get(), Reverse(index as u64), index)).collect();
        Self { heap, turn: count as u64 }
    }
}

impl Turns for Heap {
    #[inline]
    fn turn(&mut self) {
        let (level, _, task) = black_box(must(self.heap.pop()));
        self.turn += 1;
        self.heap.push((level, Reverse(self.turn), task));
    }
}

struct Map {
    map: BTreeMap<(Reverse<u8>, u64), usize>,
    turn: u64,
}

impl Map {
    fn new(count: usize) -> Self {
        let map = (0..count).map(|index| ((Reverse(level(index).get()), index as u64), index)).collect();
        Self { map, turn: count as u64 }
    }
}

impl Turns for Map {
    #[inline]
    fn turn(&mut self) {
        let ((level, _), task) = black_box(must(self.map.pop_first()));
        self.turn += 1;
        self.map.insert((level, self.turn), task);
    }
}
