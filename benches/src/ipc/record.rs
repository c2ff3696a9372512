//! What does a byte record cost between one producer and one consumer?

use core::hint::black_box;

use bbqueue::nicknames::Churrasco;
use kos_ipc::ring::Records;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::threads::{together, until};
use super::{leak, places};
use crate::harness::must;
use crate::harness::question::{Body, Promise, Question, Shape, Subject};
use crate::peers::peer;

/// Bytes of a ring.
const BYTES: usize = 64 << 10;

/// Bytes of a record: a frame of Ethernet.
const RECORD: usize = 1500;

/// Records of a step of two threads.
const COUNT: usize = 1 << 12;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    vec![
        question("ipc-record-pair", false, "A record is written and read, on one thread."),
        question("ipc-record-two-threads", true, "One thread writes records, another reads them."),
    ]
}

/// A ring of records. Who reads returns the first and the last byte.
trait Ring: Send + 'static {
    fn new() -> Self;

    fn ends(&mut self) -> (impl FnMut(&[u8]) -> bool + Send, impl FnMut() -> Option<[u8; 2]> + Send);
}

fn question(name: &'static str, apart: bool, what: &str) -> Question {
    Question {
        name,
        what: format!("{what} A record has {RECORD} bytes, the ring {} KiB.", BYTES >> 10),
        operation: "record",
        operations: if apart { COUNT } else { 1 },
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject::<Kos>("kos-ipc Records", "written and read in place", apart),
            subject::<Bb>(&format!("{} framed", peer("bbqueue")), "written and read in place", apart),
            subject::<Ringbuf>(&format!("{} HeapRb", peer("ringbuf")), "copied out; length by hand", apart),
        ],
    }
}

fn subject<R: Ring>(name: &str, note: &'static str, apart: bool) -> Subject {
    let make = Box::new(move || -> Box<dyn Body> { Box::new(Run { ring: R::new(), apart }) });
    Subject { name: name.to_owned(), promise: Promise::Exclusive, note, counted: !apart, make }
}

struct Run<R> {
    ring: R,
    apart: bool,
}

impl<R: Ring> Body for Run<R> {
    fn run(&mut self, steps: usize) {
        let (mut write, mut read) = self.ring.ends();
        let mut record = [1; RECORD];
        record[RECORD - 1] = 2;
        if !self.apart {
            for _ in 0..steps {
                assert!(write(black_box(&record)));
                assert_eq!(read(), Some([1, 2]));
            }
            return;
        }
        let count = steps * COUNT;
        together(vec![
            Box::new(move || (0..count).for_each(|_| until(|| write(black_box(&record)).then_some(())))),
            Box::new(move || (0..count).for_each(|_| assert_eq!(until(&mut read), [1, 2]))),
        ]);
    }
}

fn ends_of(record: &[u8]) -> [u8; 2] {
    [*must(record.first()), *must(record.last())]
}

/// Ours.
struct Kos(Records<'static>);

impl Ring for Kos {
    fn new() -> Self {
        Self(must(Records::new(places(BYTES, || 0)).ok()))
    }

    fn ends(&mut self) -> (impl FnMut(&[u8]) -> bool + Send, impl FnMut() -> Option<[u8; 2]> + Send) {
        let (mut producer, mut consumer) = self.0.split();
        let write = move |record: &[u8]| {
            let Ok(mut grant) = producer.grant(record.len()) else { return false };
            grant.copy_from_slice(record);
            grant.commit(record.len());
            true
        };
        let read = move || {
            let record = consumer.read().ok()?;
            let ends = ends_of(black_box(&record));
            record.release();
            Some(ends)
        };
        (write, read)
    }
}

struct Bb(&'static Churrasco<BYTES>);

impl Ring for Bb {
    fn new() -> Self {
        Self(leak(Churrasco::new()))
    }

    fn ends(&mut self) -> (impl FnMut(&[u8]) -> bool + Send, impl FnMut() -> Option<[u8; 2]> + Send) {
        let (producer, consumer) = (self.0.framed_producer(), self.0.framed_consumer());
        let write = move |record: &[u8]| {
            let len = must(u16::try_from(record.len()).ok());
            let Ok(mut grant) = producer.grant(len) else { return false };
            grant.copy_from_slice(record);
            grant.commit(len);
            true
        };
        let read = move || {
            let record = consumer.read().ok()?;
            let ends = ends_of(black_box(&record));
            record.release();
            Some(ends)
        };
        (write, read)
    }
}

struct Ringbuf(HeapProd<u8>, HeapCons<u8>);

impl Ring for Ringbuf {
    fn new() -> Self {
        let (producer, consumer) = HeapRb::new(BYTES).split();
        Self(producer, consumer)
    }

    fn ends(&mut self) -> (impl FnMut(&[u8]) -> bool + Send, impl FnMut() -> Option<[u8; 2]> + Send) {
        let (producer, consumer) = (&mut self.0, &mut self.1);
        let write = |record: &[u8]| {
            let len = must(u16::try_from(record.len()).ok());
            if producer.vacant_len() < record.len() + size_of_val(&len) {
                return false;
            }
            producer.push_slice(&len.to_le_bytes());
            producer.push_slice(record);
            true
        };
        let mut bytes = [0; RECORD];
        let read = move || {
            let mut len = [0; 2];
            if consumer.occupied_len() < RECORD + len.len() {
                return None;
            }
            consumer.pop_slice(&mut len);
            let record = must(bytes.get_mut(..u16::from_le_bytes(len).into()));
            consumer.pop_slice(record);
            Some(ends_of(black_box(record)))
        };
        (write, read)
    }
}
