//! What is left of a connection after both sides closed: [`TimeWait`], 64 bytes for 60 seconds.
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
    local: Ipv6Addr,
    remote: Ipv6Addr,
    expires: Instant,
    wanted: SeqNumber,
    next: SeqNumber,
    recent: u32,
    clock_offset: u32,
    ports: (u16, u16),
    window: u16,
    clocks: bool,
    v4: bool,
}

const _: () = assert!(size_of::<TimeWait>() <= 64, "one of these stays for each connection that we closed");

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
            expires: after(now, REST),
            wanted: tcb.receiver.origin.at(tcb.receiver.nxt),
            next: tcb.sender.origin.at(tcb.sender.nxt),
            recent: tcb.clocks.recent().0,
            clock_offset: tcb.clocks.offset(),
            ports: (local.port(), remote.port()),
            window: 0,
            clocks: tcb.flags.contains(Flags::CLOCKS),
            v4: local.is_ipv4(),
        }
    }

    /// Its addresses and ports: ours and the peer's.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let ip = |ip: Ipv6Addr| if self.v4 { ip.to_canonical() } else { ip.into() };
        ((ip(self.local), self.ports.0).into(), (ip(self.remote), self.ports.1).into())
    }

    /// When it may be forgotten.
    pub(crate) const fn expires(&self) -> Instant {
        self.expires
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
            self.expires = after(now, REST);
        }
        Verdict::Answer(self.answer(now))
    }

    /// Whether a SYN is newer than all of the old connection.
    fn is_new(&self, options: &TcpOptions, place: i32) -> bool {
        match options.timestamps.filter(|_| self.clocks) {
            Some(clock) => clock.value.wrapping_sub(self.recent).cast_signed() > 0,
            None => place > 0,
        }
    }

    fn answer(&self, now: Instant) -> Outgoing {
        let value = clock(now, self.clock_offset);
        let timestamps = self.clocks.then_some(TcpTimestamps { value, echo: self.recent });
        Outgoing {
            sequence: self.next,
            acknowledgement: self.wanted,
            flags: TcpFlags::ACK,
            window: self.window,
            options: TcpOptions { timestamps, ..TcpOptions::default() },
            data: 0..0,
            segment: 0,
        }
    }
}
