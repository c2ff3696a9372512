//! Time passes: [`Tcb::deadline`], [`Tcb::on_timer`].
//!
//! Source: RFC 9293 sections 3.8.3, 3.8.4, 3.8.6.1; RFC 5482; how often is tried as in Linux.

use super::clock::{NEVER, after, earlier};
use super::config::KeepAlive;
use super::congestion::CongestionControl;
use super::error::TcpFailure;
use super::fsm::State;
use super::input::Change;
use super::loss::{LossTimeout, Sent};
use super::tcb::{Flags, Push, Tcb};
use crate::time::{Duration, Instant};

impl<C: CongestionControl> Tcb<C> {
    /// When [`on_timer`](Self::on_timer) and [`transmit`](Self::transmit) are to be called, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let some = |at: Instant| (at != NEVER).then_some(at);
        [
            self.acks.deadline(),
            some(self.probe_at),
            some(self.close_at),
            self.question_at().and_then(some),
            self.given_up_at().and_then(some),
        ]
        .into_iter()
        .fold(self.recovery.deadline(), earlier)
    }

    /// Does what the deadlines up to `now` ask for.
    pub(crate) fn on_timer(&mut self, now: Instant, sent: &mut [Sent]) -> Change {
        if self.state == State::Closed {
            return Change::empty();
        }
        if self.close_at <= now {
            self.enter(now, State::Closed);
        } else if self.given_up_at().is_some_and(|at| at <= now) {
            self.give_up(now);
        } else {
            self.on_loss_timer(now, sent);
            self.on_probe_timer(now);
            self.on_question_timer(now);
        }
        if self.state == State::Closed { Change::ENDED } else { Change::empty() }
    }

    fn on_loss_timer(&mut self, now: Instant, sent: &mut [Sent]) {
        if self.recovery.deadline().is_none_or(|at| at > now) {
            return;
        }
        match self.recovery.on_timer(now, sent) {
            LossTimeout::Nothing | LossTimeout::Resend => {}
            LossTimeout::Probe => self.push = Push::Tail,
            LossTimeout::Rto { retries } => {
                self.push = Push::Timeout;
                self.unheard = self.unheard.saturating_add(1);
                // Who takes the window back and says so is alive: only silence counts.
                let tries =
                    if self.sender.una > 0 && self.sender.window == 0 { self.unheard } else { retries };
                self.count(now, tries);
            }
        }
    }

    fn on_probe_timer(&mut self, now: Instant) {
        if self.probe_at > now {
            return;
        }
        self.probe_at = NEVER;
        self.probes = self.probes.saturating_add(1);
        self.unheard = self.unheard.saturating_add(1);
        self.push = Push::Window;
        if self.sender.usable() == 0 {
            self.flags.insert(Flags::ASK_DUE);
        }
        self.count(now, self.unheard);
    }

    fn on_question_timer(&mut self, now: Instant) {
        let Some(keep) = self.chosen.settings().keep_alive else { return };
        if self.question_at().is_none_or(|at| at > now) {
            return;
        }
        if self.questions >= keep.count {
            self.abort_as(now, TcpFailure::TimedOut);
            return;
        }
        self.questions += 1;
        self.flags.insert(Flags::ASK_DUE);
    }

    /// When the next question of keep-alive is due: only of a connection that waits for nothing else.
    fn question_at(&self) -> Option<Instant> {
        let keep = self.chosen.settings().keep_alive.filter(|_| self.is_silent())?;
        let KeepAlive { idle, interval, .. } = keep;
        let silence = u64::from(idle) + u64::from(interval) * u64::from(self.questions);
        Some(after(self.heard, Duration::from_secs(silence)))
    }

    fn is_silent(&self) -> bool {
        let open = matches!(self.state, State::Established | State::CloseWait | State::FinWait2);
        open && self.sender.in_flight() == 0 && !self.sender.has_unsent()
    }

    /// When the user's patience ends.
    fn given_up_at(&self) -> Option<Instant> {
        let timeout =
            Duration::from_millis(Some(self.chosen.settings().user_timeout).filter(|&ms| ms != 0)?.into());
        let waits = self.sender.in_flight() > 0 || self.sender.has_unsent();
        let since = if waits { self.stalled } else { self.heard };
        (waits || self.questions > 0).then(|| after(since, timeout))
    }

    /// Gives up after too many tries.
    fn count(&mut self, now: Instant, tries: u8) {
        let limits = self.limits;
        let most = match () {
            () if self.sender.una == 0 => limits.syn_retries,
            () if self.flags.contains(Flags::ORPHAN) => limits.orphan_retries,
            () if self.chosen.settings().user_timeout != 0 => u8::MAX,
            () => limits.retries,
        };
        if tries > most {
            self.give_up(now);
        }
    }

    /// The peer does not answer. As in Linux nothing is said to who does not listen.
    fn give_up(&mut self, now: Instant) {
        let failure = self.soft.map_or(TcpFailure::TimedOut, TcpFailure::Unreachable);
        self.fail(now, failure);
    }
}
