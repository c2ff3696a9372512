//! [`Stop`]: before everything else, in the order of arrival, until it blocks. For the kernel's own work on a CPU.

use super::{Dequeue, Dequeued, Enqueue, SchedClass, Verdict};
use crate::ds::List;
use crate::error::Corruption;
use crate::task::{Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};

/// The class of `Policy::Stop`. Its tasks are never stolen.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    queue: List,
}

impl Stop {
    /// Without tasks.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: List::new() }
    }
}

impl SchedClass for Stop {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Stop)
    }

    fn join(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Option<&Policy>) -> Dequeued {
        Dequeued::Done
    }

    #[inline]
    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Enqueue, _: Instant) {
        self.queue.push_back(n, task);
    }

    #[inline]
    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Dequeue, _: Instant) -> Dequeued {
        self.queue.remove(n, task);
        Dequeued::Done
    }

    #[inline]
    fn pick(&mut self, _: &mut Nodes<'_>, _: Instant) -> Option<TaskIndex> {
        self.queue.front()
    }

    #[inline]
    fn charge(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Duration, _: Instant) -> Verdict {
        Verdict::Keep
    }

    #[inline]
    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        let _ = self.queue.move_to_back(n, task);
    }

    #[inline]
    fn preempts(&self, _: &Nodes<'_>, _: TaskIndex, _: TaskIndex) -> bool {
        false
    }

    #[inline]
    fn next_event(&self, _: &Nodes<'_>, _: Option<TaskIndex>, _: Instant) -> Option<Instant> {
        None
    }

    fn steal(&self, _: &Nodes<'_>, _: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        None
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        self.queue.check(n)
    }
}
