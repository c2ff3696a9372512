//! Scheduling classes: who runs first among tasks of one kind. [`SchedClass`] is one, [`ClassSet`] an ordered tuple of them.
//!
//! | class | policy | order |
//! |---|---|---|
//! | [`Stop`] | `Stop` | as they came |
//! | [`Deadline`] | `Deadline` | earliest deadline, within budgets |
//! | [`Rt`] | `Fifo`, `RoundRobin` | priority, then as they came |
//! | [`Fair`] | `Fair`, `Batch`, `Idle` | earliest eligible virtual deadline |
//! | [`Idle`] | `IdleThread` | in turn |
//!
//! Every method runs with the queue's lock held and interrupts masked: it must not allocate, block, panic or call the queue. A
//! class keeps the tasks that joined it apart by its own containers and changes only nodes of its own tasks. All of this
//! directory is safe code: a wrong class gives a wrong order, never a wrong memory access.

mod deadline;
mod fair;
mod idle;
mod rt;
mod set;
mod stop;

pub use deadline::Deadline;
pub use fair::Fair;
pub use idle::Idle;
pub use rt::Rt;
pub use set::ClassSet;
pub use stop::Stop;

use crate::error::{AttrError, Corruption};
use crate::task::{Node, Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};

/// Why a task comes into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueue {
    /// For the first time in this class.
    New,
    /// It slept, and was nobody's.
    Wake,
    /// It slept, and this class kept it: its last dequeue was delayed, or it joined asleep.
    Resume,
    /// It was taken out of another queue while it wanted to run.
    Migrate,
    /// Its parameters changed.
    Change,
}

/// Why a task leaves a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dequeue {
    /// It sleeps.
    Sleep,
    /// Its parameters or its class are about to change; it comes back at once.
    Change,
    /// It goes to another queue or ends.
    Leave,
}

/// Whose a task is that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Dequeued {
    /// Nobody's: any queue may wake it.
    Done,
    /// Still this queue's: only here can it be woken, or taken away by name.
    Delayed,
}

/// What becomes of the current task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It runs on.
    Keep,
    /// Pick again.
    Resched,
    /// Pick again: it used up its budget.
    Throttled {
        /// When it gets the next one.
        until: Instant,
    },
}

impl Verdict {
    /// `Resched` if `again`.
    pub(crate) const fn resched_if(again: bool) -> Self {
        if again { Self::Resched } else { Self::Keep }
    }
}

/// What a queue carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Tasks that want the CPU, the current one and throttled ones included.
    pub runnable: u32,
    /// Those of them that wait for their next budget.
    pub throttled: u32,
    /// Sum of the weights of the fair ones (nice 0 is 1024).
    pub weight: u64,
    /// Bandwidth given to deadline tasks, asleep ones included, in units of 2^-32 of a CPU.
    pub bandwidth: u64,
}

impl Load {
    /// Tasks that want the CPU and could have it now.
    #[must_use]
    pub const fn ready(&self) -> u32 {
        self.runnable.saturating_sub(self.throttled)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            runnable: self.runnable.saturating_add(other.runnable),
            throttled: self.throttled.saturating_add(other.throttled),
            weight: self.weight.saturating_add(other.weight),
            bandwidth: self.bandwidth.saturating_add(other.bandwidth),
        }
    }
}

/// A scheduling class of one queue.
///
/// A task *joins*, is enqueued and dequeued any number of times, and *leaves*. The current task is one that was enqueued; between
/// `set_current` and `put_previous` (or its `dequeue`) it runs.
pub trait SchedClass {
    /// Whether tasks of this policy belong here. The first class of a set that says so gets them.
    fn accepts(&self, policy: &Policy) -> bool;

    /// Whether `task` may have `policy` ([`None`]: what its node says), being a `member` already or not. Changes nothing.
    ///
    /// # Errors
    /// What stands against it.
    fn admit(
        &self,
        n: &Nodes<'_>,
        task: TaskIndex,
        policy: Option<&Policy>,
        member: bool,
    ) -> Result<(), AttrError> {
        let _ = (n, task, policy, member);
        Ok(())
    }

    /// The policy for which [`admit`](Self::admit) had to find room, as `node` says it. [`None`]: there is always room.
    fn reserved(&self, node: &Node) -> Option<Policy> {
        let _ = node;
        None
    }

    /// `task` belongs here from now on, asleep, with `policy` ([`None`]: what its node says). It was admitted. Says whether the class
    /// keeps it while it sleeps.
    ///
    /// The node's words are zero, or what this class left there before a change or on another CPU.
    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued;

    /// `task`, which is dequeued, does not belong here any more.
    fn leave(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let _ = (n, task);
    }

    /// `task` wants to run.
    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, now: Instant);

    /// `task`, which may be the current one, does not want to run. Only `Sleep` may be delayed; for other reasons it may be one
    /// that sleeps already.
    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Dequeue, now: Instant) -> Dequeued;

    /// Who should run. Does not remove it. There is no current task.
    fn pick(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<TaskIndex>;

    /// Whether `task`, which waits here, may run before whom [`pick`](Self::pick) names, because another handed the CPU to it.
    /// Nobody may starve by that.
    fn may_go_first(&self, n: &Nodes<'_>, task: TaskIndex) -> bool {
        let _ = (n, task);
        false
    }

    /// `task` runs from now on.
    fn set_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        let _ = (n, task, now);
    }

    /// `task`, the current one, stops running and still wants to.
    fn put_previous(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        let _ = (n, task, now);
    }

    /// `task`, the current one, ran for `ran` up to `now`.
    fn charge(&mut self, n: &mut Nodes<'_>, task: TaskIndex, ran: Duration, now: Instant) -> Verdict;

    /// `task`, the current one, lets others go first.
    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: Instant);

    /// Whether `task`, just enqueued, should run in place of `current`.
    fn preempts(&self, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool;

    /// What the time brings, budgets above all. Says whether a task came back.
    fn advance(&mut self, n: &mut Nodes<'_>, now: Instant) -> bool {
        let _ = (n, now);
        false
    }

    /// When `charge` or `advance` would next have something to say if nothing else happens. `current` is the current task, if it is
    /// of this class.
    fn next_event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant>;

    /// Which task another CPU may take: the one for which `allowed` says so that gains most. Asks at most [`SCAN`] times.
    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex>;

    /// What it carries. `runnable` is counted by the queue.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Walks every invariant and says how many tasks are in its containers, the current one included. Takes time in proportion.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption>;
}

/// How many tasks [`SchedClass::steal`] looks at.
pub const SCAN: usize = 32;

/// `now` and `length` later; [`None`] is never.
pub(crate) fn after(now: Instant, length: u64) -> Option<Instant> {
    now.checked_add_duration(Duration::from_ticks(length))
}

/// The earlier of two events; [`None`] is never.
#[inline]
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
