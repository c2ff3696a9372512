//! What does an item cost between many producers and many consumers?

use core::hint::black_box;

use concurrent_queue::ConcurrentQueue;
use crossbeam_queue::ArrayQueue;
use kos_ipc::ring::{Mpmc, MpmcSlot};

use super::threads::{ITEMS, together, until};
use super::{CAPACITY, places};
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    vec![
        question("ipc-mpmc-pair", 0, "A word is pushed and popped, on one thread."),
        question("ipc-mpmc-1p1c", 1, "One thread pushes words, another pops them."),
        question("ipc-mpmc-2p2c", 2, "Two threads push words, two others pop them."),
    ]
}

/// A queue of words.
trait Queue: Sync + 'static {
    fn new() -> Self;

    fn push(&self, word: u64) -> bool;

    fn pop(&self) -> Option<u64>;
}

fn question(name: &'static str, threads: usize, what: &str) -> Question {
    Question {
        name,
        what: format!("{what} The queue has {CAPACITY} places."),
        operation: "word",
        operations: if threads == 0 { 1 } else { ITEMS },
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject::<Kos>("kos-ipc Mpmc", "memory is lent; tells busy from full", threads),
            subject::<Array>(&format!("{} ArrayQueue", peer("crossbeam-queue")), "", threads),
            subject::<Concurrent>(&format!("{} bounded", peer("concurrent-queue")), "can be closed", threads),
            subject::<Heapless>(&format!("{} mpmc", peer("heapless")), "deprecated there", threads),
        ],
    }
}

fn subject<Q: Queue>(name: &str, note: &'static str, threads: usize) -> Subject {
    let make = Box::new(move || -> Box<dyn Body> { Box::new(Words { queue: Q::new(), threads }) });
    Subject { name: name.to_owned(), promise: Promise::Shared, note, counted: threads == 0, make }
}

struct Words<Q> {
    queue: Q,
    threads: usize,
}

impl<Q: Queue> Body for Words<Q> {
    fn run(&mut self, steps: usize) {
        let queue = &self.queue;
        if self.threads == 0 {
            for word in 0..steps as u64 {
                assert!(queue.push(black_box(word)));
                assert_eq!(black_box(queue.pop()), Some(word));
            }
            return;
        }
        let each = (steps * ITEMS / self.threads) as u64;
        let work = (0..self.threads).flat_map(|_| -> [Box<dyn FnOnce() + Send + '_>; 2] {
            let produce = move || (0..each).for_each(|word| until(|| queue.push(word).then_some(())));
            let consume = move || (0..each).for_each(|_| _ = black_box(until(|| queue.pop())));
            [Box::new(produce), Box::new(consume)]
        });
        together(work.collect());
        assert_eq!(queue.pop(), None, "as many were popped as pushed");
    }
}

/// Ours.
struct Kos(Mpmc<'static, u64>);

impl Queue for Kos {
    fn new() -> Self {
        Self(must(Mpmc::new(places(CAPACITY, MpmcSlot::new)).ok()))
    }

    #[inline]
    fn push(&self, word: u64) -> bool {
        self.0.push(word).is_ok()
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        self.0.pop().ok()
    }
}

struct Array(ArrayQueue<u64>);

impl Queue for Array {
    fn new() -> Self {
        Self(ArrayQueue::new(CAPACITY))
    }

    #[inline]
    fn push(&self, word: u64) -> bool {
        self.0.push(word).is_ok()
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        self.0.pop()
    }
}

struct Concurrent(ConcurrentQueue<u64>);

impl Queue for Concurrent {
    fn new() -> Self {
        Self(ConcurrentQueue::bounded(CAPACITY))
    }

    #[inline]
    fn push(&self, word: u64) -> bool {
        self.0.push(word).is_ok()
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        self.0.pop().ok()
    }
}

#[expect(deprecated, reason = "compared because it is widely used")]
mod deprecated {
    use super::CAPACITY;

    /// The queue of heapless.
    pub(super) type Deprecated = heapless::mpmc::Queue<u64, CAPACITY>;

    /// An empty one.
    pub(super) const fn new() -> Deprecated {
        Deprecated::new()
    }
}

struct Heapless(deprecated::Deprecated);

impl Queue for Heapless {
    fn new() -> Self {
        Self(deprecated::new())
    }

    #[inline]
    fn push(&self, word: u64) -> bool {
        self.0.enqueue(word).is_ok()
    }

    #[inline]
    fn pop(&self) -> Option<u64> {
        self.0.dequeue()
    }
}
