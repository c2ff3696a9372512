//! What can go wrong, one enum per operation. Display is one lower-case clause.

use core::error::Error;
use core::fmt;

use crate::cpu::CpuId;
use crate::ports::Resume;
use crate::task::TaskIndex;
use crate::time::Duration;

/// A scheduling attribute outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttrError {
    /// A nice value outside -20..=19.
    Nice {
        /// What was asked for.
        nice: i8,
    },
    /// A real-time priority above 99.
    Priority {
        /// What was asked for.
        priority: u8,
    },
    /// A round-robin quantum outside 1 ms..=1 s.
    Quantum {
        /// What was asked for.
        quantum: Duration,
    },
    /// A slice outside 0.1..=100 ms.
    Slice {
        /// What was asked for.
        slice: Duration,
    },
    /// Not 1 us ≤ runtime ≤ deadline ≤ period ≤ 4 s.
    Deadline {
        /// What was asked for.
        runtime: Duration,
        /// What was asked for.
        deadline: Duration,
        /// What was asked for.
        period: Duration,
    },
    /// The run queue has no such class.
    NoClass,
    /// Deadline admission: the CPU has less bandwidth free than asked for. Both in units of 2^-32 of a CPU.
    Admission {
        /// What the task needs.
        asked: u32,
        /// What is left below the cap.
        free: u32,
    },
    /// An affinity mask without a CPU that is online.
    NoAllowedCpu,
}

impl fmt::Display for AttrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nice { nice } => write!(f, "nice {nice} is not in -20..=19"),
            Self::Priority { priority } => write!(f, "real-time priority {priority} is above 99"),
            Self::Quantum { quantum } => write!(f, "quantum of {quantum} is not in 1 ms..=1 s"),
            Self::Slice { slice } => write!(f, "slice of {slice} is not in 0.1..=100 ms"),
            Self::Deadline { runtime, deadline, period } => write!(
                f,
                "runtime {runtime}, deadline {deadline}, period {period} are not 1 us <= runtime <= deadline <= period <= 4 s"
            ),
            Self::NoClass => f.write_str("the run queue has no such class"),
            Self::Admission { asked, free } => {
                write!(f, "asks for {asked}/2^32 of a CPU, of which {free}/2^32 are free")
            }
            Self::NoAllowedCpu => f.write_str("no CPU of the mask is online"),
        }
    }
}

impl Error for AttrError {}

/// A timer that does not exist: the queue has fewer slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerError {
    /// The timer asked for.
    pub timer: u32,
    /// How many there are.
    pub slots: usize,
}

impl fmt::Display for TimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer {} is not one of {}", self.timer, self.slots)
    }
}

impl Error for TimerError {}

/// A wait that ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time had passed.
    TimedOut,
    /// The task is to die: it gives up and leaves.
    Interrupted,
    /// The queue was closed: nobody will wake its waiters any more.
    Closed,
}

impl WaitError {
    /// What a waiter returns whom nobody woke; nothing if he sleeps on.
    pub(crate) const fn of(resume: Resume) -> Option<Self> {
        match resume {
            Resume::Woken => None,
            Resume::TimedOut => Some(Self::TimedOut),
            Resume::Interrupted => Some(Self::Interrupted),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the wait timed out",
            Self::Interrupted => "the waiting task is to die",
            Self::Closed => "the queue is closed",
        })
    }
}

impl Error for WaitError {}

/// A lock that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockError {
    /// The task has it already, or waits for it through a chain of owners.
    Deadlock,
    /// The chain of owners is longer than 64 locks.
    ChainTooLong,
    /// Its owner is gone without having released it: the data may be half written.
    OwnerDied,
    /// The time had passed.
    TimedOut,
    /// The task is to die: it gives up and leaves.
    Interrupted,
    /// The lock or the task has no slot where the locks keep their books.
    NoSlot,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => "the task would wait for itself",
            Self::ChainTooLong => "more than 64 owners wait for one another",
            Self::OwnerDied => "the owner died with the lock",
            Self::TimedOut => "the wait for the lock timed out",
            Self::Interrupted => "the waiting task is to die",
            Self::NoSlot => "no slot is left for the lock or the task",
        })
    }
}

impl Error for LockError {}

/// An invariant of a timer queue, a wait queue or a lock that does not hold, as its `check` found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueCorruption {
    /// What was found, as a noun.
    pub what: &'static str,
    /// The position, bucket, list or slot at which it was found.
    pub index: usize,
}

impl fmt::Display for QueueCorruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt at {}: {}", self.index, self.what)
    }
}

impl Error for QueueCorruption {}

/// An inter-processor interrupt that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpiError {
    /// The CPU that was to get it.
    pub cpu: CpuId,
}

impl fmt::Display for IpiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {} could not be interrupted", self.cpu)
    }
}

impl Error for IpiError {}

/// An invariant that does not hold: a fault of this crate, or of a class of the integrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// A task whose links lead to nobody, or to one that does not lead back.
    Link(TaskIndex),
    /// A task in a place where it should not be.
    Order(TaskIndex),
    /// A task under which a tree is out of balance.
    Balance(TaskIndex),
    /// A task whose summary of the tree below it is wrong.
    Summary(TaskIndex),
    /// A task that is owned without being on the queue, or the other way round.
    Owner(TaskIndex),
    /// A level whose bit and list disagree.
    Level(u8),
    /// A number of tasks that is not their number.
    Count,
    /// A sum that is not the sum of its parts.
    Sum,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(task) => write!(f, "task {task:?} is linked wrongly"),
            Self::Order(task) => write!(f, "task {task:?} is out of order"),
            Self::Balance(task) => write!(f, "the tree is out of balance at task {task:?}"),
            Self::Summary(task) => write!(f, "the summary at task {task:?} is wrong"),
            Self::Owner(task) => write!(f, "task {task:?} is owned and not queued, or queued and not owned"),
            Self::Level(level) => write!(f, "bit and list of level {level} disagree"),
            Self::Count => f.write_str("tasks are not as many as counted"),
            Self::Sum => f.write_str("a sum is not that of its parts"),
        }
    }
}

impl Error for Corruption {}
