//! [`Deadline`]: earliest deadline first, each task held to its budget (EDF with a constant-bandwidth server for each task).
//!
//! A task has `runtime` in each `period`, to be had within `deadline`. It is admitted only if the CPU can keep that promise beside all
//! others here, asleep ones included; so a sleeping task stays with its queue. Who has used up his budget is *throttled* until
//! his next period: he can delay nobody.
//!
//! - A wake-up goes on with the old budget and deadline if their ratio is within the task's share. If not, a task whose deadline is its
//!   period begins anew, and one with a shorter deadline waits for its next period.
//! - New parameters count at once if nothing of the budget was used, else from the next period on.
//! - Nothing is divided but in admission. A deadline past the end of time is the end of time.
//!
//! A task is in one of three containers: ready (by deadline; the current one stays in), throttled (by next budget), asleep.
//!
//! Source: Abeni and Buttazzo, "Integrating Multimedia Applications in Hard Real-Time Systems", 1998.

mod admission;
mod node;

use super::{Dequeue, Dequeued, Enqueue, Load, SchedClass, Verdict, after, earlier};
use crate::ds::{List, Tree};
use crate::error::{AttrError, Corruption};
use crate::task::{Node, Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};
use admission::{CPU, Demand};
use node::{ByDue, ByRefill, Place};

/// The class of `Policy::Deadline`. Its tasks are not stolen: their bandwidth is here.
#[derive(Debug)]
pub struct Deadline {
    ready: Tree<ByDue>,
    throttled: Tree<ByRefill>,
    asleep: List,
    /// How many are throttled.
    waiting: u32,
    /// Given away, in units of 2^-32 of the CPU.
    bandwidth: u64,
    /// At most so much is given away. [`None`]: there is no admission.
    cap: Option<u64>,
}

impl Deadline {
    /// What is given away at most by default: 95 % of the CPU, in units of 2^-32.
    pub const CAP: u32 = 4_080_218_931;

