//! What do pipes, counters, notifications and futexes cost beside Linux's, when nobody waits?

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use kos_ipc::notify::{CounterMode, EventCounter, Notification};
use kos_ipc::policy::NoPolicy;
use kos_ipc::posix::futex::{ANY, FutexTable};
use kos_ipc::posix::pipe::{Pipe, PipePage};
use kos_ipc::{Caller, Fault, FutexSpace, WordFault};
use rustix::event::{EventfdFlags, eventfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::futex;

use super::{Awake, Nobody, in_linux, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape, Subject};

/// Bytes of a page, and of the longest write.
const PAGE: usize = 4096;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    vec![
        pipe("ipc-pipe-64", 64),
        pipe("ipc-pipe-4k", PAGE),
        question("ipc-eventfd", "An event is counted and read.", "write and read", eventfds()),
        question("ipc-post", "A bit is posted; it is set already, and nobody waits.", "post", posts()),
        question("ipc-futex-wake", "A wake-up at a word where nobody waits.", "wake-up", wakes()),
    ]
}

fn question(
    name: &'static str,
    what: impl Into<String>,
    operation: &'static str,
    subjects: Vec<Subject>,
) -> Question {
    let shape = Shape::Repeated { counted: 1000 };
    Question { name, what: what.into(), operation, operations: 1, shape, subjects }
}

fn pipe(name: &'static str, len: usize) -> Question {
    let ours = move || {
        let pipe = leak(Pipe::<Awake>::new(Nobody, places(16, PipePage::new), 0, 0));
        let (reader, writer) = (pipe.reader(), pipe.writer());
        let (from, mut to) = (vec![1; len], vec![0; len]);
        move || {
            let caller = Caller::new(&0, (), &NoPolicy);
            assert_eq!(writer.try_write(&caller, black_box(&from)), Ok(len));
            assert_eq!(reader.try_read(&caller, black_box(&mut to)), Ok(len));
        }
    };
    let theirs = move || {
        let (reader, writer) = must(pipe_with(PipeFlags::NONBLOCK).ok());
        let (from, mut to) = (vec![1; len], vec![0; len]);
        move || {
            assert_eq!(rustix::io::write(&writer, black_box(&from)), Ok(len));
            assert_eq!(rustix::io::read(&reader, black_box(to.as_mut_slice())), Ok(len));
        }
    };
    let shared = Promise::Shared;
    let subjects = vec![steps("kos-ipc Pipe", shared, "", ours), in_linux("Linux pipe", shared, theirs)];
    question(name, format!("{len} bytes are written and read, on one thread."), "write and read", subjects)
}

fn eventfds() -> Vec<Subject> {
    let ours = || {
        let counter = leak(EventCounter::<Awake>::new(Nobody, 0, CounterMode::Whole, 0, 0));
        move || {
            let caller = Caller::new(&0, (), &NoPolicy);
            must(counter.try_write(&caller, black_box(1)).ok());
            assert_eq!(counter.try_read(&caller), Ok(1));
        }
    };
    let theirs = || {
        let counter = must(eventfd(0, EventfdFlags::NONBLOCK).ok());
        let mut bytes = [0; 8];
        move || {
            assert_eq!(rustix::io::write(&counter, &black_box(1_u64).to_ne_bytes()), Ok(8));
            assert_eq!(rustix::io::read(&counter, &mut bytes), Ok(8));
        }
    };
    let shared = Promise::Shared;
    vec![steps("kos-ipc EventCounter", shared, "", ours), in_linux("Linux eventfd", shared, theirs)]
}

fn posts() -> Vec<Subject> {
    let ours = || {
        let notification = leak(Notification::<Awake>::new(Nobody, 0, 0));
        move || must(notification.post(&Caller::new(&0, (), &NoPolicy), black_box(4)).ok())
    };
    let theirs = || {
        let counter = must(eventfd(0, EventfdFlags::NONBLOCK).ok());
        move || assert_eq!(rustix::io::write(&counter, &black_box(1_u64).to_ne_bytes()), Ok(8))
    };
    let shared = Promise::Shared;
    vec![steps("kos-ipc Notification", shared, "", ours), in_linux("Linux eventfd, write", shared, theirs)]
}

fn wakes() -> Vec<Subject> {
    let ours = || {
        let table = leak(FutexTable::<Awake, Word, 64>::new(Nobody, [1, 2]));
        let word = leak(Word(AtomicU32::new(0)));
        move || assert_eq!(table.wake(word, (black_box(4096), false), 1, ANY), Ok(0))
    };
    let theirs = || {
        let word = AtomicU32::new(0);
        move || assert_eq!(futex::wake(&word, futex::Flags::PRIVATE, 1), Ok(0))
    };
    let shared = Promise::Shared;
    vec![steps("kos-ipc FutexTable", shared, "keyed hash", ours), in_linux("Linux futex", shared, theirs)]
}

/// An address space of one word, which is everywhere.
struct Word(AtomicU32);

impl FutexSpace for Word {
    type Key = usize;

    #[inline]
    fn key(&self, address: usize, _: bool) -> Result<usize, Fault> {
        Ok(address)
    }

    fn load(&self, _: usize) -> Result<u32, WordFault> {
        Ok(self.0.load(Ordering::Acquire))
    }

    fn compare_exchange(&self, _: usize, old: u32, new: u32) -> Result<u32, WordFault> {
        let done = self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire);
        Ok(done.unwrap_or_else(|found| found))
    }

    fn fault_in(&self, _: usize, _: bool) -> Result<(), Fault> {
        Ok(())
    }
}
