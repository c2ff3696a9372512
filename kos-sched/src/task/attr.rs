//! How a task wants to be scheduled: [`Policy`] and the numbers in it. A value that exists is valid.

use crate::error::AttrError;
use crate::time::Duration;

/// Nice value, -20 (most CPU) to 19 (least); each step is about 1.25 times the CPU share (as in Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nice(i8);

impl Nice {
    /// The most CPU.
    pub const MIN: Self = Self(-20);
    /// The least CPU.
    pub const MAX: Self = Self(19);

    /// The nice value `nice`.
    ///
    /// # Errors
    /// [`AttrError::Nice`] outside -20..=19.
    pub const fn new(nice: i8) -> Result<Self, AttrError> {
        if nice < -20 || nice > 19 { Err(AttrError::Nice { nice }) } else { Ok(Self(nice)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }
}

/// Real-time priority, 0 to 99; 99 runs first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RtPriority(u8);

impl RtPriority {
    /// Runs after every other real-time task.
    pub const MIN: Self = Self(0);
    /// Runs before every other real-time task.
    pub const MAX: Self = Self(99);

    /// The priority `priority`.
    ///
    /// # Errors
    /// [`AttrError::Priority`] above 99.
    pub const fn new(priority: u8) -> Result<Self, AttrError> {
        if priority > 99 { Err(AttrError::Priority { priority }) } else { Ok(Self(priority)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Parameters of a deadline task: `runtime` within `deadline` of each wake-up, at most once a `period`.
///
/// Each at most 4 s, so that sums and products of them stay far from overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DlParams {
    runtime_ns: u32,
    deadline_ns: u32,
    period_ns: u32,
}

impl DlParams {
    /// The longest period, in nanoseconds.
    pub const MAX_NS: u64 = 4_000_000_000;
    /// The shortest runtime, in nanoseconds.
    pub const MIN_RUNTIME_NS: u64 = 1_000;

    /// The parameters, checked: 1 us ≤ runtime ≤ deadline ≤ period ≤ 4 s.
    ///
    /// # Errors
    /// [`AttrError::Deadline`] with what was asked for.
    pub fn new(runtime: Duration, deadline: Duration, period: Duration) -> Result<Self, AttrError> {
        let [runtime_ns, deadline_ns, period_ns] =
            [runtime, deadline, period].map(|length| length.as_ticks());
        let error = AttrError::Deadline { runtime, deadline, period };
        if runtime_ns < Self::MIN_RUNTIME_NS
            || runtime_ns > deadline_ns
            || deadline_ns > period_ns
            || period_ns > Self::MAX_NS
        {
            return Err(error);
        }
        let narrow = |length: u64| u32::try_from(length).map_err(|_| error);
        Ok(Self {
            runtime_ns: narrow(runtime_ns)?,
            deadline_ns: narrow(deadline_ns)?,
            period_ns: narrow(period_ns)?,
        })
    }

    /// CPU time in each period.
    #[must_use]
    pub fn runtime(self) -> Duration {
        Duration::from_ticks(self.runtime_ns.into())
    }

    /// From the wake-up to when the runtime must have been given.
    #[must_use]
    pub fn deadline(self) -> Duration {
        Duration::from_ticks(self.deadline_ns.into())
    }

    /// The least time from one wake-up's budget to the next.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_ticks(self.period_ns.into())
    }
}

/// The class of a task and its parameters in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Before everything, until it blocks: for the kernel's own work on a CPU (migration, hot plug).
    Stop,
    /// Earliest deadline first, with a constant-bandwidth server that keeps a task to its runtime.
    Deadline(DlParams),
    /// The highest priority first; runs until it blocks or yields.
    Fifo(RtPriority),
    /// As [`Fifo`](Self::Fifo), but equals take turns.
    RoundRobin(RtPriority, Duration),
    /// A share of the CPU by weight (EEVDF); a shorter slice is served sooner.
    Fair {
        /// The share.
        nice: Nice,
        /// The length of a turn, 0.1 to 100 ms.
        slice: Duration,
    },
    /// As [`Fair`](Self::Fair), for work that nobody waits for: it preempts nobody on wake-up.
    Batch(Nice),
    /// Only when nobody else wants the CPU (nearly: the least weight in the fair class).
    Idle,
    /// Only when no other task of any class is runnable: what the CPU does when it has nothing to do.
    IdleThread,
    /// The integrator's own class.
    Custom {
        /// Which, if he has several.
        class: u8,
        /// What it takes.
        params: [u64; 2],
    },
}

impl Policy {
    /// The default slice of a fair task.
    pub const SLICE: Duration = Duration::from_ticks(3_000_000);
    /// The default quantum of a round-robin task.
    pub const QUANTUM: Duration = Duration::from_ticks(100_000_000);
    /// A fair task of nice 0 with the default slice.
    pub const NORMAL: Self = Self::Fair { nice: Nice(0), slice: Self::SLICE };

    /// Checks the lengths that a policy carries beside its checked types.
    ///
    /// # Errors
    /// [`AttrError::Quantum`] outside 1 ms..=1 s, [`AttrError::Slice`] outside 0.1..=100 ms.
    pub fn validate(self) -> Result<Self, AttrError> {
        match self {
            Self::RoundRobin(_, quantum) if !(1_000_000..=1_000_000_000).contains(&quantum.as_ticks()) => {
                Err(AttrError::Quantum { quantum })
            }
            Self::Fair { slice, .. } if !(100_000..=100_000_000).contains(&slice.as_ticks()) => {
                Err(AttrError::Slice { slice })
            }
            _ => Ok(self),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::NORMAL
    }
}
