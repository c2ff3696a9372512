//! What time does: [`Recovery::deadline`], [`Recovery::on_timer`].
//!
//! Two timers: the retransmission timer, and one before it, which is either a probe of the tail or the end of a wait for what
//! may only be late. Source: RFC 6298 section 5, RFC 8985 sections 6.3 and 7.2, RFC 5681 section 3.1.

use super::{Flags, Phase, Recovery};
use crate::tcp::clock::{NEVER, after};
use crate::tcp::congestion::CongestionControl;
use crate::tcp::loss::Sent;
use crate::time::{Duration, Instant};

/// What the timer that ran out asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossTimeout {
    /// It was early, or there is nothing to do.
    Nothing,
    /// Something is lost now: send on, as the allowance permits.
    Resend,
    /// Send one segment whatever the allowance says: new data if the peer's window has room, else
    /// [`Recovery::probe`] (RFC 8985 section 7.3).
    Probe,
    /// The retransmission timeout, for the `retries`th time in a row: send [`Recovery::next_resend`], one segment.
    Rto {
        /// How often in a row.
        retries: u8,
    },
}

/// How long a peer may keep the acknowledgement of a single segment to itself.
const DELAYED_ACK: Duration = Duration::from_ticks(200_000_000);
/// No probe is sooner after two round trips, as Linux has it: on the shortest paths timers are coarser than those.
const PROBE_FLOOR: Duration = Duration::from_ticks(2_000_000);

impl<C: CongestionControl> Recovery<C> {
    /// When [`Self::on_timer`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = self.rto_at.min(self.soon_at);
        (at != NEVER).then_some(at)
    }

    /// Says what a deadline that has passed asks for. Called early it does nothing.
    pub(crate) fn on_timer(&mut self, now: Instant, sent: &mut [Sent]) -> LossTimeout {
        if self.board.outstanding() == 0 {
            (self.rto_at, self.soon_at) = (NEVER, NEVER);
            return LossTimeout::Nothing;
        }
        if now >= self.soon_at {
            self.soon_at = NEVER;
            return self.on_soon(now, sent);
        }
        if now < self.rto_at { LossTimeout::Nothing } else { self.on_rto(now, sent) }
    }

    fn on_soon(&mut self, now: Instant, sent: &mut [Sent]) -> LossTimeout {
        if self.flags.contains(Flags::REORDER) {
            if !self.detect(now, sent, false) {
                return LossTimeout::Nothing;
            }
            if self.phase == Phase::Fast {
                self.pace(0, false);
            }
            return LossTimeout::Resend;
        }
        self.flags.insert(Flags::PROBING);
        self.rto_at = after(now, self.rto());
        LossTimeout::Probe
    }

    fn on_rto(&mut self, now: Instant, sent: &mut [Sent]) -> LossTimeout {
        self.congestion.on_rto(&self.loss(now));
        if self.phase != Phase::Timeout {
            self.flags.set(Flags::DOUBTFUL, self.phase == Phase::Open);
            self.flags.remove(Flags::UNDOABLE);
            self.repaired = 0;
        }
        self.board.mark_all(sent);
        self.retries = self.retries.saturating_add(1);
        (self.phase, self.recover, self.duplicates) = (Phase::Timeout, self.board.nxt(), 0);
        (self.probe_end, self.soon_at) = (0, NEVER);
        self.flags.remove(Flags::REORDER | Flags::PROBING);
        self.rto_at = after(now, self.rto());
        LossTimeout::Rto { retries: self.retries }
    }

    /// A probe of the tail is due if nothing is heard for two round trips, once a flight.
    pub(super) fn arm_probe(&mut self, now: Instant) {
        if self.flags.contains(Flags::REORDER) {
            return;
        }
        let calm = self.phase == Phase::Open && self.board.sacked() == 0 && self.board.outstanding() > 0;
        self.soon_at = if calm && self.has_sack() && self.probe_end == 0 {
            after(now, self.probe_timeout()).min(self.rto_at)
        } else {
            NEVER
        };
    }

    fn probe_timeout(&self) -> Duration {
        let Some(smoothed) = self.smoothed_rtt() else { return self.rto() };
        let twice = smoothed.saturating_mul(2);
        twice.saturating_add(if self.flight() > self.mss { PROBE_FLOOR } else { DELAYED_ACK })
    }
}
