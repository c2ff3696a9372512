//! How the window comes down while losses are repaired: [`Prr`], in step with what arrives and not in one pause.
//!
//! Source: RFC 9937 section 6.

/// What was delivered and sent since the repair began, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prr {
    delivered: u32,
    out: u32,
    /// Bytes in flight when it began.
    at_start: u32,
}

/// What an acknowledgement during a repair says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    /// Bytes that it says have arrived.
    pub(super) delivered: u32,
    /// Bytes in flight after it.
    pub(super) flight: u32,
    /// It made progress and told of no more loss ("SafeACK").
    pub(super) safe: bool,
}

impl Prr {
    /// A repair begins with `at_start` bytes in flight.
    pub(super) fn new(at_start: u32) -> Self {
        Self { delivered: 0, out: 0, at_start: at_start.max(1) }
    }

    pub(super) fn on_sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// Bytes that may go out now, on the way down to `ssthresh`.
    pub(super) fn on_ack(&mut self, ack: Delivery, ssthresh: u32, mss: u32) -> u32 {
        self.delivered = self.delivered.saturating_add(ack.delivered);
        let count = if ack.flight > ssthresh {
            let share = (u64::from(self.delivered) * u64::from(ssthresh)).div_ceil(u64::from(self.at_start));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            let owed = self.delivered.saturating_sub(self.out).max(ack.delivered);
            let more = if ack.safe { mss } else { 0 };
            owed.saturating_add(more).min(ssthresh - ack.flight)
        };
        if self.out == 0 && count == 0 { mss } else { count }
    }
}
