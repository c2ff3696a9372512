//! [`Model`]: what a queue of stop, real-time, fair and idle tasks must do, by scanning all tasks. No tree, no list, no running sum, no
//! wrapping: virtual time has 128 bits.

use alloc::vec::Vec;

use super::deadline::DeadlineTask;
use super::fair::FairTask;
use crate::class::{Dequeued, Verdict};
use crate::{Instant, Policy};

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The slot is free.
    Free,
    /// Wants the CPU or has it.
    Runnable,
    /// Asleep, and kept by the queue.
    Kept,
    /// Asleep and nobody's.
    Loose,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Task {
    pub(super) place: Place,
    pub(super) policy: Policy,
    /// Its turn among equals; the lower goes first.
    pub(super) turn: u64,
    /// What is left of a round-robin quantum.
    quantum_left: u64,
    pub(super) fair: FairTask,
    pub(super) deadline: DeadlineTask,
}

/// A queue, naively.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) tasks: Vec<Task>,
    pub(super) clock: u64,
    pub(super) current: Option<usize>,
    turns: u64,
    pending: Verdict,
    /// Virtual time while no fair task is there.
    pub(super) idle_time: i128,
    /// How long the current task has run since it was picked, and when it is compared with others.
    pub(super) ran: u64,
    pub(super) compare_at: u64,
}

/// Why a task becomes runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    New,
    Wake,
    /// From another queue, or with other parameters.
    Move,
}

/// The position of a policy's class.
pub(super) fn rank(policy: &Policy) -> u8 {
    match policy {
        Policy::Stop => 0,
        Policy::Deadline(_) => 1,
        Policy::Fifo(_) | Policy::RoundRobin(..) => 2,
        Policy::Fair { .. } | Policy::Batch(_) | Policy::Idle => 3,
        _ => 4,
    }
}

fn priority(policy: &Policy) -> u8 {
    match policy {
        Policy::Fifo(priority) | Policy::RoundRobin(priority, _) => priority.get(),
        _ => 0,
    }
}

fn quantum(policy: &Policy) -> u64 {
    match policy {
        Policy::RoundRobin(_, quantum) => quantum.as_ticks(),
        _ => 0,
    }
}

