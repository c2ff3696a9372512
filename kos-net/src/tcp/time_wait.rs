//! What is left of a connection after both sides closed: [`TimeWait`], 56 bytes for 60 seconds.
//!
//! A reset does not end it (RFC 1337). A SYN may, if it is newer than all that was (RFC 6191, RFC 9293 section 3.6.1). An
//! empty segment gets no answer: two of these must not talk to each other for ever.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::clock::after;
use super::congestion::CongestionControl;
use super::output::Outgoing;
use super::tcb::{Flags, Tcb};
use super::timestamps::clock;
use crate::DropReason;
use crate::time::{Duration, Instant};
use crate::wire::{SeqNumber, TcpFlags, TcpOptions, TcpSegment, TcpTimestamps};

/// Twice the longest life of a segment, as Linux has it.
const REST: Duration = Duration::from_secs(60);
/// How far the next connection of the same addresses begins behind this one.
const STEP: u32 = 65_537;

/// The rest of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWait {
    /// Addresses of IPv4 are mapped ones: those are never those of a connection.
    local: Ipv6Addr,
    remote: Ipv6Addr,
    ports: (u16, u16),
    wanted: SeqNumber,
    next: SeqNumber,
    recent: u32,
    clock_offset: u32,
    /// When it expires, in steps of 2 ms of a clock that goes round in 52 days, times two; plus one with timestamps.
    expires: u32,
}

const _: () = assert!(size_of::<TimeWait>() <= 56, "one of these stays for each connection that we closed");

/// 2^21 ns are a step.
const STEP_BITS: u32 = 21;

/// The point in steps, in the upper 31 bits.
#[expect(clippy::cast_possible_truncation, reason = "the clock goes round")]
const fn steps(at: Instant) -> u32 {
    ((at.as_ticks() >> STEP_BITS) as u32) << 1
}

/// What to do with a segment for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Drop(DropReason),
    /// Answer.
    Answer(Outgoing),
    /// The peer opens anew: forget this, and begin with this number.
    Reopen(SeqNumber),
}

impl TimeWait {
    /// No connection: nobody is bound to port 0.
    pub(crate) const NOTHING: Self = Self {
        local: Ipv6Addr::UNSPECIFIED,
        remote: Ipv6Addr::UNSPECIFIED,
        ports: (0, 0),
        wanted: SeqNumber(0),
        next: SeqNumber(0),
        recent: 0,
        clock_offset: 0,
        expires: 0,
    };

    /// Whether it is of a connection.
    pub(crate) const fn is_something(&self) -> bool {
        self.ports.0 != 0
    }

    /// What is left of a connection that nothing more is known of.
    #[cfg(test)]
    pub(crate) fn resting(now: Instant, local: SocketAddr, remote: SocketAddr) -> Self {
        let ip = |ip: IpAddr| if let IpAddr::V4(ip) = ip { ip.to_ipv6_mapped() } else { Ipv6Addr::LOCALHOST };
        let (local_ip, remote_ip) = (ip(local.ip()), ip(remote.ip()));
        let expires = steps(after(now, REST));
        Self {
            local: local_ip,
            remote: remote_ip,
            ports: (local.port(), remote.port()),
            expires,
            ..Self::NOTHING
        }
    }

    /// What is left of `tcb`, between `local` and `remote`.
    pub(crate) fn new<C: CongestionControl>(
        now: Instant,
        tcb: &Tcb<C>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Self {
        let octets = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            local: octets(local),
            remote: octets(remote),
            expires: steps(after(now, REST)) | u32::from(tcb.flags.contains(Flags::CLOCKS)),
            wanted: tcb.receiver.origin.at(tcb.receiver.nxt),
            next: tcb.sender.origin.at(tcb.sender.nxt),
            recent: tcb.clocks.recent().0,
            clock_offset: tcb.clocks.offset(),
            ports: (local.port(), remote.port()),
        }
    }

    /// Its addresses and ports: ours and the peer's.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        ((self.local.to_canonical(), self.ports.0).into(), (self.remote.to_canonical(), self.ports.1).into())
    }

    /// When it may be forgotten, a step early at most. `now` is to be within 26 days of that.
    pub(crate) fn expires(&self, now: Instant) -> Instant {
        let ahead = (self.expires & !1).wrapping_sub(steps(now)).cast_signed() >> 1;
        let at = (now.as_ticks() >> STEP_BITS).saturating_add_signed(ahead.into());
        Instant::from_ticks(at.saturating_mul(1 << STEP_BITS))
    }

    /// Whether both sides have timestamps.
    const fn has_clocks(&self) -> bool {
        self.expires & 1 == 1
    }

    /// A segment between the same addresses and ports.
    pub(crate) fn on_segment(&mut self, now: Instant, segment: &TcpSegment<'_>) -> Verdict {
        let flags = segment.header.flags();
        if flags.contains(TcpFlags::RST) {
            return Verdict::Drop(DropReason::BadState);
        }
        let options = TcpOptions::parse(segment.options);
        let place = segment.header.sequence().since(self.wanted);
        if flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK) && self.is_new(&options, place) {
            return Verdict::Reopen(self.next.plus(STEP));
        }
        if segment.sequence_length() == 0 {
            return Verdict::Drop(DropReason::BadState);
        }
        if flags.contains(TcpFlags::FIN) && place < 0 {
            self.expires = steps(after(now, REST)) | self.expires & 1;
        }
        Verdict::Answer(self.answer(now))
    }

    /// Whether a SYN is newer than all of the old connection.
    fn is_new(&self, options: &TcpOptions, place: i32) -> bool {
        match options.timestamps.filter(|_| self.has_clocks()) {
            Some(clock) => clock.value.wrapping_sub(self.recent).cast_signed() > 0,
            None => place > 0,
        }
    }

    fn answer(&self, now: Instant) -> Outgoing {
        let value = clock(now, self.clock_offset);
        let timestamps = self.has_clocks().then_some(TcpTimestamps { value, echo: self.recent });
        Outgoing {
            sequence: self.next,
            acknowledgement: self.wanted,
            flags: TcpFlags::ACK,
            window: 0,
            options: TcpOptions { timestamps, ..TcpOptions::default() },
            data: 0..0,
            segment: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, REST, TimeWait, after, steps};
    use crate::time::Duration;

    #[test]
    fn the_short_clock_goes_round() {
        for seconds in [0, 1, 77, 4_503_599, 4_503_600, 1 << 33] {
            let now = after(Instant::from_ticks(0), Duration::from_secs(seconds));
            let rest = TimeWait { expires: steps(after(now, REST)) | 1, ..TimeWait::NOTHING };
            for wait in [0, 1, 59, 60, 61, 100_000, 2_000_000] {
                let later = after(now, Duration::from_secs(wait));
                let early = after(now, REST).as_ticks() - rest.expires(later).as_ticks();
                assert!(early < 1 << 21, "{seconds} s, {wait} s later: {early} ns");
            }
        }
    }
}