    /// Without tasks; gives away up to 95 % of the CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_cap(Self::CAP)
    }

    /// Without tasks; gives away up to `cap`, in units of 2^-32 of the CPU.
    #[must_use]
    pub const fn with_cap(cap: u32) -> Self {
        Self { cap: Some(cap as u64), ..Self::without_admission() }
    }

    /// Without tasks; takes whoever comes. Budgets hold, deadlines only if the set allows it.
    #[must_use]
    pub const fn without_admission() -> Self {
        Self {
            ready: Tree::new(),
            throttled: Tree::new(),
            asleep: List::new(),
            waiting: 0,
            bandwidth: 0,
            cap: None,
        }
    }

    /// Everybody who joined.
    fn members(&self, n: &Nodes<'_>) -> impl Iterator<Item = TaskIndex> + Clone {
        self.ready.iter(n).chain(self.throttled.iter(n)).chain(self.asleep.iter(n))
    }

    /// Takes `task` out of the container it is in.
    fn take_out(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        match n.get(task).map(Node::place) {
            Some(Place::Ready) => self.ready.remove(n, task),
            Some(Place::Throttled) => {
                self.throttled.remove(n, task);
                self.waiting = self.waiting.saturating_sub(1);
            }
            Some(Place::Asleep) => self.asleep.remove(n, task),
            None => {}
        }
    }

    /// Puts `task`, which is in no container, where its budget says: ready, or throttled until `refill`.
    fn put(&mut self, n: &mut Nodes<'_>, task: TaskIndex, refill: u64, now: u64) -> Place {
        let Some(node) = n.get_mut(task) else { return Place::Asleep };
        node.throttle(refill);
        if node.budget() <= 0 && refill <= now {
            node.replenish(now);
            node.throttle(node.next_period());
        }
        if node.budget() > 0 {
            node.set_place(Place::Ready);
            self.ready.insert(n, task);
            return Place::Ready;
        }
        node.set_place(Place::Throttled);
        self.throttled.insert(n, task);
        self.waiting = self.waiting.saturating_add(1);
        Place::Throttled
    }

    fn fall_asleep(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        let Some(node) = n.get_mut(task) else { return };
        node.set_place(Place::Asleep);
        self.asleep.push_back(n, task);
    }

    /// The budget of `task`, the current one, is used up.
    fn exhaust(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: u64) -> Verdict {
        self.ready.remove(n, task);
        let refill = n.get(task).map_or(u64::MAX, Node::next_period);
        match self.put(n, task, refill, now) {
            Place::Throttled => {
                let until = n.get(task).map_or(u64::MAX, Node::refill);
                Verdict::Throttled { until: Instant::from_ticks(until) }
            }
            _ => Verdict::Resched,
        }
    }

    /// Hands out the budgets that are due. Says whether somebody came back.
    fn refill(&mut self, n: &mut Nodes<'_>, now: Instant) -> bool {
        let mut came = false;
        // Each task once: its next budget comes later than now.
        while let Some(task) = self.throttled.first() {
            let Some(node) = n.get(task).filter(|node| node.refill() <= now.as_ticks()) else { break };
            let refill = node.refill();
            self.take_out(n, task);
            came |= self.put(n, task, refill, now.as_ticks()) == Place::Ready;
        }
        came
    }

    /// As `next_event`, if there is one.
    fn event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        let refill = self.throttled.first().and_then(|task| n.get(task)).map(Node::refill);
        let refill = refill.filter(|&refill| refill != u64::MAX).map(Instant::from_ticks);
        let running = current.and_then(|task| n.get(task)).filter(|node| node.place() == Place::Ready);
        let exhausted = running.and_then(|node| after(now, node.budget().max(0).cast_unsigned()));
        earlier(refill, exhausted)
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl SchedClass for Deadline {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Deadline(_))
    }

    fn admit(
        &self,
        n: &Nodes<'_>,
        task: TaskIndex,
        policy: Option<&Policy>,
        member: bool,
    ) -> Result<(), AttrError> {
        let Some(cap) = self.cap else { return Ok(()) };
        let asked = match policy {
            Some(Policy::Deadline(params)) => Demand::from(params),
            _ => n.get(task).map(Demand::from).ok_or(AttrError::NoClass)?,
        };
        let others = self.members(n).filter(|&other| !member || other != task);
        let others = others.filter_map(|other| n.get(other)).map(Demand::from);
        let given = others.clone().fold(0u64, |sum, other| sum.saturating_add(other.bandwidth()));
        let total = given.saturating_add(asked.bandwidth());
        let narrow = |bandwidth: u64| u32::try_from(bandwidth).unwrap_or(u32::MAX);
        let refusal = AttrError::Admission {
            asked: narrow(asked.bandwidth()),
            free: narrow(cap.saturating_sub(given)),
        };
        let all = others.chain(core::iter::once(asked));
        let fits = total <= cap.min(CPU - 1)
            && (!all.clone().any(Demand::is_constrained) || admission::is_feasible(all, total));
        if fits { Ok(()) } else { Err(refusal) }
    }

    fn reserved(&self, node: &Node) -> Option<Policy> {
        node.params().map(Policy::Deadline)
    }

    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued {
        if let Some(node) = n.get_mut(task) {
            if let Some(Policy::Deadline(params)) = policy {
                let untouched = node.budget() == i64::from(node.runtime());
                let next_period = node.next_period();
                node.set_params(*params);
                node.start_over(if untouched { None } else { Some(next_period) });
            }
            self.bandwidth = self.bandwidth.saturating_add(Demand::from(&*node).bandwidth());
        }
        self.fall_asleep(n, task);
        Dequeued::Delayed
    }

    fn leave(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        self.take_out(n, task);
        let freed = n.get(task).map_or(0, |node| Demand::from(node).bandwidth());
        self.bandwidth = self.bandwidth.saturating_sub(freed);
    }

    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, now: Instant) {
        let now = now.as_ticks();
        self.take_out(n, task);
        let Some(node) = n.get_mut(task) else { return };
        let refill = node.next_period();
        let wakes = matches!(why, Enqueue::Wake | Enqueue::Resume);
        if node.is_fresh() || (wakes && refill < now) {
            node.begin(now);
        } else if wakes && node.exceeds_share(now) {
            if node.relative() == node.period() { node.begin(now) } else { node.set_budget(0) }
        }
        self.put(n, task, refill, now);
    }

    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Dequeue, _: Instant) -> Dequeued {
        self.take_out(n, task);
        self.fall_asleep(n, task);
        Dequeued::Delayed
    }

    #[inline]
    fn pick(&mut self, _: &mut Nodes<'_>, _: Instant) -> Option<TaskIndex> {
        self.ready.first()
    }

    fn charge(&mut self, n: &mut Nodes<'_>, task: TaskIndex, ran: Duration, now: Instant) -> Verdict {
        let Some(node) = n.get_mut(task) else { return Verdict::Keep };
        let ran = i64::try_from(ran.as_ticks()).unwrap_or(i64::MAX);
        node.set_budget(node.budget().saturating_sub(ran));
        let exhausted = node.budget() <= 0 && node.place() == Place::Ready;
        if exhausted { self.exhaust(n, task, now.as_ticks()) } else { Verdict::Keep }
    }

    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        let Some(node) = n.get_mut(task).filter(|node| node.place() == Place::Ready) else { return };
        node.set_budget(0);
        let _ = self.exhaust(n, task, now.as_ticks());
    }

    fn preempts(&self, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool {
        let (Some(task), Some(current)) = (n.get(task), n.get(current)) else { return false };
        task.place() == Place::Ready && task.due() < current.due()
    }

    #[inline]
    fn advance(&mut self, n: &mut Nodes<'_>, now: Instant) -> bool {
        !self.throttled.is_empty() && self.refill(n, now)
    }

    #[inline]
    fn next_event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        if current.is_none() && self.throttled.is_empty() {
            return None;
        }
        self.event(n, current, now)
    }

    fn steal(&self, _: &Nodes<'_>, _: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        None
    }

    fn load(&self) -> Load {
        Load { throttled: self.waiting, bandwidth: self.bandwidth, ..Load::default() }
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        let waiting = self.throttled.check(n)?;
        let count = self.ready.check(n)?.saturating_add(waiting).saturating_add(self.asleep.check(n)?);
        let mut bandwidth = 0u64;
        for task in self.members(n) {
            let node = n.get(task).ok_or(Corruption::Owner(task))?;
            if (node.place() == Place::Ready) != (node.budget() > 0) && node.place() != Place::Asleep {
                return Err(Corruption::Order(task));
            }
            bandwidth = bandwidth.saturating_add(Demand::from(node).bandwidth());
        }
        if bandwidth != self.bandwidth {
            return Err(Corruption::Sum);
        }
        if usize::try_from(self.waiting) == Ok(waiting) { Ok(count) } else { Err(Corruption::Count) }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
