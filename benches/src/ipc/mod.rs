//! Rings, queues, capabilities, calls and channels beside their peers, and pipes, counters and futexes beside Linux.
//!
//! Time in our kernel types costs nothing here: the interrupt mask is empty, the policy allows everything, nobody sleeps but where a
//! question says so. What Linux does is its system call and its work.

mod call;
mod channel;
mod linux;
mod lookup;
mod queue;
mod record;
mod revoke;
mod ring;
mod set;
mod stacks;
mod threads;

use kos_ipc::policy::NoPolicy;
use kos_ipc::{BlockReason, Env, Instant, Park, Resume};

use crate::harness::question::{Body, Promise, Question, Subject};
use crate::lock::Spin;

/// Items that a ring or queue has room for.
const CAPACITY: usize = 1024;

/// Instructions that a question's first subject takes at most, for `--gate`.
pub(crate) const GATES: [(&str, f64); 1] = [(call::FAST_PATH, call::LIMIT)];

/// Every question.
pub(crate) fn questions() -> Vec<Question> {
    let mut all = ring::questions();
    all.extend(record::questions());
    all.extend(queue::questions());
    all.extend(lookup::questions());
    all.extend(revoke::questions());
    all.extend(call::questions());
    all.extend(channel::questions());
    all.extend(linux::questions());
    all.extend(set::questions());
    all
}

/// A kernel in which nobody sleeps.
struct Awake;

impl Env for Awake {
    type Lock = Spin;
    type Irq = ();
    type Park = Nobody;
    type Policy = NoPolicy;
}

/// Threads that are never parked.
#[derive(Clone, Copy)]
struct Nobody;

impl Park for Nobody {
    type Token = u32;

    fn park(&self, _: &u32, _: Option<Instant>, _: BlockReason) -> Resume {
        Resume::Woken
    }

    fn unpark(&self, _: &u32) {}
}

/// Places for objects live as long as the process: a run makes a few dozen.
fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Places that are lent for ever.
fn places<T>(count: usize, make: impl FnMut() -> T) -> &'static mut [T] {
    core::iter::repeat_with(make).take(count).collect::<Vec<_>>().leak()
}

/// A body that is one closure.
struct Steps<F>(F);

impl<F: FnMut()> Body for Steps<F> {
    fn run(&mut self, steps: usize) {
        (0..steps).for_each(|_| (self.0)());
    }
}

/// A subject whose state `make` makes, and which then does one step after the other on one thread.
fn steps<F: FnMut() + 'static>(
    name: impl Into<String>,
    promise: Promise,
    note: &'static str,
    make: impl Fn() -> F + 'static,
) -> Subject {
    Subject {
        name: name.into(),
        promise,
        note,
        counted: true,
        make: Box::new(move || Box::new(Steps(make()))),
    }
}

/// As [`steps`], for what happens in Linux, where callgrind does not count.
fn in_linux<F: FnMut() + 'static>(name: &str, promise: Promise, make: impl Fn() -> F + 'static) -> Subject {
    Subject { counted: false, ..steps(name, promise, "system calls; not counted", make) }
}
