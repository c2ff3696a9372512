//! What an integrator chooses: [`NeighbourConfig`]; and what is counted: [`NeighbourStats`].

use core::fmt;

use crate::time::Duration;

/// The most neighbours of one table.
pub const MAX_NEIGHBOURS: usize = 1024;

/// Times and counts (RFC 4861, section 10). [`new`](Self::new) has those of the RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourConfig {
    /// For how long a neighbour is believed in after it was heard, on average: one half to one and a half of it, by chance.
    pub reachable: Duration,
    /// How long who sends waits for word from above that the neighbour is there, before it is asked.
    pub delay: Duration,
    /// How long an answer is waited for.
    pub retransmit: Duration,
    /// How often it is asked before it counts as gone.
    pub tries: u8,
    /// For how long one that was not found is not searched again.
    pub failed: Duration,
}

impl NeighbourConfig {
    /// 30 s, 5 s, 1 s, 3 times; 1 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            reachable: Duration::from_secs(30),
            delay: Duration::from_secs(5),
            retransmit: Duration::from_secs(1),
            tries: 3,
            failed: Duration::from_secs(1),
        }
    }
}

impl Default for NeighbourConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Why no table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NeighbourConfigError {
    /// Fewer than 4 slots, or more than [`MAX_NEIGHBOURS`].
    Slots {
        /// How many.
        got: usize,
    },
    /// An answer is not waited for, or never asked for.
    Times,
}

impl fmt::Display for NeighbourConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots { got } => write!(f, "{got} neighbours where 4 to {MAX_NEIGHBOURS} can be"),
            Self::Times => f.write_str("no time or no try to find a neighbour"),
        }
    }
}

impl core::error::Error for NeighbourConfigError {}

/// Counted since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighbourStats {
    /// Searches begun.
    pub searched: u64,
    /// Neighbours that answered a search.
    pub found: u64,
    /// Searches without an answer, and neighbours that are gone.
    pub failed: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Frames given up because their queue was full or their entry was evicted or removed.
    pub dropped: u64,
}
