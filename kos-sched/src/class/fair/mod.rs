//! [`Fair`]: shares of the CPU by weight, short requests first (EEVDF: earliest eligible virtual deadline first).
//!
//! Each task has a virtual run time, its own run time divided by its weight. Their weighted mean is the queue's virtual time; how far a
//! task is behind it is its *lag*. A task with lag of 0 or more is *eligible*; of those the one runs whose request, one slice long, has
//! the earliest virtual deadline. So no task gets ahead of its share, or stays behind it, by more than a slice.
//!
//! - Lag is kept over sleep, change of weight and migration, up to two slices; so nobody gains by any of them.
//! - Who falls asleep before its share is used up by waiting (negative lag) stays in the tree until it is: *delayed dequeue*.
//! - The division of run time by weight keeps its remainder: nothing drifts.
//! - The current task runs to the end of its slice, unless somebody with an earlier deadline wakes, or has become eligible when the
//!   shortest slice of the queue has passed.
//!
//! Source: Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", 1995; Linux 6.12 for delayed dequeue.

mod average;
mod node;
mod virtual_time;

use super::{Dequeue, Dequeued, Enqueue, Load, SCAN, SchedClass, Verdict, after};
use crate::ds::Tree;
use crate::error::Corruption;
use crate::task::node::Standing;
use crate::task::{Node, Nodes, Policy, TaskIndex};
use crate::time::{Duration, Instant};
use average::{Average, scale};
use node::{ByDeadline, LARGEST, UNIT};
use virtual_time::VirtualTime;

/// Run time beyond this, 69 s, without a charge counts as this much: virtual time must not jump half way round.
const LONGEST_RUN: u64 = 1 << 36;

const _: () = assert!(LONGEST_RUN * UNIT + (1 << 17) <= LARGEST && (u32::MAX as u64) * UNIT <= LARGEST);

/// The class of `Policy::Fair`, `Policy::Batch` and `Policy::Idle`.
#[derive(Debug)]
pub struct Fair {
    /// Everybody but the current task.
    tree: Tree<ByDeadline>,
    /// Of everybody, the current task included.
    average: Average,
    current: Option<TaskIndex>,
    /// How long the current task has run since it was picked.
    ran: u64,
    /// When `ran` is compared with others again.
    compare_at: u64,
}

impl Fair {
    /// Without tasks.
    #[must_use]
    pub const fn new() -> Self {
        // Soon to wrap, so that whoever cannot bear it fails early.
        let start = VirtualTime::from_bits((i64::MAX - (1 << 30)).cast_unsigned());
        Self { tree: Tree::new(), average: Average::new(start), current: None, ran: 0, compare_at: 0 }
    }

    /// Puts `task`, whose node says its lag, into the tree.
    fn place(&mut self, n: &mut Nodes<'_>, task: TaskIndex, keep_request: bool) {
        let Some(node) = n.get_mut(task) else { return };
        let (weight, others) = (node.weight().get(), self.average.weight());
        // Its coming moves the mean towards it; this much more lag leaves what it had.
        let lag = scale(node.lag(), others.saturating_add(weight.into()), others.max(1));
        let lag = if others == 0 { 0 } else { lag };
        let request = match node.request_left() {
            left @ 1.. if keep_request => left.min(node.virtual_slice().max(1)),
            _ => node.virtual_slice(),
        };
        let vruntime = self.average.time().plus(lag.saturating_neg());
        node.set_vruntime(vruntime);
        node.set_deadline(vruntime.plus(request));
        let slice = node.slice().into();
        self.average.add(vruntime, weight);
        self.tree.insert(n, task);
        self.compare_at = self.compare_at.min(self.ran.saturating_add(slice));
    }

