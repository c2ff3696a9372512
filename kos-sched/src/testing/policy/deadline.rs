//! The deadline part of the [`Model`]: budgets as rational shares, everybody scanned.

use alloc::vec::Vec;

use super::model::{Model, Place, rank};
use crate::class::Verdict;
use crate::{DlParams, Instant, Policy};

/// What the model knows of a deadline task.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlineTask {
    /// [`None`]: begins with the next wake-up.
    due: Option<u64>,
    budget: i128,
    /// Waits for a budget until then.
    until: Option<u64>,
}

/// Runtime, relative deadline, period in ns.
fn lengths(policy: &Policy) -> [u64; 3] {
    match policy {
        Policy::Deadline(params) => {
            [params.runtime(), params.deadline(), params.period()].map(|length| length.as_ticks())
        }
        _ => [0; 3],
    }
}

/// The bandwidth of `policy`, rounded up to 2^-32.
pub(super) fn bandwidth(policy: &Policy) -> u128 {
    let [runtime, _, period] = lengths(policy).map(u128::from);
    (runtime << 32).div_ceil(period.max(1))
}

/// Whether every demand of `tasks` fits: looked at for every deadline up to the longest interval that could matter.
#[must_use]
pub fn fits(tasks: &[DlParams]) -> bool {
    let all = || tasks.iter().map(|&params| lengths(&Policy::Deadline(params)).map(u128::from));
    let total: u128 = tasks.iter().map(|&params| bandwidth(&Policy::Deadline(params))).sum();
    if total >= 1 << 32 {
        return false;
    }
    let slack: u128 = all()
        .map(|[runtime, deadline, period]| (period - deadline) * ((runtime << 32).div_ceil(period)))
        .sum();
    let end = slack.div_ceil((1 << 32) - total);
    let demand = |time: u128| -> u128 {
        all()
            .filter(|task| task[1] <= time)
            .map(|[runtime, deadline, period]| ((time - deadline) / period + 1) * runtime)
            .sum()
    };
    all().all(|[_, deadline, period]| {
        (0..)
            .map(|job| deadline + job * period)
            .take_while(|&time| time <= end)
            .all(|time| demand(time) <= time)
    })
}

impl Model {
    pub(super) fn is_deadline(&self, task: usize) -> bool {
        matches!(self.tasks[task].policy, Policy::Deadline(_))
    }

    fn next_period(&self, task: usize) -> u64 {
        let [_, deadline, period] = lengths(&self.tasks[task].policy);
        self.tasks[task].deadline.due.unwrap_or(0).saturating_add(period - deadline)
    }

    /// The policy of a task that is not here changes.
    pub(super) fn change_params(&mut self, task: usize, old: &Policy) {
        let ([old_runtime, old_deadline, old_period], [_, deadline, period]) =
            (lengths(old), lengths(&self.tasks[task].policy));
        let state = &mut self.tasks[task].deadline;
        let used = state.due.filter(|_| state.budget != i128::from(old_runtime));
        state.due = used.map(|due| {
            due.saturating_add(old_period - old_deadline).saturating_sub(period - deadline).max(1)
        });
        state.budget = 0;
    }

    fn begin(&mut self, task: usize) {
        let [runtime, deadline, _] = lengths(&self.tasks[task].policy);
        let due = self.clock.saturating_add(deadline);
        self.tasks[task].deadline = DeadlineTask { due: Some(due), budget: runtime.into(), until: None };
    }

    /// A budget, if one is due now; else the wait for it.
    fn settle(&mut self, task: usize, until: u64) {
        let [runtime, deadline, _] = lengths(&self.tasks[task].policy);
        let now = self.clock;
        let state = &mut self.tasks[task].deadline;
        state.until = None;
        let mut until = until;
        if state.budget <= 0 && until <= now {
            let due = until.saturating_add(deadline);
            state.due = Some(due);
            state.budget = (state.budget + i128::from(runtime)).min(runtime.into());
            if due <= now {
                self.begin(task);
            }
            until = self.next_period(task);
        }
        let turn = self.next_turn();
        self.tasks[task].turn = turn;
        let state = &mut self.tasks[task].deadline;
        if state.budget <= 0 {
            state.until = Some(until);
        }
    }

