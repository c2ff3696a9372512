//! One CPU over a [`RunQueue`]: it goes from event to event, exactly, and books who ran how long.

use alloc::vec::Vec;

use crate::class::{ClassSet, Verdict};
use crate::task::{Arena, Detached, FreeSlots, Slot, TaskIndex};
use crate::{Instant, Policy, RunQueue};

/// A queue, the time, and what each task has got.
#[derive(Debug)]
pub struct Driver<'s, C> {
    /// The queue.
    pub queue: RunQueue<'s, C>,
    /// Slots for more tasks.
    pub free: FreeSlots<'s>,
    /// Now.
    pub now: u64,
    /// CPU time of each task, by slot.
    pub got: Vec<u64>,
}

impl<'s, C: ClassSet> Driver<'s, C> {
    /// A CPU with `classes` over `slots`, whose clock starts at `start`.
    ///
    /// # Panics
    /// Never: an arena has an id for its first queue.
    #[expect(clippy::expect_used, reason = "a new arena has ids")]
    pub fn new(slots: &'s mut [Slot], classes: C, start: u64) -> Self {
        let got = alloc::vec![0; slots.len()];
        let (arena, free) = Arena::new(slots);
        let mut queue = RunQueue::new(arena.queue().expect("the first id"), classes);
        let _ = queue.charge(Instant::from_ticks(start));
        Self { queue, free, now: start, got }
    }

    /// A new task, runnable.
    ///
    /// # Panics
    /// If there is no slot or the policy is refused.
    #[expect(clippy::expect_used, reason = "ends the test")]
    pub fn admit(&mut self, policy: Policy) -> TaskIndex {
        let task = self.free.take().expect("a free slot");
        let index = task.index();
        if let Err(error) = self.queue.admit(task, policy, self.time()) {
            panic!("{error}");
        }
        index
    }

    /// A task's slot, taken out of the free ones.
    pub fn slot(&mut self) -> Option<Detached<'s>> {
        self.free.take()
    }

    /// Now.
    #[must_use]
    pub fn time(&self) -> Instant {
        Instant::from_ticks(self.now)
    }

    /// Runs to the queue's next event, at most to `until`. Says what the queue said.
    pub fn advance(&mut self, until: u64) -> Verdict {
        let event = self.queue.next_event().map_or(u64::MAX, |event| event.as_ticks());
        let next = event.clamp(self.now, until.max(self.now));
        if let Some(current) = self.queue.current() {
            self.got[current.as_usize()] += next - self.now;
        }
        self.now = next;
        self.queue.charge(self.time())
    }

    /// Runs to `until`, picking whenever the queue asks for it.
    pub fn run(&mut self, until: u64) {
        self.queue.pick(self.time());
        while self.now < until {
            if self.advance(until) != Verdict::Keep {
                self.queue.pick(self.time());
            }
        }
    }
}
