//! [`Rt`]: fixed priorities, first in first out or in turn among equals (POSIX `SCHED_FIFO`, `SCHED_RR`). Everything O(1).
//!
//! The current task stays in its list, at the front unless it yielded; so to pick and to put back is to look.
//!
//! | word | meaning |
//! |---|---|
//! | `level` | the priority |
//! | `halves[QUANTUM]` | the quantum in ns; 0 for FIFO |
//! | `halves[LEFT]` | what is left of it |

use super::{Dequeue, Dequeued, Enqueue, SCAN, SchedClass, Verdict, after};
use crate::ds::Levels;
use crate::error::Corruption;
use crate::task::{Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};

const QUANTUM: usize = 0;
const LEFT: usize = 1;

/// The class of `Policy::Fifo` and `Policy::RoundRobin`.
#[derive(Clone, Debug, Default)]
pub struct Rt {
    queue: Levels,
}

impl Rt {
    /// Without tasks.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: Levels::new() }
    }
}

impl SchedClass for Rt {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Fifo(_) | Policy::RoundRobin(..))
    }

    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued {
        let (priority, quantum) = match policy {
            Some(Policy::Fifo(priority)) => (priority, 0),
            // At most a second: see `Policy::validate`.
            Some(Policy::RoundRobin(priority, quantum)) => {
                (priority, u32::try_from(quantum.as_ticks()).unwrap_or(u32::MAX))
            }
            _ => return Dequeued::Done,
        };
        if let Some(node) = n.get_mut(task) {
            node.level = priority.get();
            node.halves[QUANTUM] = quantum;
            node.halves[LEFT] = quantum;
        }
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
    fn charge(&mut self, n: &mut Nodes<'_>, task: TaskIndex, ran: Duration, _: Instant) -> Verdict {
        let Some(node) = n.get_mut(task) else { return Verdict::Keep };
        let quantum = node.halves[QUANTUM];
        if quantum == 0 {
            return Verdict::Keep;
        }
        let ran = u32::try_from(ran.as_ticks()).unwrap_or(u32::MAX);
        let left = node.halves[LEFT].saturating_sub(ran);
        if left != 0 {
            node.halves[LEFT] = left;
            return Verdict::Keep;
        }
        node.halves[LEFT] = quantum;
        Verdict::resched_if(self.queue.move_to_back(n, task))
    }

    #[inline]
    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        let _ = self.queue.move_to_back(n, task);
    }

    #[inline]
    fn preempts(&self, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool {
        match (n.get(task), n.get(current)) {
            (Some(task), Some(current)) => task.level > current.level,
            _ => false,
        }
    }

    #[inline]
    fn next_event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        let node = n.get(current?)?;
        let takes_turns = node.halves[QUANTUM] != 0 && !self.queue.level(node.level).is_single(n);
        if takes_turns { after(now, node.halves[LEFT].into()) } else { None }
    }

    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        self.queue.iter(n).take(SCAN).find(|&task| allowed(task))
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        self.queue.check(n)
    }
}
