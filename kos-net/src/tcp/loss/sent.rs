//! One record of what is in flight: [`Sent`].

use crate::time::Instant;

/// A run of bytes that were sent together and have the same fate. It begins where the record before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When these bytes last went out.
    pub(super) time: Instant,
    /// The low half of the place behind the last byte; less than 2^32 bytes are in flight.
    pub(super) end: u32,
    pub(super) state: State,
    /// Sent more than once: it measures no round trip (Karn).
    pub(super) again: bool,
}

/// Where a record's bytes are believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// On the way.
    Flying,
    /// Lost, to be sent again.
    Lost,
    /// Held by the peer, out of order.
    Sacked,
}

impl Sent {
    /// A record of nothing, to fill storage with.
    pub const EMPTY: Self = Self { time: Instant::from_ticks(0), end: 0, state: State::Flying, again: false };

    /// Whether two neighbours may become one record: only the time of the later is kept, which matters to none but those on the way.
    pub(super) fn like(&self, other: &Self) -> bool {
        self.state == other.state && self.again == other.again
    }
}

const _: () = assert!(size_of::<Sent>() == 16, "a segment costs 16 bytes");
