//! What does it cost to go round among equals, first in first out and by quantum?

use alloc::sync::Arc;
use core::hint::black_box;

use axsched::{BaseScheduler, FifoScheduler, FifoTask, RRScheduler, RRTask};
use kos_sched::class::{ClassSet, Rt};
use kos_sched::{Duration, Policy, RtPriority};

use super::kos::Queue;
use super::{Turns, subject};
use crate::harness::must;
use crate::harness::question::{Question, Shape};
use crate::peers::peer;

/// The quantum of our tasks, and the tick of axsched.
const QUANTUM: u64 = 1_000_000;

/// The question for `count` tasks that yield.
pub(crate) fn fifo(name: &'static str, count: usize) -> Question {
    Question {
        name,
        what: format!("{count} FIFO tasks of one priority: the current one goes behind, the next is picked."),
        operation: "pick and put",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched".to_owned(), "all classes; time is charged", move || {
                Fifo(Queue::new(count, |_| Policy::Fifo(RtPriority::MIN)))
            }),
            subject("kos-sched, class Rt alone".to_owned(), "time is charged", move || {
                Fifo(Queue::with_classes(alone(), count, |_| Policy::Fifo(RtPriority::MIN)))
            }),
            subject(format!("{} FIFO", peer("axsched")), "", move || AxFifo::new(count)),
        ],
    }
}

/// The question for `count` tasks whose quantum ends.
pub(crate) fn round_robin(name: &'static str, count: usize) -> Question {
    let quantum = Duration::from_ticks(QUANTUM);
    Question {
        name,
        what: format!(
            "{count} round-robin tasks of one priority: a tick ends the quantum, the next is picked."
        ),
        operation: "tick, pick and put",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            subject("kos-sched".to_owned(), "all classes; time is charged", move || {
                RoundRobin(Queue::new(count, |_| Policy::RoundRobin(RtPriority::MIN, quantum)))
            }),
            subject("kos-sched, class Rt alone".to_owned(), "time is charged", move || {
                RoundRobin(Queue::with_classes(alone(), count, |_| {
                    Policy::RoundRobin(RtPriority::MIN, quantum)
                }))
            }),
            subject(format!("{} RR", peer("axsched")), "", move || AxRoundRobin::new(count)),
        ],
    }
}

/// As many policies as axsched has in one build.
const fn alone() -> (Rt, ()) {
    (Rt::new(), ())
}

struct Fifo<C>(Queue<C>);

impl<C: ClassSet + 'static> Turns for Fifo<C> {
    #[inline]
    fn turn(&mut self) {
        let now = self.0.after(1_000);
        let _ = black_box(self.0.queue.yield_current(now));
        black_box(must(self.0.queue.pick(now)));
    }
}

struct RoundRobin<C>(Queue<C>);

impl<C: ClassSet + 'static> Turns for RoundRobin<C> {
    #[inline]
    fn turn(&mut self) {
        let now = self.0.after(QUANTUM);
        let _ = black_box(self.0.queue.charge(now));
        black_box(must(self.0.queue.pick(now)));
    }
}

struct AxFifo {
    queue: FifoScheduler<usize>,
    current: Option<Arc<FifoTask<usize>>>,
}

impl AxFifo {
    fn new(count: usize) -> Self {
        let mut queue = FifoScheduler::new();
        (0..count).for_each(|index| queue.add_task(Arc::new(FifoTask::new(index))));
        let current = queue.pick_next_task();
        Self { queue, current }
    }
}

impl Turns for AxFifo {
    #[inline]
    fn turn(&mut self) {
        self.queue.put_prev_task(must(self.current.take()), false);
        self.current = black_box(self.queue.pick_next_task());
    }
}

struct AxRoundRobin {
    queue: RRScheduler<usize, 1>,
    current: Option<Arc<RRTask<usize, 1>>>,
}

impl AxRoundRobin {
    fn new(count: usize) -> Self {
        let mut queue = RRScheduler::new();
        (0..count).for_each(|index| queue.add_task(Arc::new(RRTask::new(index))));
        let current = queue.pick_next_task();
        Self { queue, current }
    }
}

impl Turns for AxRoundRobin {
    #[inline]
    fn turn(&mut self) {
        let task = must(self.current.take());
        black_box(self.queue.task_tick(&task));
        self.queue.put_prev_task(task, true);
        self.current = black_box(self.queue.pick_next_task());
    }
}
