//! Numbers that the core counts.

use crate::time::Duration;

/// What a scheduler has done, all CPUs together. Counters that several CPUs share wrap where a word is 32 bits wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Times that a CPU went from one task to another.
    pub switches: u64,
    /// Wakes by the CPU that then ran the task.
    pub wakes_local: u64,
    /// Wakes through another CPU's wake list.
    pub wakes_remote: u64,
    /// Interrupts sent to other CPUs.
    pub ipis_sent: u64,
    /// Interrupts that were not needed: one was on its way, or the CPU was looking anyway.
    pub ipis_saved: u64,
    /// Interrupts that could not be sent; each is tried again.
    pub ipis_failed: u64,
    /// Tasks that want to run and were given another CPU.
    pub migrations: u64,
    /// Those of them that an idle CPU took for itself.
    pub steals: u64,
    /// Budgets that were used up.
    pub throttles: u64,
    /// Tasks that had to wait for a CPU to come online.
    pub stranded: u64,
    /// Tasks moved although their new CPU had not the bandwidth: no other could take them.
    pub overcommitted: u64,
    /// Tasks that want to run now, running ones included.
    pub runnable: u64,
}

/// Where the time of a CPU, or of a task, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Outside the kernel.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
    /// Without a task. Of a CPU only.
    pub idle: Duration,
}

impl Times {
    /// None.
    pub const ZERO: Self = Self {
        user: Duration::from_ticks(0),
        system: Duration::from_ticks(0),
        idle: Duration::from_ticks(0),
    };

    /// All together.
    #[must_use]
    pub const fn total(&self) -> Duration {
        let sum = self.user.as_ticks().saturating_add(self.system.as_ticks());
        Duration::from_ticks(sum.saturating_add(self.idle.as_ticks()))
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::ZERO
    }
}
