//! Why a fragment is not taken: [`FragmentError`].

use core::fmt;

use crate::DropReason;

/// Why a fragment is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentError {
    /// It is empty, or others follow and its length is no multiple of 8. In IPv6 to be answered with a parameter problem that
    /// points to the payload length.
    Unaligned {
        /// Its length.
        length: usize,
    },
    /// It ends beyond the largest datagram. In IPv6 to be answered with a parameter problem that points to the fragment's offset.
    BeyondLargest {
        /// Where it ends.
        end: usize,
    },
    /// The datagram is larger than a slot's room here.
    TooLarge {
        /// Where the fragment ends.
        end: usize,
        /// The most that can be put together.
        room: usize,
    },
    /// It overlaps another with other bytes, or ends where the datagram cannot: all of the datagram is dropped (RFC 5722).
    Overlap,
    /// It is of a datagram that was dropped because of an overlap or for its holes.
    Dead,
    /// The datagram has too many holes: it is dropped.
    TooManyHoles,
    /// There are no slots at all.
    NoSlots,
}

impl FragmentError {
    /// What it counts under.
    #[must_use]
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::TooLarge { .. } | Self::TooManyHoles | Self::NoSlots => DropReason::ReassemblyFull,
            _ => DropReason::BadFragment,
        }
    }
}

impl fmt::Display for FragmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaligned { length } => write!(f, "a fragment of {length} bytes before others"),
            Self::BeyondLargest { end } => write!(f, "a fragment ends at {end}, beyond the largest datagram"),
            Self::TooLarge { end, room } => write!(f, "a fragment ends at {end} where {room} bytes fit"),
            Self::Overlap => f.write_str("fragments overlap"),
            Self::Dead => f.write_str("the datagram was dropped before"),
            Self::TooManyHoles => f.write_str("the datagram has too many holes"),
            Self::NoSlots => f.write_str("nothing is put together here"),
        }
    }
}

impl core::error::Error for FragmentError {}