impl Model {
    /// A queue for `slots` tasks, without any.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let task = Task {
            place: Place::Free,
            policy: Policy::NORMAL,
            turn: 0,
            quantum_left: 0,
            fair: FairTask::default(),
            deadline: DeadlineTask::default(),
        };
        Self {
            tasks: alloc::vec![task; slots],
            clock: 0,
            current: None,
            turns: 0,
            pending: Verdict::Keep,
            idle_time: 0,
            ran: 0,
            compare_at: 0,
        }
    }

    /// Where `task` is.
    #[must_use]
    pub fn place(&self, task: usize) -> Option<Place> {
        Some(self.tasks.get(task)?.place)
    }

    /// Who runs.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.current
    }

    /// How many want the CPU.
    #[must_use]
    pub fn runnable(&self) -> usize {
        self.tasks.iter().filter(|task| task.place == Place::Runnable).count()
    }

    pub(super) fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn rank_of(&self, task: usize) -> u8 {
        rank(&self.tasks[task].policy)
    }

    fn is_fair(&self, task: usize) -> bool {
        self.rank_of(task) == 3
    }

    /// A new task in the free slot `task`.
    pub fn admit(&mut self, task: usize, policy: Policy, now: u64) -> Verdict {
        self.update(now);
        self.forget(task);
        self.adopt(task, policy);
        self.start(task, Start::New)
    }

    /// `task` sleeps and is woken.
    pub fn enqueue(&mut self, task: usize, now: u64) -> Verdict {
        self.update(now);
        if self.tasks[task].place == Place::Loose || self.is_deadline(task) {
            return self.start(task, Start::Wake);
        }
        if self.lag_is_gone(task) {
            self.take_out(task, Some(0));
            self.place_fair(task, false);
        }
        self.tasks[task].place = Place::Runnable;
        self.ask_if_preempting(task)
    }

    /// `task` goes to sleep.
    pub fn dequeue(&mut self, task: usize, now: u64) -> Dequeued {
        self.update(now);
        let current = self.current == Some(task);
        if self.is_fair(task) && !self.lag_is_gone(task) {
            if current {
                self.tasks[task].turn = self.next_turn();
                self.current = None;
            }
            self.tasks[task].place = Place::Kept;
            return Dequeued::Delayed;
        }
        self.stop(task);
        if self.is_deadline(task) {
            self.tasks[task].place = Place::Kept;
            return Dequeued::Delayed;
        }
        Dequeued::Done
    }

    /// `task` is taken out and comes back, as if by another CPU.
    pub fn migrate(&mut self, task: usize, now: u64) -> Verdict {
        self.update(now);
        self.stop(task);
        self.start(task, Start::Move)
    }

    /// `task` is taken out for ever.
    pub fn remove(&mut self, task: usize, now: u64) {
        self.update(now);
        self.stop(task);
        self.tasks[task].place = Place::Free;
    }

    /// `task` gets another policy.
    pub fn set_attr(&mut self, task: usize, policy: Policy, now: u64) -> Verdict {
        self.update(now);
        let (place, was_current) = (self.tasks[task].place, self.current == Some(task));
        let same_class = rank(&policy) == self.rank_of(task);
        self.stop(task);
        if !same_class {
            self.forget(task);
        }
        self.adopt(task, policy);
        if place != Place::Runnable {
            self.tasks[task].place = if self.is_deadline(task) { Place::Kept } else { Place::Loose };
            return self.pending;
        }
        self.current = if was_current { None } else { self.current };
        let asked = self.pending;
        let verdict = self.start(task, if same_class { Start::Move } else { Start::New });
        if was_current {
            self.pending = asked;
            self.make_current(task);
            return self.ask();
        }
        verdict
    }

    /// The current task goes back, the best one becomes current.
    pub fn pick(&mut self, now: u64) -> Option<usize> {
        self.put_previous(now);
        self.refill();
        self.pending = Verdict::Keep;
        loop {
            let task = self.choose()?;
            if self.tasks[task].place == Place::Runnable {
                self.make_current(task);
                return Some(task);
            }
            self.take_out(task, Some(0));
        }
    }

    /// The current task goes back.
    pub fn put_previous(&mut self, now: u64) {
        self.update(now);
        if let Some(task) = self.current.take().filter(|&task| self.rank_of(task) >= 3) {
            self.tasks[task].turn = self.next_turn();
        }
    }

    /// The queue hears what time it is, and does nothing else.
    pub fn tell(&mut self, now: u64) {
        self.update(now);
    }

    /// Time passes.
    pub fn charge(&mut self, now: u64) -> Verdict {
        self.update(now);
        if self.refill() && self.current.is_none_or(|current| self.rank_of(current) >= 1) {
            let _ = self.ask();
        }
        self.pending
    }

    /// The current task lets others go first.
    pub fn yield_current(&mut self, now: u64) -> Option<Verdict> {
        self.update(now);
        let task = self.current?;
        match self.rank_of(task) {
            0 | 2 => self.tasks[task].turn = self.next_turn(),
            1 => self.yield_deadline(task),
            3 => self.tasks[task].fair.yield_slice(),
            _ => {}
        }
        Some(self.ask())
    }

    /// When the next charge is due.
    #[must_use]
    pub fn next_event(&self) -> Option<Instant> {
        let event = self.deadline_event().into_iter().chain(self.turn_ends()).min()?;
        Some(Instant::from_ticks(event))
    }

    /// When the turn of the current task ends.
    fn turn_ends(&self) -> Option<u64> {
        let task = self.current?;
        let delay = match self.rank_of(task) {
            2 if quantum(&self.tasks[task].policy) != 0 && self.has_equals(task) => {
                self.tasks[task].quantum_left
            }
            3 if self.fair_members().any(|other| other != task) => self.fair_delay(task),
            _ => return None,
        };
        self.clock.checked_add(delay)
    }

    fn update(&mut self, now: u64) {
        let ran = now.saturating_sub(self.clock);
        self.clock += ran;
        let Some(task) = self.current.filter(|_| ran > 0) else { return };
        let again = match self.rank_of(task) {
            1 => self.charge_deadline(task, ran),
            2 => Verdict::resched_if(self.charge_quantum(task, ran)),
            3 => Verdict::resched_if(self.charge_fair(task, ran)),
            _ => Verdict::Keep,
        };
        match again {
            Verdict::Keep => {}
            Verdict::Resched => _ = self.ask(),
            throttled => self.pending = throttled,
        }
    }

    fn charge_quantum(&mut self, task: usize, ran: u64) -> bool {
        let quantum = quantum(&self.tasks[task].policy);
        if quantum == 0 {
            return false;
        }
        if ran < self.tasks[task].quantum_left {
            self.tasks[task].quantum_left -= ran;
            return false;
        }
        self.tasks[task].quantum_left = quantum;
        self.tasks[task].turn = self.next_turn();
        self.has_equals(task)
    }

    fn has_equals(&self, task: usize) -> bool {
        self.tasks.iter().enumerate().any(|(index, other)| {
            index != task
                && other.place == Place::Runnable
                && self.rank_of(index) == 2
                && priority(&other.policy) == priority(&self.tasks[task].policy)
        })
    }

    fn ask(&mut self) -> Verdict {
        if self.pending == Verdict::Keep {
            self.pending = Verdict::Resched;
        }
        self.pending
    }

    fn adopt(&mut self, task: usize, policy: Policy) {
        let old = self.tasks[task].policy;
        self.tasks[task].policy = policy;
        self.tasks[task].quantum_left = quantum(&policy);
        match rank(&policy) {
            1 => self.change_params(task, &old),
            3 => self.tasks[task].fair.reweigh(&old, &policy),
            _ => {}
        }
    }

    /// What a class knew of `task` before.
    fn forget(&mut self, task: usize) {
        self.tasks[task].fair = FairTask::default();
        self.tasks[task].deadline = DeadlineTask::default();
    }

    /// `task`, in no queue, becomes runnable.
    fn start(&mut self, task: usize, why: Start) -> Verdict {
        self.tasks[task].turn = self.next_turn();
        match self.rank_of(task) {
            1 => self.start_deadline(task, why == Start::Wake),
            3 => self.place_fair(task, why == Start::Move),
            _ => {}
        }
        self.tasks[task].place = Place::Runnable;
        self.ask_if_preempting(task)
    }

    /// `task` leaves the queue, if it is in it.
    fn stop(&mut self, task: usize) {
        let queued = matches!(self.tasks[task].place, Place::Runnable | Place::Kept);
        if queued && self.is_fair(task) {
            self.take_out(task, None);
        }
        self.tasks[task].place = Place::Loose;
        self.current = self.current.filter(|&current| current != task);
    }

    fn ask_if_preempting(&mut self, task: usize) -> Verdict {
        let Some(current) = self.current else { return self.ask() };
        let preempts = match self.rank_of(task).cmp(&self.rank_of(current)) {
            core::cmp::Ordering::Less => true,
            core::cmp::Ordering::Greater => false,
            core::cmp::Ordering::Equal => match self.rank_of(task) {
                1 => self.deadline_preempts(task, current),
                2 => priority(&self.tasks[task].policy) > priority(&self.tasks[current].policy),
                3 => self.fair_preempts(task, current),
                _ => false,
            },
        };
        if preempts { self.ask() } else { self.pending }
    }

    fn make_current(&mut self, task: usize) {
        self.current = Some(task);
        if self.is_fair(task) {
            self.ran = 0;
            self.compare_at = self.fair_quantum();
        }
    }

    fn choose(&self) -> Option<usize> {
        let candidates = || (0..self.tasks.len()).filter(|&task| self.tasks[task].place == Place::Runnable);
        let first = |rank: u8| {
            candidates()
                .filter(|&task| self.rank_of(task) == rank)
                .min_by_key(|&task| (u8::MAX - priority(&self.tasks[task].policy), self.tasks[task].turn))
        };
        let before_fair = first(0).or_else(|| self.earliest()).or_else(|| first(2));
        before_fair.or_else(|| self.best_fair()).or_else(|| first(4))
    }
}
