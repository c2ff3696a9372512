//! [`Cubic`]: a window that grows by a cubic function of the time since the last loss, as on most hosts of the Internet.
//!
//! In integers: bytes, milliseconds, and fractions kept as a numerator until they make a byte.
//! Source: RFC 9438; slow start after RFC 9406.

use super::hystart::{HyStart, Start};
use super::{AckSample, CongestionControl, LossEvent};
use crate::time::Duration;

/// The window of RFC 9438, with HyStart++ in the first slow start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cubic {
    now: Window,
    /// As it was before the last loss.
    before: Window,
    mss: u32,
    /// The window that NewReno would have on average ("W_est"), in bytes.
    friendly: u32,
    /// Milliseconds from the start of the epoch to the plateau ("K").
    plateau_after: u32,
    /// When congestion avoidance began, in milliseconds that wrap; 0: it has not.
    epoch: u32,
    /// Bytes times window, not yet a byte of `now.cwnd` or `friendly`.
    credit: u64,
    friendly_credit: u64,
    hystart: HyStart,
}

/// What a loss changes and an undo brings back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    cwnd: u32,
    ssthresh: u32,
    /// The window at which the last loss happened ("W_max").
    most: u32,
}

/// The window after a loss is 7/10 of that before.
const BETA: (u64, u64) = (7, 10);
/// Growth of the friendly window, 3 (1 - beta) / (1 + beta) of a segment a round trip.
const ALPHA: (u64, u64) = (9, 17);
/// Far beyond what any window needs: the cube of more would not fit.
const LONGEST_MS: u64 = 200_000;

impl Cubic {
    /// The window of the cubic function, `ms` after the epoch began (RFC 9438 section 4.2, C = 0.4).
    fn cubic(&self, ms: u64) -> u32 {
        let (ms, plateau) = (ms.min(LONGEST_MS), u64::from(self.plateau_after));
        let distance = ms.abs_diff(plateau).min(LONGEST_MS);
        // 0.4 d^3 segments, d in seconds: d^3 / 2_500_000_000 in milliseconds.
        let bytes = (distance * distance * distance / 2500).saturating_mul(self.mss.into()) / 1_000_000;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if ms < plateau { self.now.most.saturating_sub(bytes) } else { self.now.most.saturating_add(bytes) }
    }

    fn begin_epoch(&mut self, ms: u64) {
        self.now.most = self.now.most.max(self.now.cwnd);
        let segments_milli = u64::from(self.now.most - self.now.cwnd) * 1000 / u64::from(self.mss);
        // K^3 = segments / 0.4, in cubic milliseconds.
        self.plateau_after = cube_root(segments_milli.saturating_mul(2_500_000));
        self.epoch = low(ms).max(1);
        (self.friendly, self.credit, self.friendly_credit) = (self.now.cwnd, 0, 0);
    }

    fn avoid(&mut self, ack: &AckSample) {
        let ms = millis(ack.now.as_ticks());
        if self.epoch == 0 {
            self.begin_epoch(ms);
        }
        self.grow_friendly(ack.acked);
        let elapsed = u64::from(low(ms).wrapping_sub(self.epoch).cast_signed().max(0).unsigned_abs());
        if self.cubic(elapsed) < self.friendly {
            self.now.cwnd = self.now.cwnd.max(self.friendly);
            return;
        }
        let cwnd = u64::from(self.now.cwnd);
        let ahead = elapsed.saturating_add(millis(ack.smoothed_rtt.as_ticks()));
        let target = u64::from(self.cubic(ahead)).clamp(cwnd, cwnd + cwnd / 2);
        self.credit = self.credit.saturating_add((target - cwnd) * u64::from(ack.acked));
        let grown = self.credit / cwnd.max(1);
        self.credit -= grown * cwnd;
        self.now.cwnd = self.now.cwnd.saturating_add(u32::try_from(grown).unwrap_or(0));
    }

    /// RFC 9438 section 4.3: alpha segments a window, one from where the last loss was.
    fn grow_friendly(&mut self, acked: u32) {
        let (numerator, denominator) = if self.friendly >= self.before.cwnd { (1, 1) } else { ALPHA };
        let cost = u64::from(self.now.cwnd).max(1) * denominator;
        self.friendly_credit += u64::from(acked) * u64::from(self.mss) * numerator;
        let grown = self.friendly_credit / cost;
        self.friendly_credit %= cost;
        self.friendly = self.friendly.saturating_add(u32::try_from(grown).unwrap_or(0));
    }

    fn reduce(&mut self, loss: &LossEvent) {
        self.epoch = 0;
        if loss.again {
            return;
        }
        self.before = self.now;
        let flight = u64::from(loss.flight.max(self.mss));
        let (cwnd, most) = (u64::from(self.now.cwnd), u64::from(self.now.most));
        // Fast convergence (section 4.7): who has less than last time leaves room for others.
        let most = if cwnd < most { cwnd * (BETA.0 + BETA.1) / (2 * BETA.1) } else { cwnd };
        self.now.most = u32::try_from(most).unwrap_or(u32::MAX);
        let kept = u32::try_from(flight * BETA.0 / BETA.1).unwrap_or(u32::MAX);
        self.now.ssthresh = kept.max(self.mss.saturating_mul(2));
    }
}

impl CongestionControl for Cubic {
    fn start(&mut self, mss: u32, window: u32) {
        if self.mss == 0 {
            self.now.ssthresh = u32::MAX;
        }
        self.mss = mss.max(1);
        self.now.cwnd = window.max(self.mss);
    }

    fn on_ack(&mut self, ack: &AckSample) {
        if !ack.limited {
            return;
        }
        if self.now.cwnd >= self.now.ssthresh {
            return self.avoid(ack);
        }
        if self.now.ssthresh != u32::MAX {
            let room = self.now.ssthresh - self.now.cwnd;
            self.now.cwnd += ack.acked.min(room).min(self.mss.saturating_mul(2));
            return;
        }
        match self.hystart.on_ack(ack, self.mss) {
            Start::Grow(bytes) => self.now.cwnd = self.now.cwnd.saturating_add(bytes),
            Start::End => self.now.ssthresh = self.now.cwnd,
        }
    }

    fn on_loss(&mut self, loss: &LossEvent) {
        self.reduce(loss);
        self.now.cwnd = self.now.ssthresh;
    }

    fn on_rto(&mut self, loss: &LossEvent) {
        self.reduce(loss);
        self.now.cwnd = self.mss;
    }

    fn on_undo(&mut self) {
        self.now = Window { cwnd: self.now.cwnd.max(self.before.cwnd), ..self.before };
    }

    fn on_idle(&mut self, idle: Duration, initial: u32) {
        if self.epoch != 0 {
            self.epoch = self.epoch.wrapping_add(low(millis(idle.as_ticks()))).max(1);
        }
        self.now.ssthresh = self.now.ssthresh.max(self.now.cwnd / 4 * 3);
        self.now.cwnd = self.now.cwnd.min(initial);
    }

    fn cwnd(&self) -> u32 {
        self.now.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.now.ssthresh
    }
}

fn millis(ticks: u64) -> u64 {
    ticks / 1_000_000
}

/// Milliseconds on a clock that wraps.
#[expect(clippy::cast_possible_truncation, reason = "that is the point")]
const fn low(ms: u64) -> u32 {
    ms as u32
}

/// The greatest number whose cube is at most `value`, bit by bit.
fn cube_root(value: u64) -> u32 {
    let mut root = 0_u64;
    for bit in (0..21).rev() {
        let next = root | 1 << bit;
        if next * next * next <= value {
            root = next;
        }
    }
    u32::try_from(root).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
