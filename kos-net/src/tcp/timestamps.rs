//! The two clocks of a connection: [`Timestamps`].
//!
//! Source: RFC 7323. Our clock ticks once a millisecond from an offset that is secret to the pair of addresses. A segment whose
//! clock goes back is an old duplicate, unless the connection was silent for so long that the clock may have wrapped.

use super::clock::since;
use crate::time::{Duration, Instant};
use crate::wire::TcpTimestamps;

/// After so long without a segment the peer's clock may have wrapped (RFC 7323 section 5.5).
const OUTDATED: Duration = Duration::from_hours(24 * 24);

/// What is known of both clocks, once both sides have offered timestamps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamps {
    /// When `recent` was taken.
    taken: Instant,
    /// Added to our clock.
    offset: u32,
    /// The peer's clock, as we echo it.
    recent: u32,
}

impl Timestamps {
    pub(crate) const fn new(now: Instant, offset: u32, recent: u32) -> Self {
        Self { taken: now, offset, recent }
    }

    /// The option of the next segment.
    pub(crate) fn option(&self, now: Instant) -> TcpTimestamps {
        TcpTimestamps { value: clock(now, self.offset), echo: self.recent }
    }

    /// Whether a segment with the clock `value` is an old duplicate.
    pub(crate) fn is_old(&self, now: Instant, value: u32) -> bool {
        value.wrapping_sub(self.recent).cast_signed() < 0 && since(now, self.taken) < OUTDATED
    }

    /// Takes the clock of a segment that reaches back to the last acknowledgement.
    pub(crate) fn learn(&mut self, now: Instant, value: u32) {
        if !self.is_old(now, value) {
            (self.recent, self.taken) = (value, now);
        }
    }

    /// How long ago we sent what `echo` answers; none if that cannot be.
    pub(crate) fn round_trip(&self, now: Instant, echo: u32) -> Option<Duration> {
        let ticks = clock(now, self.offset).wrapping_sub(echo);
        (echo != 0 && ticks.cast_signed() >= 0).then(|| Duration::from_millis(u64::from(ticks.max(1))))
    }

    /// The peer's clock, and when it was read.
    pub(crate) const fn recent(&self) -> (u32, Instant) {
        (self.recent, self.taken)
    }

    /// What is added to our clock.
    pub(crate) const fn offset(&self) -> u32 {
        self.offset
    }
}

/// Our clock at `now`.
#[expect(clippy::cast_possible_truncation, reason = "the clock of the wire has 32 bits and wraps")]
pub(crate) const fn clock(now: Instant, offset: u32) -> u32 {
    ((now.as_ticks() / 1_000_000) as u32).wrapping_add(offset)
}

#[cfg(test)]
mod tests {
    use super::{OUTDATED, Timestamps};
    use crate::time::{Duration, Instant};

    const START: Instant = Instant::from_ticks(5_000_000_000);

    #[test]
    fn a_clock_that_goes_back_is_old_until_it_may_have_wrapped() {
        let clocks = Timestamps::new(START, 0, 3);
        assert!(clocks.is_old(START, 2) && clocks.is_old(START, u32::MAX));
        assert!(!clocks.is_old(START, 3) && !clocks.is_old(START, (1 << 31) + 2));
        let later = START.checked_add_duration(OUTDATED).unwrap();
        assert!(!clocks.is_old(later, 2));
    }

    #[test]
    fn a_round_trip_is_measured_only_by_what_was_sent() {
        let clocks = Timestamps::new(START, u32::MAX, 0);
        let sent = clocks.option(START).value;
        let later = START.checked_add_duration(Duration::from_millis(30)).unwrap();
        assert_eq!(clocks.round_trip(later, sent), Some(Duration::from_millis(30)));
        assert_eq!(clocks.round_trip(later, sent.wrapping_add(31)), None, "from the future");
        assert_eq!(clocks.round_trip(later, 0), None, "nothing to echo yet");
    }
}
