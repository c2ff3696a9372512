//! What does an item cost between one producer and one consumer: one by one, in chunks, on one thread and on two?

use core::hint::black_box;

use crossbeam_queue::ArrayQueue;
use kos_ipc::ring::{Slot, Spsc};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::threads::{ITEMS, together, until};
use super::{CAPACITY, places};
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;

/// The longest chunk.
const LONGEST: usize = 128;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    let mut all = vec![
        question("ipc-spsc-pair", "A word is pushed and popped, on one thread.", Job::Pair),
        question(
            "ipc-spsc-two-threads",
            "One thread pushes words one by one, another pops them.",
            Job::Apart,
        ),
        chunks("ipc-chunk-32-pair", 32, Job::Pair),
    ];
    let names = [("ipc-chunk-8", 8), ("ipc-chunk-32", 32), ("ipc-chunk-128", LONGEST)];
    all.extend(names.map(|(name, len)| chunks(name, len, Job::Apart)));
    all
}

/// On how many threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Pair,
    Apart,
}

/// A ring of words.
trait Ring: Send + 'static {
    fn new() -> Self;

    /// Both ends, word by word.
    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send);
}

/// One that takes and gives several at a time: as many as fit, or are there.
trait Chunks: Ring {
    fn slices(&mut self) -> (impl FnMut(&[u64]) -> usize + Send, impl FnMut(&mut [u64]) -> usize + Send);
}

fn question(name: &'static str, what: &str, job: Job) -> Question {
    Question {
        name,
        what: format!("{what} The ring has {CAPACITY} places."),
        operation: "word",
        operations: if job == Job::Pair { 1 } else { ITEMS },
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject::<Kos>("kos-ipc Spsc", "memory is lent", job),
            subject::<Rtrb>(&peer("rtrb"), "", job),
            subject::<Ringbuf>(&format!("{} HeapRb", peer("ringbuf")), "", job),
            subject::<Heapless>(&format!("{} spsc", peer("heapless")), "one place less", job),
            subject::<Array>(&format!("{} ArrayQueue", peer("crossbeam-queue")), "many on both sides", job),
        ],
    }
}

fn subject<R: Ring>(name: &str, note: &'static str, job: Job) -> Subject {
    let make = Box::new(move || -> Box<dyn Body> { Box::new(Words { ring: R::new(), job }) });
    Subject { name: name.to_owned(), promise: Promise::Exclusive, note, counted: job == Job::Pair, make }
}

struct Words<R> {
    ring: R,
    job: Job,
}

impl<R: Ring> Body for Words<R> {
    fn run(&mut self, steps: usize) {
        let (mut push, mut pop) = self.ring.ends();
        if self.job == Job::Pair {
            for word in 0..steps as u64 {
                assert!(push(black_box(word)));
                assert_eq!(black_box(pop()), Some(word));
            }
            return;
        }
        let count = (steps * ITEMS) as u64;
        together(vec![
            Box::new(move || (0..count).for_each(|word| until(|| push(word).then_some(())))),
            Box::new(move || (0..count).for_each(|word| assert_eq!(until(&mut pop), word, "lost or moved"))),
        ]);
    }
}

fn chunks(name: &'static str, len: usize, job: Job) -> Question {
    let place = if job == Job::Pair { "on one thread" } else { "from one thread to another" };
    Question {
        name,
        what: format!("Words go {place}, {len} at a time. The ring has {CAPACITY} places."),
        operation: "word",
        operations: if job == Job::Pair { len } else { ITEMS },
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            in_chunks::<Kos>("kos-ipc Spsc", "", len, job),
            in_chunks::<Rtrb>(&peer("rtrb"), "", len, job),
            in_chunks::<Ringbuf>(&format!("{} HeapRb", peer("ringbuf")), "", len, job),
        ],
    }
}

fn in_chunks<R: Chunks>(name: &str, note: &'static str, len: usize, job: Job) -> Subject {
    let make = Box::new(move || -> Box<dyn Body> { Box::new(InChunks { ring: R::new(), len, job }) });
    Subject { name: name.to_owned(), promise: Promise::Exclusive, note, counted: job == Job::Pair, make }
}

