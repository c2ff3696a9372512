//! Scheduling policy: how long it takes to choose the next task, with 10, 1000 and 100,000 of them.
//!
//! Ours is the run queue as a kernel has it: all classes compiled in, the time passed with every call, every index checked.
//! axsched keeps reference-counted tasks, has one policy a build and no time but its ticks.

pub(crate) mod fair;
mod kos;
pub(crate) mod levels;
pub(crate) mod rt;

pub(super) use kos::Classes;

use crate::harness::question::{Body, Promise, Subject};

/// A queue of tasks that does one turn after the other.
pub(crate) trait Turns: 'static {
    /// The current task gives way, the next one becomes current.
    fn turn(&mut self);
}

struct Run<T>(T);

impl<T: Turns> Body for Run<T> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.0.turn();
        }
    }
}

/// One owner, as under the lock of a run queue.
pub(super) fn subject<T: Turns>(name: String, note: &'static str, make: impl Fn() -> T + 'static) -> Subject {
    Subject {
        name,
        promise: Promise::Exclusive,
        note,
        counted: true,
        make: Box::new(move || Box::new(Run(make()))),
    }
}

/// A number that is different for neighbours and the same in every run.
pub(super) fn scatter(index: usize) -> u64 {
    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
