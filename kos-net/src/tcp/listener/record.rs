//! A handshake that a peer has begun: [`SynRecord`], at most 128 bytes.

use core::net::SocketAddr;

use super::Place;
use crate::tcp::TcpConfig;
use crate::tcp::output::Outgoing;
use crate::tcp::receiver::scale_for;
use crate::tcp::tcb::{DEFAULT_MSS, LEAST_MSS};
use crate::tcp::timestamps::clock;
use crate::time::Instant;
use crate::wire::{SeqNumber, TcpFlags, TcpOptions, TcpSegment, TcpTimestamps};

/// What is known of a peer that has sent SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynRecord {
    /// Our address and port.
    pub(crate) local: SocketAddr,
    /// The peer's.
    pub(crate) remote: SocketAddr,
    /// When our answer went first.
    pub(crate) began: Instant,
    /// When it goes again.
    pub(super) due: Instant,
    /// The peer's initial sequence number.
    pub(crate) peer_initial: SeqNumber,
    /// Ours.
    pub(crate) initial: SeqNumber,
    /// The peer's clock, if both sides have one.
    pub(crate) clock: Option<u32>,
    /// Added to our clock.
    pub(crate) clock_offset: u32,
    /// What the peer takes in a segment.
    pub(crate) peer_mss: u16,
    /// What the path takes.
    pub(crate) path_mss: u16,
    /// The peer's window as its SYN said it.
    pub(crate) window: u16,
    /// The window that our answer said.
    pub(crate) offered: u16,
    /// The shift of the peer's window and ours, if both sides scale.
    pub(crate) scales: Option<(u8, u8)>,
    /// Whether both sides have SACK.
    pub(crate) sack: bool,
    /// How often our answer went again.
    pub(crate) tries: u8,
}

const _: () = assert!(size_of::<SynRecord>() <= 128, "a flood of SYN fills many of these");

impl SynRecord {
    /// After the SYN in `segment`.
    pub(super) fn new(
        now: Instant,
        config: &TcpConfig,
        place: &Place,
        segment: &TcpSegment<'_>,
        initial: SeqNumber,
        clock_offset: u32,
    ) -> Self {
        let options = TcpOptions::parse(segment.options);
        let ours = scale_for(place.capacity);
        Self {
            local: place.local,
            remote: place.remote,
            began: now,
            due: now,
            peer_initial: segment.header.sequence(),
            initial,
            clock: options.timestamps.filter(|_| config.timestamps).map(|clock| clock.value),
            clock_offset,
            peer_mss: options.mss.unwrap_or(DEFAULT_MSS).max(LEAST_MSS),
            path_mss: place.mss,
            window: segment.header.window.get(),
            offered: u16::try_from(place.capacity).unwrap_or(u16::MAX),
            scales: options.window_scale.filter(|_| config.window_scaling).map(|theirs| (theirs, ours)),
            sack: options.sack_permitted && config.sack,
            tries: 0,
        }
    }

    /// Our SYN-ACK.
    pub(super) fn answer(&self, now: Instant) -> Outgoing {
        let value = clock(now, self.clock_offset);
        Outgoing {
            sequence: self.initial,
            acknowledgement: self.peer_initial.plus(1),
            flags: TcpFlags::SYN | TcpFlags::ACK,
            window: self.offered,
            options: TcpOptions {
                mss: Some(self.path_mss),
                window_scale: self.scales.map(|(_, ours)| ours),
                sack_permitted: self.sack,
                timestamps: self.clock.map(|echo| TcpTimestamps { value, echo }),
                ..TcpOptions::default()
            },
            data: 0..0,
            segment: 0,
        }
    }

    /// Whether `segment` begins in the window that was offered.
    pub(super) fn takes(&self, segment: &TcpSegment<'_>) -> bool {
        let place = segment.header.sequence().since(self.peer_initial.plus(1));
        (0..=i32::from(self.offered)).contains(&place)
    }
}
