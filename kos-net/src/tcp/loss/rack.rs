//! Loss by time: [`Rack`]. What was sent a reordering window before something that has arrived is lost.
//!
//! Source: RFC 8985 sections 5 and 6.2.

use super::rtt::Rtt;
use super::sent::Sent;
use crate::tcp::clock::since;
use crate::time::{Duration, Instant};

/// The latest sending that is known to have arrived, and how much reordering the path was seen to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// When the latest of what has arrived was sent.
    time: Instant,
    /// Where it ended.
    end: u64,
    /// Its round trip, in microseconds, the last of which may not be whole.
    rtt: u32,
    /// The highest place that has arrived.
    highest: u64,
    /// No second D-SACK counts before this is acknowledged.
    round: u64,
    /// Quarters of a round trip in the reordering window.
    quarters: u8,
    /// Repairs after which a widened window is narrow again.
    keep: u8,
    /// Whether the path was ever seen to reorder.
    reordered: bool,
}

/// Repairs for which a widened window is kept.
const KEEP: u8 = 16;

impl Rack {
    pub(super) const fn new() -> Self {
        let time = Instant::from_ticks(0);
        Self { time, end: 0, rtt: 0, highest: 0, round: 0, quarters: 1, keep: 0, reordered: false }
    }

    /// Steps 1 to 3: `record`, which ends at `end`, has arrived. `echoed` is the round trip by the timestamp.
    pub(super) fn arrived(
        &mut self,
        now: Instant,
        record: Sent,
        end: u64,
        rtt: &Rtt,
        echoed: Option<Duration>,
    ) {
        let took = since(now, record.time);
        if end < self.highest && !record.again {
            self.reordered = true;
        }
        self.highest = self.highest.max(end);
        // What was sent twice and answered sooner than the path allows, or by an older timestamp, arrived the first time.
        let older = echoed.is_some_and(|echoed| echoed > took.saturating_add(CLOCK));
        if record.again && (older || rtt.least().is_some_and(|least| took < least)) {
            return;
        }
        if (record.time, end) > (self.time, self.end) {
            (self.time, self.end, self.rtt) = (record.time, end, micros(took));
        }
    }

    /// The peer received something twice: the window was too narrow, once a round trip.
    pub(super) fn on_duplicate(&mut self, una: u64, nxt: u64) {
        if una >= self.round {
            (self.round, self.keep) = (nxt, KEEP);
            self.quarters = self.quarters.saturating_add(1);
        }
    }

    /// A repair has ended.
    pub(super) fn on_repaired(&mut self) {
        self.keep = self.keep.saturating_sub(1);
        if self.keep == 0 {
            self.quarters = 1;
        }
    }

    /// Step 4: how much later than its turn a segment may arrive. `sure`: so much was held that no reordering is likely.
    pub(super) fn window(&self, rtt: &Rtt, sure: bool) -> Duration {
        let (Some(least), Some(smoothed)) = (rtt.least(), rtt.smoothed()) else {
            return Duration::from_ticks(0);
        };
        if !self.reordered && sure {
            return Duration::from_ticks(0);
        }
        let quarters = (least.as_ticks() / 4).saturating_mul(u64::from(self.quarters));
        Duration::from_ticks(quarters.min(smoothed.as_ticks()))
    }

    /// Step 5: how long `record`, which ends at `end`, may still take. Zero: it is lost. `None`: nothing sent later has arrived.
    pub(super) fn remaining(
        &self,
        now: Instant,
        record: &Sent,
        end: u64,
        window: Duration,
    ) -> Option<Duration> {
        if (self.time, self.end) <= (record.time, end) {
            return None;
        }
        let limit = Duration::from_micros(self.rtt.into()).saturating_add(window);
        Some(limit.saturating_sub(since(now, record.time)))
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_ticks().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Timestamps count in milliseconds: they cannot tell sendings apart that are closer.
const CLOCK: Duration = Duration::from_ticks(2_000_000);
