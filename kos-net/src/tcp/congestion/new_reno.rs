//! [`NewReno`]: the standard's own window. Slow start, congestion avoidance, half of what is in flight after a loss.
//!
//! Source: RFC 5681, counting bytes (RFC 3465, with a limit of two segments an acknowledgement).

use super::{AckSample, CongestionControl, LossEvent};
use crate::time::Duration;

/// The window of RFC 5681.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewReno {
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged since the window last grew by a segment.
    credit: u32,
    /// Window and threshold before the last loss.
    before: (u32, u32),
}

impl NewReno {
    fn reduce(&mut self, loss: &LossEvent) {
        if !loss.again {
            self.before = (self.cwnd, self.ssthresh);
            self.ssthresh = (loss.flight / 2).max(self.mss.saturating_mul(2));
        }
        self.credit = 0;
    }
}

impl CongestionControl for NewReno {
    fn start(&mut self, mss: u32, window: u32) {
        if self.mss == 0 {
            self.ssthresh = u32::MAX;
        }
        (self.mss, self.cwnd) = (mss.max(1), window.max(mss));
    }

    fn on_ack(&mut self, ack: &AckSample) {
        if !ack.limited {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd = self.cwnd.saturating_add(ack.acked.min(self.mss.saturating_mul(2)));
            return;
        }
        self.credit = self.credit.saturating_add(ack.acked);
        if self.credit >= self.cwnd {
            self.credit -= self.cwnd;
            self.cwnd = self.cwnd.saturating_add(self.mss);
        }
    }

    fn on_loss(&mut self, loss: &LossEvent) {
        self.reduce(loss);
        self.cwnd = self.ssthresh;
    }

    fn on_rto(&mut self, loss: &LossEvent) {
        self.reduce(loss);
        self.cwnd = self.mss;
    }

    fn on_undo(&mut self) {
        (self.cwnd, self.ssthresh) = (self.cwnd.max(self.before.0), self.ssthresh.max(self.before.1));
    }

    fn on_idle(&mut self, _: Duration, initial: u32) {
        self.cwnd = self.cwnd.min(initial);
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
}
