//! The round trip time and the retransmission timeout that follows from it: [`Rtt`].
//!
//! Microseconds in 32 bits, which is 71 minutes. A round trip is never zero: that would read as "not measured", and flows
//! inside a machine have such.
//!
//! Source: RFC 6298 section 2; the least round trip as RFC 8985 section 6.2 wants it.

use super::LossConfig;
use crate::time::{Duration, Instant};

/// The round trip of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    /// Eight times the smoothed round trip; zero: nothing was measured yet.
    smoothed_8: u32,
    /// Four times its variation.
    variation_4: u32,
    least: u32,
    /// When the least was measured, in seconds.
    least_at: u32,
    /// The timeout before a first sample.
    initial: u32,
    /// The least and the greatest timeout.
    bounds: (u32, u32),
}

/// A least round trip older than so many seconds is replaced by the next sample: the path may have become longer.
const LEAST_AGES: u32 = 300;

/// The part of the variation in the timeout is at least this (G in the RFC).
const GRANULARITY: u32 = 1000;

/// No round trip is longer; eight of them fit.
const LONGEST: u32 = u32::MAX / 16;

impl Rtt {
    pub(super) fn new(config: &LossConfig) -> Self {
        let bounds = (micros(config.min_rto), micros(config.max_rto.max(config.min_rto)));
        let initial = micros(config.initial_rto);
        Self { smoothed_8: 0, variation_4: 0, least: u32::MAX, least_at: 0, initial, bounds }
    }

    /// A SYN was lost and nothing could be measured: data gets more time at first (RFC 6298 section 5.7).
    pub(super) fn distrust(&mut self) {
        self.initial = self.initial.max(3_000_000).min(self.bounds.1);
    }

    pub(super) fn sample(&mut self, now: Instant, rtt: Duration) {
        let (rtt, second) = (micros(rtt).clamp(1, LONGEST), seconds(now));
        if rtt <= self.least || second.saturating_sub(self.least_at) > LEAST_AGES {
            (self.least, self.least_at) = (rtt, second);
        }
        if self.smoothed_8 == 0 {
            (self.smoothed_8, self.variation_4) = (rtt * 8, rtt * 2);
            return;
        }
        self.variation_4 = self.variation_4 - self.variation_4 / 4 + (self.smoothed_8 / 8).abs_diff(rtt);
        self.smoothed_8 = self.smoothed_8 - self.smoothed_8 / 8 + rtt;
    }

    /// The timeout, doubled `times` times (RFC 6298 section 5.5).
    pub(super) fn timeout(&self, times: u8) -> Duration {
        let once = match self.smoothed_8 / 8 {
            0 if self.smoothed_8 == 0 => self.initial,
            smoothed => smoothed.saturating_add(self.variation_4.max(GRANULARITY)).max(self.bounds.0),
        };
        let doubled = u64::from(once).saturating_mul(1 << times.min(31));
        duration(doubled.min(u64::from(self.bounds.1)))
    }

    /// The greatest timeout.
    pub(super) fn longest(&self) -> Duration {
        duration(self.bounds.1.into())
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        (self.smoothed_8 != 0).then(|| duration(u64::from(self.smoothed_8 / 8).max(1)))
    }

    /// The least round trip of the last minutes, once one was measured.
    pub(super) fn least(&self) -> Option<Duration> {
        (self.smoothed_8 != 0).then(|| duration(u64::from(self.least)))
    }
}

fn duration(micros: u64) -> Duration {
    Duration::from_ticks(micros.saturating_mul(1000))
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_ticks() / 1000).unwrap_or(u32::MAX)
}

fn seconds(now: Instant) -> u32 {
    u32::try_from(now.as_ticks() / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{LossConfig, Rtt};
    use crate::time::{Duration, Instant};

    /// RFC 6298 sections 2.2 to 2.5: samples and the timeout after them, in milliseconds.
    #[test]
    fn timeouts_follow_the_samples() {
        let table: [(&[u64], u64); 5] = [
            (&[], 1000),
            (&[100], 300),
            (&[100, 100], 250),
            // RTTVAR = 3/4 50 + 1/4 100, SRTT = 7/8 100 + 1/8 200.
            (&[100, 200], 112 + 250),
            (&[1, 1, 1, 1, 1, 1, 1], 200),
        ];
        for (samples, timeout) in table {
            let mut rtt = Rtt::new(&LossConfig::default());
            for sample in samples {
                rtt.sample(Instant::from_ticks(0), Duration::from_millis(*sample));
            }
            assert_eq!(rtt.timeout(0).as_ticks() / 1_000_000, timeout, "{samples:?}");
        }
    }

    /// RFC 6298 section 5.5, up to the cap; no doubling overflows.
    #[test]
    fn timeouts_double_up_to_the_cap() {
        let rtt = Rtt::new(&LossConfig::default());
        let seconds = [(0, 1), (1, 2), (6, 64), (7, 120), (31, 120), (32, 120), (255, 120)];
        for (times, timeout) in seconds {
            assert_eq!(rtt.timeout(times), Duration::from_secs(timeout));
        }
    }

    #[test]
    fn no_round_trip_is_nothing_or_too_much() {
        for ticks in [0, 1, 999, u64::MAX] {
            let mut rtt = Rtt::new(&LossConfig::default());
            for second in 0..1000 {
                let now = Instant::from_ticks(second * 1_000_000_000);
                rtt.sample(now, Duration::from_ticks(if second % 2 == 0 { ticks } else { 5 }));
                assert!(rtt.smoothed().is_some() && rtt.least().is_some());
                assert!(rtt.timeout(0) >= Duration::from_millis(200));
            }
        }
    }

    /// RFC 8985 section 6.2 step 1: the least of the last minutes.
    #[test]
    fn the_least_round_trip_ages() {
        let mut rtt = Rtt::new(&LossConfig::default());
        for (second, sample, least) in
            [(0, 50, 50), (10, 80, 50), (300, 80, 50), (301, 80, 80), (302, 60, 60)]
        {
            rtt.sample(Instant::from_ticks(second * 1_000_000_000), Duration::from_millis(sample));
            assert_eq!(rtt.least(), Some(Duration::from_millis(least)), "at {second} s");
        }
    }
}
