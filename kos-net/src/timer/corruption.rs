//! What a broken wheel looks like: [`TimerCorruption`].

use core::fmt;

/// What [`Wheel::check`](super::Wheel::check) found broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerCorruption {
    /// A list names an entry that is not there, or whose links do not lead back.
    BadLink {
        /// The entry, or the place where one should be.
        index: u32,
    },
    /// An entry stands in a slot that comes after its deadline.
    TooLate {
        /// The entry.
        index: u32,
    },
    /// The bit of a slot does not say whether it is empty.
    BadBit {
        /// The level, 0 to 3.
        level: usize,
        /// The slot in it.
        slot: usize,
    },
    /// There are more or fewer entries than were filed.
    BadCount {
        /// How many the lists hold.
        found: u32,
        /// How many there should be.
        expected: u32,
    },
}

impl fmt::Display for TimerCorruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadLink { index } => write!(f, "broken links at timer {index}"),
            Self::TooLate { index } => write!(f, "timer {index} would fire late"),
            Self::BadBit { level, slot } => write!(f, "bit of slot {slot} on level {level} is wrong"),
            Self::BadCount { found, expected } => write!(f, "{found} timers where {expected} were filed"),
        }
    }
}

impl core::error::Error for TimerCorruption {}
