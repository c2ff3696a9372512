//! When slow start has filled the path: [`HyStart`] looks for a round trip that grows, before anything is lost.
//!
//! Source: RFC 9406 section 4.2 and its constants of section 4.3, without pacing.

use super::AckSample;

/// How slow start goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HyStart {
    /// The round ends when this is acknowledged.
    round_end: u64,
    /// The least round trip of the last round, in microseconds.
    last: u32,
    /// That of this round.
    least: u32,
    /// The least when conservative slow start began.
    baseline: u32,
    /// Round trips measured in this round.
    samples: u8,
    /// Rounds of conservative slow start left; 0: it is the usual one.
    rounds: u8,
}

/// What to do with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Grow by so many bytes.
    Grow(u32),
    /// Slow start ends here.
    End,
}

const NONE: u32 = u32::MAX;
const LEAST_THRESHOLD: u32 = 4_000;
const MOST_THRESHOLD: u32 = 16_000;
const SAMPLES: u8 = 8;
const SLOWER: u32 = 4;
const ROUNDS: u8 = 5;
/// Segments by which one acknowledgement lets the window grow at most.
const BURST: u32 = 8;

impl Default for HyStart {
    fn default() -> Self {
        Self { round_end: 0, last: NONE, least: NONE, baseline: NONE, samples: 0, rounds: 0 }
    }
}

impl HyStart {
    /// An acknowledgement in slow start.
    pub(super) fn on_ack(&mut self, ack: &AckSample, mss: u32) -> Start {
        if ack.una >= self.round_end && self.next_round(ack) {
            return Start::End;
        }
        if let Some(rtt) = ack.rtt {
            self.measure(u32::try_from(rtt.as_ticks() / 1000).unwrap_or(NONE - 1));
        }
        let grow = ack.acked.min(mss.saturating_mul(BURST));
        Start::Grow(if self.rounds > 0 { grow / SLOWER } else { grow })
    }

    /// Whether conservative slow start has gone on for long enough.
    fn next_round(&mut self, ack: &AckSample) -> bool {
        (self.round_end, self.last) = (ack.nxt, self.least);
        (self.least, self.samples) = (NONE, 0);
        if self.rounds == 0 {
            return false;
        }
        self.rounds -= 1;
        self.rounds == 0
    }

    fn measure(&mut self, rtt: u32) {
        self.least = self.least.min(rtt);
        self.samples = self.samples.saturating_add(1);
        if self.samples < SAMPLES {
            return;
        }
        if self.rounds > 0 {
            // It was a passing delay.
            if self.least < self.baseline {
                (self.rounds, self.baseline) = (0, NONE);
            }
        } else if self.last != NONE {
            let threshold = (self.last / 8).clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
            if self.least >= self.last.saturating_add(threshold) {
                // The round under way is the first of them.
                (self.rounds, self.baseline) = (ROUNDS, self.least);
            }
        }
    }
}
