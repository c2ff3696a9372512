//! Our run queue with every class, over leaked slots.

use kos_sched::class::{Deadline, Fair, Idle, Rt, Stop};
use kos_sched::task::{Arena, Slot};
use kos_sched::{Instant, Policy, RunQueue};

use crate::harness::must;

pub(super) type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

/// A queue and the time.
pub(super) struct Queue {
    pub(super) queue: RunQueue<'static, Classes>,
    pub(super) now: u64,
}

impl Queue {
    /// A queue of `count` tasks of which one is current.
    pub(super) fn new(count: usize, policy: impl Fn(usize) -> Policy) -> Self {
        let slots: Vec<Slot> = (0..count).map(|_| Slot::new()).collect();
        let (arena, mut free) = Arena::new(slots.leak());
        let classes = (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
        let mut queue = RunQueue::new(must(arena.queue()), classes);
        let now = Instant::from_ticks(0);
        for index in 0..count {
            let _ = must(queue.admit(must(free.take()), policy(index), now).ok());
        }
        must(queue.pick(now));
        Self { queue, now: 0 }
    }

    /// The time, `length` ns later.
    #[inline]
    pub(super) fn after(&mut self, length: u64) -> Instant {
        self.now += length;
        Instant::from_ticks(self.now)
    }
}