    /// Takes `task`, queued or current, out; its node says its lag then, at most `most`, and what is left of its request.
    fn take_out(&mut self, n: &mut Nodes<'_>, task: TaskIndex, most: i64) {
        if self.current == Some(task) {
            self.current = None;
        } else {
            self.tree.remove(n, task);
        }
        let Some(node) = n.get_mut(task) else { return };
        let (vruntime, weight) = (node.vruntime(), node.weight().get());
        let limit = node.virtual_slice().saturating_mul(2);
        let lag = self.average.time().since(vruntime).clamp(limit.saturating_neg(), limit).min(most);
        self.average.remove(vruntime, weight);
        let left = node.deadline().since(vruntime);
        node.set_lag(lag);
        node.set_request_left(left);
    }

    /// The eligible task in the tree with the earliest deadline.
    fn best(&self, n: &Nodes<'_>) -> Option<TaskIndex> {
        self.tree.find_first(
            n,
            |node| self.average.reaches(node.least_vruntime()),
            |node| self.average.reaches(node.vruntime()),
        )
    }

    /// As `pick`, if it is not simply the first task.
    fn search(&mut self, n: &mut Nodes<'_>) -> Option<TaskIndex> {
        loop {
            let task = self.best(n).or(self.tree.first())?;
            if n.get(task)?.standing != Standing::Asleep {
                return Some(task);
            }
            self.let_go(n, task);
        }
    }

    /// Lets go of `task`, which is in the tree and sleeps: it has waited long enough.
    fn let_go(&mut self, n: &mut Nodes<'_>, task: TaskIndex) {
        self.take_out(n, task, 0);
        if let Some(node) = n.get_mut(task) {
            node.standing = Standing::Out;
            n.release(task);
        }
    }

    /// Whether somebody else should run, now that `ran` has come to `compare_at`.
    fn compare(&mut self, n: &Nodes<'_>, current: TaskIndex) -> Verdict {
        let Some(node) = n.get(current) else { return Verdict::Keep };
        self.compare_at = self.ran.saturating_add(self.quantum(n, node));
        let best = self.best(n).and_then(|best| n.get(best));
        Verdict::resched_if(best.is_some_and(|best| best.deadline().is_before(node.deadline())))
    }

    /// How long `current` runs before it is compared with others: the shortest slice of all.
    fn quantum(&self, n: &Nodes<'_>, current: &Node) -> u64 {
        let least = self.tree.root().and_then(|root| n.get(root)).map_or(u32::MAX, Node::least_slice);
        least.min(current.slice()).into()
    }

    fn has_others(&self, current: &Node) -> bool {
        self.average.weight() > current.weight().get().into()
    }
}

impl Default for Fair {
    fn default() -> Self {
        Self::new()
    }
}

