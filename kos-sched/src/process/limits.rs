//! What a process may use: [`Resource`], [`Limit`], [`Limits`], and the answer when it wants more, [`LimitExceeded`].
//!
//! Source: POSIX.1-2017 `setrlimit`: the soft limit is enforced, the hard limit bounds the soft one.

use core::error::Error;
use core::fmt;

use crate::task::Nice;

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// CPU time of the process, in nanoseconds. Looked at by [`enforce_cpu_time`](super::ProcessTable::enforce_cpu_time).
    CpuTime,
    /// Threads. Counted by the table.
    Tasks,
    /// The highest real-time priority that may be asked for.
    RtPriority,
    /// The most favourable nice value that may be asked for, as [`Resource::nice`] counts.
    Nice,
    /// Bytes of stack.
    Stack,
    /// Bytes of memory. Charged from outside.
    Memory,
    /// Open files. Charged from outside.
    Files,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 7] =
        [Self::CpuTime, Self::Tasks, Self::RtPriority, Self::Nice, Self::Stack, Self::Memory, Self::Files];

    /// How a nice value counts against [`Resource::Nice`]: 1 (nice 19) to 40 (nice -20).
    #[must_use]
    pub fn nice(nice: Nice) -> u64 {
        u64::from((20 - nice.get()).unsigned_abs())
    }

    const fn index(self) -> usize {
        self as usize
    }

    /// The place of what is counted up and down.
    const fn counter(self) -> Option<usize> {
        match self {
            Self::Tasks => Some(0),
            Self::Memory => Some(1),
            Self::Files => Some(2),
            _ => None,
        }
    }
}

/// A soft limit, which counts, and a hard limit, which bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// What may be used.
    pub soft: u64,
    /// How far the soft limit may be raised.
    pub hard: u64,
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { soft: u64::MAX, hard: u64::MAX };

    /// `most`, and never more.
    #[must_use]
    pub const fn at_most(most: u64) -> Self {
        Self { soft: most, hard: most }
    }
}

/// A limit for each resource. Children inherit them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits([Limit; Resource::ALL.len()]);

#[expect(clippy::indexing_slicing, reason = "there is a place for each resource")]
impl Limits {
    /// None is limited.
    pub const UNLIMITED: Self = Self([Limit::NONE; Resource::ALL.len()]);

    /// The limit of `resource`.
    #[must_use]
    pub const fn get(&self, resource: Resource) -> Limit {
        self.0[resource.index()]
    }

    /// The same with another limit of `resource`.
    #[must_use]
    pub const fn with(mut self, resource: Resource, limit: Limit) -> Self {
        self.0[resource.index()] = limit;
        self
    }

    /// Changes a limit as `setrlimit` does.
    pub(super) fn change(
        &mut self,
        resource: Resource,
        new: Limit,
        privileged: bool,
    ) -> Result<(), LimitError> {
        let hard = self.get(resource).hard;
        if new.soft > new.hard {
            return Err(LimitError::SoftAboveHard { soft: new.soft, hard: new.hard });
        }
        if new.hard > hard && !privileged {
            return Err(LimitError::RaisesHard { asked: new.hard, hard });
        }
        *self = self.with(resource, new);
        Ok(())
    }

    /// Whether `value` of a resource that is not counted is allowed.
    pub(super) fn admit(&self, resource: Resource, value: u64) -> Result<(), LimitExceeded> {
        let limit = self.get(resource).soft;
        if value > limit { Err(LimitExceeded { resource, used: value, limit }) } else { Ok(()) }
    }
}

/// How much of each counted resource is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used([u64; 3]);

impl Used {
    pub(super) const ZERO: Self = Self([0; 3]);

    /// The counted resources.
    pub(super) const RESOURCES: [Resource; 3] = [Resource::Tasks, Resource::Memory, Resource::Files];

    pub(super) fn get(&self, resource: Resource) -> u64 {
        resource.counter().and_then(|place| self.0.get(place)).copied().unwrap_or(0)
    }

    /// Takes `amount` more, unless that were above `limit`. What is not counted is compared only.
    pub(super) fn charge(
        &mut self,
        resource: Resource,
        amount: u64,
        limit: u64,
    ) -> Result<(), LimitExceeded> {
        let used = self.get(resource).saturating_add(amount);
        if used > limit {
            return Err(LimitExceeded { resource, used, limit });
        }
        if let Some(place) = resource.counter().and_then(|place| self.0.get_mut(place)) {
            *place = used;
        }
        Ok(())
    }

    /// Gives `amount` back; false, and nothing changed, if less is in use.
    pub(super) fn uncharge(&mut self, resource: Resource, amount: u64) -> bool {
        let left = self.get(resource).checked_sub(amount);
        if let (Some(left), Some(place)) = (left, resource.counter().and_then(|place| self.0.get_mut(place)))
        {
            *place = left;
        }
        left.is_some()
    }
}

/// A resource is used up. Nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which.
    pub resource: Resource,
    /// How much would be in use.
    pub used: u64,
    /// How much may be.
    pub limit: u64,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} would be {}, the limit is {}", self.resource, self.used, self.limit)
    }
}

impl Error for LimitExceeded {}

/// A limit that was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The soft limit is above the hard one.
    SoftAboveHard {
        /// What was asked for.
        soft: u64,
        /// What was asked for.
        hard: u64,
    },
    /// Only who is privileged may raise a hard limit.
    RaisesHard {
        /// What was asked for.
        asked: u64,
        /// What it is.
        hard: u64,
    },
    /// The process is not there.
    Process(super::ProcessError),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SoftAboveHard { soft, hard } => write!(f, "soft limit {soft} is above hard limit {hard}"),
            Self::RaisesHard { asked, hard } => write!(f, "raises the hard limit from {hard} to {asked}"),
            Self::Process(error) => error.fmt(f),
        }
    }
}

impl Error for LimitError {}
