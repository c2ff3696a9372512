//! The round trip time and the retransmission timeout that follows from it: [`Rtt`].
//!
//! Source: RFC 6298 section 2.

use super::LossConfig;
use crate::time::{Duration, Instant};

/// The smoothed round trip of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Nanoseconds. Zero: nothing was measured yet.
    smoothed: u64,
    variation: u64,
    least: u64,
    least_at: Instant,
    /// The timeout before a first sample, and its bounds after it; microseconds.
    initial: u32,
    bounds: (u32, u32),
}

/// A least round trip older than this is replaced by the next sample: the path may have become longer.
const LEAST_AGES: u64 = 300_000_000_000;

/// The share of the variation in the timeout is at least this, the granularity of our clock's users (G in the RFC).
const GRANULARITY: u64 = 1_000_000;

impl Rtt {
    pub(super) fn new(config: &LossConfig) -> Self {
        let micros = |time: Duration| u32::try_from(time.as_ticks() / 1000).unwrap_or(u32::MAX);
        let bounds = (micros(config.min_rto), micros(config.max_rto.max(config.min_rto)));
        let least_at = Instant::from_ticks(0);
        Self {
            smoothed: 0,
            variation: 0,
            least: u64::MAX,
            least_at,
            initial: micros(config.initial_rto),
            bounds,
        }
    }

    pub(super) fn sample(&mut self, now: Instant, rtt: Duration) {
        // A round trip of nothing would read as "not measured": flows inside a machine have them.
        let rtt = rtt.as_ticks().clamp(1, u64::MAX / 16);
        if rtt <= self.least || super::since(now, self.least_at).as_ticks() > LEAST_AGES {
            (self.least, self.least_at) = (rtt, now);
        }
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (rtt, rtt / 2);
            return;
        }
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(rtt)) / 4;
        self.smoothed = ((self.smoothed * 7 + rtt) / 8).max(1);
    }

    /// The timeout, doubled `times` times (RFC 6298 section 5.5).
    pub(super) fn timeout(&self, times: u8) -> Duration {
        let (least, most) = (u64::from(self.bounds.0) * 1000, u64::from(self.bounds.1) * 1000);
        let once = match self.smoothed {
            0 => u64::from(self.initial) * 1000,
            smoothed => smoothed.saturating_add((self.variation * 4).max(GRANULARITY)).max(least),
        };
        let doubled = once.checked_mul(1 << times.min(30)).unwrap_or(most);
        Duration::from_ticks(doubled.min(most))
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        (self.smoothed != 0).then(|| Duration::from_ticks(self.smoothed))
    }
}
