//! Where the time of the CPUs went: [`Accounts`].

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_sched::{CpuId, CpuSet};

use super::Threads;
use crate::platform::Platform;
use crate::time::{Duration, Instant};

/// Times of one CPU, or of all, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    /// How many CPUs.
    pub(crate) cpus: u64,
    /// Since they run threads, summed.
    pub(crate) wall: u64,
    /// In threads, also in those that have ended.
    pub(crate) busy: u64,
    /// Without.
    pub(crate) idle: u64,
}

impl Accounts {
    /// From `earlier` to this.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            cpus: self.cpus,
            wall: self.wall.saturating_sub(earlier.wall),
            busy: self.busy.saturating_sub(earlier.busy),
            idle: self.idle.saturating_sub(earlier.idle),
        }
    }

    /// Nanoseconds that are in no sum, or in two.
    pub(crate) const fn error(self) -> u64 {
        self.wall.abs_diff(self.busy.saturating_add(self.idle))
    }

    /// A share of the wall time, in tenths of a percent.
    pub(crate) const fn per_mille(self, part: u64) -> u64 {
        match part.saturating_mul(1000).checked_div(self.wall) {
            Some(share) => share,
            None => 0,
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            cpus: self.cpus + other.cpus,
            wall: self.wall + other.wall,
            busy: self.busy + other.busy,
            idle: self.idle + other.idle,
        }
    }
}

/// When a CPU began to run threads.
#[derive(Debug, Default)]
pub(super) struct Since(AtomicU64);

impl Since {
    pub(super) fn set(&self, now: Instant) {
        self.0.store(now.as_ticks(), Relaxed);
    }
}

impl<P: Platform> Threads<P> {
    /// Where the time of `cpu` went up to now.
    pub(crate) fn account(&self, cpu: CpuId) -> Accounts {
        let (sched, now) = (self.runtime.scheduler(), self.runtime.now());
        let times = sched.cpu_times(cpu, now);
        let since = self.idling.get(cpu.as_usize()).map_or(0, |idling| idling.since.0.load(Relaxed));
        let length = |length: Duration| length.as_ticks();
        Accounts {
            cpus: 1,
            wall: now.as_ticks().saturating_sub(since),
            busy: length(times.user).saturating_add(length(times.system)),
            idle: length(times.idle),
        }
    }

    /// Where the time of all CPUs went up to now.
    pub(crate) fn accounts(&self) -> Accounts {
        let online = self.runtime.scheduler().online_cpus();
        online.iter().map(|cpu| self.account(cpu)).fold(Accounts::default(), Accounts::plus)
    }
}
