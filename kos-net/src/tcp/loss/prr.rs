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

#[cfg(test)]
mod tests {
    use super::{Delivery, Prr};

    const MSS: u32 = 1000;

    /// RFC 9937 section 6.2: at every moment as much has gone out as the share of what came in.
    #[test]
    fn above_the_threshold_it_sends_its_share() {
        let (mut prr, mut flight) = (Prr::new(20_000), 20_000_u32);
        for round in 1..=10 {
            flight -= MSS;
            let count = prr.on_ack(Delivery { delivered: MSS, flight, safe: false }, 10_000, MSS);
            let goes = count / MSS * MSS;
            prr.on_sent(goes);
            flight += goes;
            assert!(prr.out * 2 <= round * MSS + MSS, "after {round}: {prr:?}");
        }
        assert_eq!((prr.out, flight), (5000, 15_000));
    }

    /// The first segment goes at once; below the threshold no more goes out than came in, with progress one more.
    #[test]
    fn below_the_threshold_it_keeps_what_arrives() {
        let mut prr = Prr::new(20_000);
        assert_eq!(prr.on_ack(Delivery { delivered: 0, flight: 18_000, safe: false }, 10_000, MSS), MSS);
        prr.on_sent(MSS);
        let below = |safe| Delivery { delivered: MSS, flight: 4000, safe };
        assert_eq!(prr.on_ack(below(false), 10_000, MSS), MSS);
        assert_eq!(prr.on_ack(below(true), 10_000, MSS), 2 * MSS);
        let near = Delivery { delivered: MSS, flight: 9_500, safe: true };
        assert_eq!(prr.on_ack(near, 10_000, MSS), 500, "never above the threshold");
    }
}
