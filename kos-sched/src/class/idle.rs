//! [`Idle`]: what a CPU does when nobody wants it. Several idle threads take turns, each time one is put back.

use super::{Dequeue, Dequeued, Enqueue, SchedClass, Verdict};
use crate::ds::List;
use crate::error::Corruption;
use crate::task::{Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};

/// The class of `Policy::IdleThread`. Its tasks are never stolen.
#[derive(Clone, Debug, Default)]
pub struct Idle {
    queue: List,
}

impl Idle {
    /// Without tasks.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: List::new() }
    }
}

impl SchedClass for Idle {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::IdleThread)
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
    fn put_previous(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        let _ = self.queue.move_to_back(n, task);
    }

    #[inline]
    fn charge(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Duration, _: Instant) -> Verdict {
        Verdict::Keep
    }

    #[inline]
    fn yield_current(&mut self, _: &mut Nodes<'_>, _: TaskIndex, _: Instant) {}

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
