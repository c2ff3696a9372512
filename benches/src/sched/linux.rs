//! Two threads of Linux on one CPU that wake each other in turn.

use alloc::sync::Arc;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Release};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread::{self, Thread};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::policy::Turns;
use crate::harness::must;
use crate::harness::question::{Body, Promise, Subject};

/// What both do, timed only: their work is in the kernel, where nobody counts.
const NOTE: &str = "two threads on one CPU, system calls; not counted";

/// By a pipe, and by what threads of `std` sleep with.
pub(crate) fn subjects() -> [Subject; 2] {
    [subject("Linux pipe", Pipes::new), subject("Linux futex (std park)", Parks::new)]
}

/// By two counters.
pub(crate) fn eventfds() -> Subject {
    subject("Linux eventfd", Counters::new)
}

fn subject<T: Turns>(name: &str, make: impl Fn() -> T + 'static) -> Subject {
    Subject {
        name: name.to_owned(),
        promise: Promise::Exclusive,
        note: NOTE,
        counted: false,
        make: Box::new(move || Box::new(OnOneCpu(make()))),
    }
}

struct OnOneCpu<T>(T);

impl<T: Turns> Body for OnOneCpu<T> {
    fn run(&mut self, steps: usize) {
        let _pinned = Pinned::new();
        for _ in 0..steps {
            self.0.turn();
        }
    }
}

/// As long as it lives this thread is on one CPU, the same for all who have one.
struct Pinned(CpuSet);

impl Pinned {
    fn new() -> Self {
        let before = must(sched_getaffinity(None).ok());
        let first = must((0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)));
        let mut one = CpuSet::new();
        one.set(first);
        must(sched_setaffinity(None, &one).ok());
        Self(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        must(sched_setaffinity(None, &self.0).ok());
    }
}

/// A byte goes through one pipe, another comes back.
struct Pipes {
    to: PipeWriter,
    from: PipeReader,
}

impl Pipes {
    /// The other thread ends with the pipe.
    fn new() -> Self {
        let (mut there, to) = must(pipe().ok());
        let (from, mut back) = must(pipe().ok());
        thread::spawn(move || {
            let _pinned = Pinned::new();
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() && back.write_all(&byte).is_ok() {}
        });
        Self { to, from }
    }
}

impl Turns for Pipes {
    fn turn(&mut self) {
        let mut byte = [0];
        must(self.to.write_all(&byte).ok());
        must(self.from.read_exact(&mut byte).ok());
    }
}

/// One is counted there, and then here.
struct Counters {
    to: Arc<OwnedFd>,
    from: Arc<OwnedFd>,
}

/// What ends the other thread.
const LAST: u64 = 2;

impl Counters {
    fn new() -> Self {
        let counter = || Arc::new(must(eventfd(0, EventfdFlags::empty()).ok()));
        let (to, from) = (counter(), counter());
        let (there, back) = (Arc::clone(&to), Arc::clone(&from));
        thread::spawn(move || {
            let _pinned = Pinned::new();
            while count(&there) != LAST {
                add(&back, 1);
            }
        });
        Self { to, from }
    }
}

/// Sleeps until something was counted.
fn count(counter: &OwnedFd) -> u64 {
    let mut bytes = [0; 8];
    must(rustix::io::read(counter, &mut bytes).ok());
    u64::from_ne_bytes(bytes)
}

fn add(counter: &OwnedFd, count: u64) {
    must(rustix::io::write(counter, &count.to_ne_bytes()).ok());
}

impl Turns for Counters {
    fn turn(&mut self) {
        add(&self.to, 1);
        count(&self.from);
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        add(&self.to, LAST);
    }
}

const FIRST: u32 = 0;
const SECOND: u32 = 1;
const END: u32 = 2;

/// Whose turn it is.
struct Parks {
    turn: Arc<AtomicU32>,
    second: Thread,
}

impl Parks {
    fn new() -> Self {
        let (turn, first) = (Arc::new(AtomicU32::new(FIRST)), thread::current());
        let theirs = Arc::clone(&turn);
        let second = thread::spawn(move || {
            let _pinned = Pinned::new();
            loop {
                match theirs.load(Acquire) {
                    SECOND => {
                        theirs.store(FIRST, Release);
                        first.unpark();
                    }
                    END => return,
                    _ => thread::park(),
                }
            }
        });
        Self { turn, second: second.thread().clone() }
    }
}

impl Turns for Parks {
    fn turn(&mut self) {
        self.turn.store(SECOND, Release);
        self.second.unpark();
        while self.turn.load(Acquire) != FIRST {
            thread::park();
        }
    }
}

impl Drop for Parks {
    fn drop(&mut self) {
        self.turn.store(END, Release);
        self.second.unpark();
    }
}