struct InChunks<R> {
    ring: R,
    len: usize,
    job: Job,
}

impl<R: Chunks> Body for InChunks<R> {
    fn run(&mut self, steps: usize) {
        let (len, (mut push, mut pop)) = (self.len, self.ring.slices());
        let (from, mut to) = ([7; LONGEST], [0; LONGEST]);
        let (from, to) = (must(from.get(..len)), must(to.get_mut(..len)));
        if self.job == Job::Pair {
            for _ in 0..steps {
                assert_eq!((push(black_box(from)), pop(black_box(to))), (len, len));
            }
            return;
        }
        let count = steps * ITEMS / len;
        let some = |moved: usize| (moved > 0).then_some(moved);
        together(vec![
            Box::new(move || {
                let mut left = count * len;
                while left > 0 {
                    left -= until(|| some(push(from)));
                }
            }),
            Box::new(move || {
                let mut left = count * len;
                while left > 0 {
                    left -= until(|| some(pop(to)));
                }
            }),
        ]);
    }
}

/// Ours.
struct Kos(Spsc<'static, u64>);

impl Ring for Kos {
    fn new() -> Self {
        Self(must(Spsc::new(places(CAPACITY, Slot::new)).ok()))
    }

    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
        let (mut producer, mut consumer) = self.0.split();
        (move |word| producer.push(word).is_ok(), move || consumer.pop())
    }
}

impl Chunks for Kos {
    fn slices(&mut self) -> (impl FnMut(&[u64]) -> usize + Send, impl FnMut(&mut [u64]) -> usize + Send) {
        let (mut producer, mut consumer) = self.0.split();
        (move |words: &[u64]| producer.push_slice(words), move |words: &mut [u64]| consumer.pop_slice(words))
    }
}

struct Rtrb(rtrb::Producer<u64>, rtrb::Consumer<u64>);

impl Ring for Rtrb {
    fn new() -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        Self(producer, consumer)
    }

    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
        (|word| self.0.push(word).is_ok(), || self.1.pop().ok())
    }
}

impl Chunks for Rtrb {
    fn slices(&mut self) -> (impl FnMut(&[u64]) -> usize + Send, impl FnMut(&mut [u64]) -> usize + Send) {
        let (producer, consumer) = (&mut self.0, &mut self.1);
        (
            |words: &[u64]| producer.push_partial_slice(words).0.len(),
            |words: &mut [u64]| consumer.pop_partial_slice(words).0.len(),
        )
    }
}

struct Ringbuf(HeapProd<u64>, HeapCons<u64>);

impl Ring for Ringbuf {
    fn new() -> Self {
        let (producer, consumer) = HeapRb::new(CAPACITY).split();
        Self(producer, consumer)
    }

    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
        (|word| self.0.try_push(word).is_ok(), || self.1.try_pop())
    }
}

impl Chunks for Ringbuf {
    fn slices(&mut self) -> (impl FnMut(&[u64]) -> usize + Send, impl FnMut(&mut [u64]) -> usize + Send) {
        let (producer, consumer) = (&mut self.0, &mut self.1);
        (|words: &[u64]| producer.push_slice(words), |words: &mut [u64]| consumer.pop_slice(words))
    }
}

struct Heapless(heapless::spsc::Queue<u64, CAPACITY>);

impl Ring for Heapless {
    fn new() -> Self {
        Self(heapless::spsc::Queue::new())
    }

    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
        let (mut producer, mut consumer) = self.0.split();
        (move |word| producer.enqueue(word).is_ok(), move || consumer.dequeue())
    }
}

struct Array(ArrayQueue<u64>);

impl Ring for Array {
    fn new() -> Self {
        Self(ArrayQueue::new(CAPACITY))
    }

    fn ends(&mut self) -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
        (|word| self.0.push(word).is_ok(), || self.0.pop())
    }
}
