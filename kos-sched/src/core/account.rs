//! [`Account`]: where the time of a CPU goes. Every nanosecond from its going online on is in exactly one of its sums.

use super::slot::TaskSlot;
use super::system::System;
use crate::stats::Times;
use crate::time::{Duration, Instant};

/// What a CPU's time counts as while it runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    User,
    System,
}

/// The account of one CPU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// Up to when time is counted; none while the CPU is offline.
    since: Option<Instant>,
    mode: Mode,
    times: Times,
}

impl Account {
    /// Of a CPU that is offline.
    pub(super) const fn new() -> Self {
        Self { since: None, mode: Mode::System, times: Times::ZERO }
    }

    /// The CPU goes online.
    pub(super) fn open(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// The CPU is offline; what it had until `now` was counted.
    pub(super) fn close(&mut self) {
        self.since = None;
    }

    /// Counts the time up to `now`, for `task` or as idle.
    #[inline]
    pub(super) fn count<S: System>(&mut self, task: Option<&TaskSlot<S>>, now: Instant) {
        let Some(passed) = self.since.and_then(|since| now.checked_duration_since(since)) else { return };
        self.since = Some(now);
        let (sum, own) = match (task, self.mode) {
            (None, _) => (&mut self.times.idle, None),
            (Some(task), Mode::User) => (&mut self.times.user, task.times.first()),
            (Some(task), Mode::System) => (&mut self.times.system, task.times.last()),
        };
        *sum = Duration::from_ticks(sum.as_ticks().saturating_add(passed.as_ticks()));
        if let Some(own) = own {
            own.add(passed);
        }
    }

    #[inline]
    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    pub(super) const fn times(&self) -> Times {
        self.times
    }
}
