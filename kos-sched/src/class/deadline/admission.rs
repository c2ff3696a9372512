//! Whether a set of deadline tasks can be served by one CPU, in integers.
//!
//! The bandwidth of a task is `runtime / period` in units of 2^-32, rounded up; the sum must stay below the cap. If a deadline is
//! shorter than its period that is not enough: then the demand of every interval must fit into it, which quick processor-demand
//! analysis looks at from the longest interval down.
//!
//! Source: Zhang and Burns, "Schedulability Analysis for Real-Time Systems with EDF Scheduling", 2009.

use crate::task::{DlParams, Node};

/// One CPU, in units of bandwidth.
pub(super) const CPU: u64 = 1 << 32;

/// How many intervals the analysis looks at; it needs a few dozen at most loads. A set that takes more is refused.
const STEPS: u32 = 2048;

/// A task as admission sees it, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl From<&Node> for Demand {
    fn from(node: &Node) -> Self {
        let [runtime, deadline, period] = [node.runtime(), node.relative(), node.period()].map(u64::from);
        Self { runtime, deadline, period }
    }
}

impl From<&DlParams> for Demand {
    fn from(params: &DlParams) -> Self {
        let [runtime, deadline, period] =
            [params.runtime(), params.deadline(), params.period()].map(|length| length.as_ticks());
        Self { runtime, deadline, period }
    }
}

impl Demand {
    /// Its share of the CPU, rounded up.
    pub(super) fn bandwidth(self) -> u64 {
        // At most 2^32 * 2^32.
        (self.runtime << 32).div_ceil(self.period.max(1))
    }

    pub(super) const fn is_constrained(self) -> bool {
        self.deadline < self.period
    }

    /// The CPU time of all jobs that both come and are due within `length` ns.
    fn within(self, length: u64) -> u64 {
        let Some(rest) = length.checked_sub(self.deadline) else { return 0 };
        rest.checked_div(self.period).unwrap_or(0).saturating_add(1).saturating_mul(self.runtime)
    }

    /// The last deadline before `time`, if it starts at 0.
    fn last_before(self, time: u64) -> u64 {
        match time.checked_sub(self.deadline) {
            Some(rest @ 1..) => {
                let periods = (rest - 1).checked_div(self.period).unwrap_or(0);
                self.deadline.saturating_add(periods.saturating_mul(self.period))
            }
            _ => 0,
        }
    }
}

/// Whether `tasks`, whose bandwidths add up to `total` < [`CPU`], meet every deadline.
pub(super) fn is_feasible<I: Iterator<Item = Demand> + Clone>(tasks: I, total: u64) -> bool {
    let shortest = tasks.clone().map(|task| task.deadline).min().unwrap_or(0);
    let demand = |length: u64| tasks.clone().fold(0u64, |sum, task| sum.saturating_add(task.within(length)));
    let last_before = |time: u64| tasks.clone().map(|task| task.last_before(time)).max().unwrap_or(0);
    let mut length = last_before(longest_interval(tasks.clone(), total).saturating_add(1));
    for _ in 0..STEPS {
        let needed = demand(length);
        if needed <= shortest {
            return true;
        }
        if needed > length {
            return false;
        }
        length = if needed < length { needed } else { last_before(length) };
    }
    false
}

/// Beyond this interval no demand can be too large.
fn longest_interval(tasks: impl Iterator<Item = Demand> + Clone, total: u64) -> u64 {
    let free = u128::from(CPU.saturating_sub(total).max(1));
    let slack: u128 = tasks
        .clone()
        .map(|task| u128::from(task.period.saturating_sub(task.deadline)) * u128::from(task.bandwidth()))
        .sum();
    let longest_deadline = tasks.map(|task| task.deadline).max().unwrap_or(0);
    u64::try_from(slack.div_ceil(free)).unwrap_or(u64::MAX).max(longest_deadline)
}
