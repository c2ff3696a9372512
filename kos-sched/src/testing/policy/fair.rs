//! The fair part of the [`Model`]: definitions written down, with the mean made anew each time.

use super::model::{Model, Place, rank};
use crate::Policy;

/// What the model knows of a fair task.
#[derive(Clone, Copy, Debug, Default)]
pub struct FairTask {
    /// Virtual run time while it is here.
    vruntime: i128,
    /// How far it was behind when it left.
    lag: i128,
    deadline: i128,
    request_left: i128,
    remainder: u64,
    virtual_slice: i128,
}

impl FairTask {
    pub(super) fn yield_slice(&mut self) {
        self.deadline = self.vruntime + 2 * self.virtual_slice;
    }

    /// The policy changes while it is not here.
    pub(super) fn reweigh(&mut self, old: &Policy, new: &Policy) {
        let ratio = |value: i128| (value * i128::from(weight(old))).div_euclid(weight(new).into());
        // A task that is new has neither.
        self.lag = ratio(self.lag);
        self.request_left = ratio(self.request_left);
        self.remainder = 0;
        self.virtual_slice = i128::from(slice(new) * 1024 / weight(new));
    }
}

/// 88761 for nice -20 to 15 for nice 19, 3 for idle tasks.
pub(super) fn weight(policy: &Policy) -> u64 {
    const WEIGHTS: [u64; 40] = [
        88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906,
        3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45,
        36, 29, 23, 18, 15,
    ];
    match policy {
        Policy::Fair { nice, .. } | Policy::Batch(nice) => WEIGHTS[usize::from(nice.get().abs_diff(-20))],
        _ => 3,
    }
}

pub(super) fn slice(policy: &Policy) -> u64 {
    match policy {
        Policy::Fair { slice, .. } => slice.as_ticks(),
        _ => 3_000_000,
    }
}

impl Model {
    /// Who competes: the current task and delayed ones included.
    pub(super) fn fair_members(&self) -> impl Iterator<Item = usize> {
        (0..self.tasks.len()).filter(|&task| {
            rank(&self.tasks[task].policy) == 3
                && matches!(self.tasks[task].place, Place::Runnable | Place::Kept)
        })
    }

    fn weight_of(&self, task: usize) -> i128 {
        weight(&self.tasks[task].policy).into()
    }

    fn total(&self) -> i128 {
        self.fair_members().map(|task| self.weight_of(task)).sum()
    }

    fn weighted(&self) -> i128 {
        self.fair_members().map(|task| self.weight_of(task) * self.tasks[task].fair.vruntime).sum()
    }

    fn virtual_time(&self) -> i128 {
        let total = self.total();
        if total == 0 { self.idle_time } else { self.weighted().div_euclid(total) }
    }

    /// Whether `task` is not past the mean.
    pub(super) fn lag_is_gone(&self, task: usize) -> bool {
        self.tasks[task].fair.vruntime * self.total() <= self.weighted()
    }

    /// `task`, which is not here yet, comes.
    pub(super) fn place_fair(&mut self, task: usize, keep_request: bool) {
        let (others, own) = (self.total(), self.weight_of(task));
        let time = self.virtual_time();
        let turn = self.next_turn();
        let slice = slice(&self.tasks[task].policy);
        let fair = &mut self.tasks[task].fair;
        let lag = if others == 0 { 0 } else { (fair.lag * (others + own)).div_euclid(others) };
        fair.vruntime = time - lag;
        let whole = fair.virtual_slice;
        let request =
            if keep_request && fair.request_left > 0 { fair.request_left.min(whole.max(1)) } else { whole };
        fair.deadline = fair.vruntime + request;
        self.tasks[task].turn = turn;
        self.compare_at = self.compare_at.min(self.ran.saturating_add(slice));
    }

    /// `task`, which is here, leaves, with no more lag than `most`.
    pub(super) fn take_out(&mut self, task: usize, most: Option<i128>) {
        let time = self.virtual_time();
        let alone = self.fair_members().count() == 1;
        let fair = &mut self.tasks[task].fair;
        let limit = 2 * fair.virtual_slice;
        let lag = (time - fair.vruntime).clamp(-limit, limit);
        fair.lag = most.map_or(lag, |most| lag.min(most));
        fair.request_left = fair.deadline - fair.vruntime;
        if alone {
            self.idle_time = fair.vruntime;
        }
        self.current = self.current.filter(|&current| current != task);
        // Whoever asks for the members between this and the next step must not count it.
        self.tasks[task].place = Place::Loose;
    }

    /// Of the eligible ones that do not run, the one with the earliest deadline.
    pub(super) fn best_fair(&self) -> Option<usize> {
        self.fair_members()
            .filter(|&task| self.current != Some(task) && self.lag_is_gone(task))
            .min_by_key(|&task| (self.tasks[task].fair.deadline, self.tasks[task].turn))
    }

    pub(super) fn fair_quantum(&self) -> u64 {
        self.fair_members().map(|task| slice(&self.tasks[task].policy)).min().unwrap_or(0)
    }

    pub(super) fn charge_fair(&mut self, task: usize, ran: u64) -> bool {
        let ran = ran.min(1 << 36);
        let own = weight(&self.tasks[task].policy);
        let fair = &mut self.tasks[task].fair;
        let scaled = ran * 1024 + fair.remainder;
        fair.vruntime += i128::from(scaled / own);
        fair.remainder = scaled % own;
        self.ran = self.ran.saturating_add(ran);
        let ended = fair.vruntime >= fair.deadline;
        if ended {
            fair.deadline = fair.vruntime + fair.virtual_slice;
        }
        let others = self.fair_members().any(|other| other != task);
        if ended || !others || self.ran < self.compare_at {
            return ended && others;
        }
        self.compare_at = self.ran.saturating_add(self.fair_quantum());
        self.best_fair().is_some_and(|best| self.tasks[best].fair.deadline < self.tasks[task].fair.deadline)
    }

    pub(super) fn fair_preempts(&self, task: usize, current: usize) -> bool {
        let [this, other] = [task, current].map(|task| &self.tasks[task]);
        let [idle, other_idle] = [this, other].map(|task| matches!(task.policy, Policy::Idle));
        if matches!(this.policy, Policy::Batch(_)) || (idle && !other_idle) {
            return false;
        }
        self.lag_is_gone(task) && (this.fair.deadline < other.fair.deadline || (other_idle && !idle))
    }

    /// Until the current task's request ends or it is compared with others, in CPU time.
    pub(super) fn fair_delay(&self, task: usize) -> u64 {
        let fair = &self.tasks[task].fair;
        let left = (fair.deadline - fair.vruntime).max(0) * self.weight_of(task) - i128::from(fair.remainder);
        let to_deadline = u64::try_from((left.max(0) + 1023) / 1024).unwrap_or(u64::MAX);
        to_deadline.min(self.compare_at.saturating_sub(self.ran)).max(1)
    }
}