impl SchedClass for Fair {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Fair { .. } | Policy::Batch(_) | Policy::Idle)
    }

    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, policy: Option<&Policy>) -> Dequeued {
        let (Some(node), Some(policy)) = (n.get_mut(task), policy) else { return Dequeued::Done };
        let old = node.weight();
        node.set_policy(policy);
        let (new, old) = (node.weight().get().into(), old.get().into());
        // What it is owed stays as much CPU time. Rounded down: nobody loses a debt by many changes.
        node.set_lag(scale(node.lag(), old, new));
        node.set_request_left(scale(node.request_left(), old, new));
        node.set_remainder(0);
        Dequeued::Done
    }

    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, _: Instant) {
        if why != Enqueue::Resume {
            self.place(n, task, matches!(why, Enqueue::Change | Enqueue::Migrate));
        } else if n.get(task).is_some_and(|node| self.average.reaches(node.vruntime())) {
            // It has waited long enough to be quit of its debt; more it does not gain.
            self.take_out(n, task, 0);
            self.place(n, task, false);
        }
    }

    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Dequeue, now: Instant) -> Dequeued {
        let eligible = n.get(task).is_none_or(|node| self.average.reaches(node.vruntime()));
        if why == Dequeue::Sleep && !eligible {
            if self.current == Some(task) {
                self.put_previous(n, task, now);
            }
            return Dequeued::Delayed;
        }
        self.take_out(n, task, i64::MAX);
        Dequeued::Done
    }

    fn pick(&mut self, n: &mut Nodes<'_>, _: Instant) -> Option<TaskIndex> {
        let first = self.tree.first()?;
        let node = n.get(first)?;
        if node.standing != Standing::Asleep && self.average.reaches(node.vruntime()) {
            return Some(first);
        }
        self.search(n)
    }

    /// If it has not had more than its share: two that hand the CPU to each other come to an end of theirs.
    fn may_go_first(&self, n: &Nodes<'_>, task: TaskIndex) -> bool {
        n.get(task).is_some_and(|node| self.average.reaches(node.vruntime()))
    }

    fn set_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        let Some(node) = n.get(task) else { return };
        self.average.rebase(node.vruntime());
        self.current = Some(task);
        self.ran = 0;
        self.compare_at = self.quantum(n, node);
        self.tree.remove(n, task);
    }

    fn put_previous(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        self.current = None;
        self.tree.insert(n, task);
    }

    fn charge(&mut self, n: &mut Nodes<'_>, task: TaskIndex, ran: Duration, _: Instant) -> Verdict {
        let Some(node) = n.get_mut(task) else { return Verdict::Keep };
        let ran = ran.as_ticks().min(LONGEST_RUN);
        let weight = node.weight();
        // At most 2^36 * 2^10 + 2^17.
        let scaled = ran * UNIT + u64::from(node.remainder());
        let length = node.divide(scaled);
        // Below the weight, which has 32 bits.
        let remainder = scaled.wrapping_sub(length.wrapping_mul(weight.get().into()));
        node.set_remainder(u32::try_from(remainder).unwrap_or(0));
        let length = length.cast_signed();
        let vruntime = node.vruntime().plus(length);
        node.set_vruntime(vruntime);
        self.average.advance(length, weight.get());
        self.ran = self.ran.saturating_add(ran);
        let others = self.average.weight() > weight.get().into();
        if !vruntime.is_before(node.deadline()) {
            node.set_deadline(vruntime.plus(node.virtual_slice()));
            return Verdict::resched_if(others);
        }
        if others && self.ran >= self.compare_at { self.compare(n, task) } else { Verdict::Keep }
    }

    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Instant) {
        if let Some(node) = n.get_mut(task) {
            node.set_deadline(node.vruntime().plus(node.virtual_slice().saturating_mul(2)));
        }
    }

    fn preempts(&self, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool {
        let (Some(task), Some(current)) = (n.get(task), n.get(current)) else { return false };
        if task.is_batch() || (task.is_idle() && !current.is_idle()) {
            return false;
        }
        let sooner = task.deadline().is_before(current.deadline());
        (sooner || (current.is_idle() && !task.is_idle())) && self.average.reaches(task.vruntime())
    }

    fn next_event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        let node = n.get(current?)?;
        if !self.has_others(node) {
            return None;
        }
        let left = node.deadline().since(node.vruntime()).max(0).cast_unsigned();
        let weight = u64::from(node.weight().get());
        let to_deadline = left.saturating_mul(weight).saturating_sub(node.remainder().into()).div_ceil(UNIT);
        after(now, to_deadline.min(self.compare_at.saturating_sub(self.ran)).max(1))
    }

    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        self.tree.iter(n).take(SCAN).find(|&task| allowed(task))
    }

    fn load(&self) -> Load {
        Load { weight: self.average.weight(), ..Load::default() }
    }

    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        let queued = self.tree.check(n)?;
        let mut average = Average::new(self.average.time());
        for task in self.tree.iter(n).chain(self.current) {
            let node = n.get(task).ok_or(Corruption::Owner(task))?;
            average.add(node.vruntime(), node.weight().get());
        }
        let count = queued.saturating_add(self.current.iter().len());
        if count > 0 && !average.equals(&self.average) {
            return Err(Corruption::Sum);
        }
        Ok(count)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