    /// `task` becomes runnable.
    pub(super) fn start_deadline(&mut self, task: usize, wakes: bool) {
        let [runtime, deadline, period] = lengths(&self.tasks[task].policy).map(i128::from);
        let (next, now) = (self.next_period(task), self.clock);
        let DeadlineTask { due, budget, .. } = self.tasks[task].deadline;
        let exceeds = |due: u64| due < now || budget.max(0) * deadline > i128::from(due - now) * runtime;
        match due {
            None => self.begin(task),
            Some(_) if wakes && next < now => self.begin(task),
            Some(due) if wakes && exceeds(due) && deadline == period => self.begin(task),
            Some(due) if wakes && exceeds(due) => self.tasks[task].deadline.budget = 0,
            Some(_) => {}
        }
        self.settle(task, next);
    }

    pub(super) fn charge_deadline(&mut self, task: usize, ran: u64) -> Verdict {
        let state = &mut self.tasks[task].deadline;
        state.budget =
            (state.budget - i128::from(i64::try_from(ran).unwrap_or(i64::MAX))).max(i64::MIN.into());
        if state.budget > 0 || state.until.is_some() {
            return Verdict::Keep;
        }
        self.exhaust(task)
    }

    fn exhaust(&mut self, task: usize) -> Verdict {
        let next = self.next_period(task);
        self.settle(task, next);
        match self.tasks[task].deadline.until {
            Some(until) => Verdict::Throttled { until: Instant::from_ticks(until) },
            None => Verdict::Resched,
        }
    }

    pub(super) fn yield_deadline(&mut self, task: usize) {
        if self.tasks[task].deadline.until.is_none() {
            self.tasks[task].deadline.budget = 0;
            let _ = self.exhaust(task);
        }
    }

    /// Hands out the budgets that are due. Says whether somebody can run again.
    pub(super) fn refill(&mut self) -> bool {
        let mut came = false;
        loop {
            let waiting = self.waiting().min_by_key(|&(task, until)| (until, self.tasks[task].turn));
            let Some((task, until)) = waiting.filter(|&(_, until)| until <= self.clock) else { return came };
            self.settle(task, until);
            came |= self.tasks[task].deadline.until.is_none();
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (usize, u64)> {
        (0..self.tasks.len())
            .filter(|&task| self.is_deadline(task) && self.tasks[task].place == Place::Runnable)
            .filter_map(|task| Some((task, self.tasks[task].deadline.until?)))
    }

    /// Whether `policy` can be granted to `task`.
    #[must_use]
    pub fn admits(&self, task: usize, policy: &Policy) -> bool {
        let here = |(index, other): (usize, &super::Task)| match other.policy {
            Policy::Deadline(params) if index != task => {
                (!matches!(other.place, Place::Free | Place::Loose)).then_some(params)
            }
            _ => None,
        };
        let Policy::Deadline(asked) = *policy else { return true };
        let mut all: Vec<DlParams> = self.tasks.iter().enumerate().filter_map(here).collect();
        all.push(asked);
        let total: u128 = all.iter().map(|&params| bandwidth(&Policy::Deadline(params))).sum();
        total <= 4_080_218_931
            && (all.iter().all(|params| params.deadline() == params.period()) || fits(&all))
    }

    /// Who waits for a budget.
    #[must_use]
    pub fn throttled(&self) -> usize {
        self.waiting().count()
    }

    /// What is given away, in units of 2^-32.
    #[must_use]
    pub fn bandwidth(&self) -> u128 {
        self.tasks
            .iter()
            .filter(|task| !matches!(task.place, Place::Free | Place::Loose))
            .map(|task| bandwidth(&task.policy))
            .sum()
    }

    pub(super) fn earliest(&self) -> Option<usize> {
        (0..self.tasks.len())
            .filter(|&task| rank(&self.tasks[task].policy) == 1 && self.tasks[task].place == Place::Runnable)
            .filter(|&task| self.tasks[task].deadline.until.is_none())
            .min_by_key(|&task| (self.tasks[task].deadline.due, self.tasks[task].turn))
    }

    pub(super) fn deadline_preempts(&self, task: usize, current: usize) -> bool {
        let [task, current] = [task, current].map(|task| self.tasks[task].deadline);
        task.until.is_none() && task.due < current.due
    }

    /// When a budget comes, or that of the current task ends.
    pub(super) fn deadline_event(&self) -> Option<u64> {
        let refill = self.waiting().map(|(_, until)| until).filter(|&until| until != u64::MAX).min();
        let current = self.current.filter(|&task| self.is_deadline(task));
        let ends = current.map(|task| self.tasks[task].deadline).filter(|state| state.until.is_none());
        let ends = ends.and_then(|state| self.clock.checked_add(u64::try_from(state.budget.max(0)).ok()?));
        refill.into_iter().chain(ends).min()
    }
}
