//! Our run queue over leaked slots: with every class, as a kernel has it, or with one, as axsched has.

use kos_sched::class::{ClassSet, Deadline, Fair, Idle, Rt, Stop};
use kos_sched::task::{Arena, Slot};
use kos_sched::{Instant, Policy, RunQueue};

use crate::harness::must;

/// Every class.
pub(crate) type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

/// A queue and the time.
pub(super) struct Queue<C> {
    pub(super) queue: RunQueue<'static, C>,
    pub(super) now: u64,
}

impl Queue<Classes> {
    /// A queue with every class, of `count` tasks of which one is current.
    pub(super) fn new(count: usize, policy: impl Fn(usize) -> Policy) -> Self {
        let classes = (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
        Self::with_classes(classes, count, policy)
    }
}

impl<C: ClassSet> Queue<C> {
    /// A queue of `count` tasks of which one is current.
    pub(super) fn with_classes(classes: C, count: usize, policy: impl Fn(usize) -> Policy) -> Self {
        let slots: Vec<Slot> = (0..count).map(|_| Slot::new()).collect();
        let (arena, mut free) = Arena::new(slots.leak());
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
