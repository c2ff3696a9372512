//! A segment as the connection sees it: [`Arrived`].

use crate::wire::{SeqNumber, TcpFlags, TcpOptions, TcpSegment};

/// A segment with its options read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) sequence: SeqNumber,
    /// What it acknowledges, if it does.
    pub(super) ack: Option<SeqNumber>,
    pub(super) flags: TcpFlags,
    /// As on the wire, before scaling.
    pub(super) window: u16,
    pub(super) options: TcpOptions,
    pub(super) data: &'a [u8],
    /// How many places it takes.
    pub(super) length: u32,
}

impl<'a> Arrived<'a> {
    pub(super) fn new(segment: &TcpSegment<'a>) -> Self {
        let flags = segment.header.flags();
        let ack = segment.header.acknowledgement();
        Self {
            sequence: segment.header.sequence(),
            ack: flags.contains(TcpFlags::ACK).then_some(ack),
            flags,
            window: segment.header.window.get(),
            options: TcpOptions::parse(segment.options),
            data: segment.data,
            length: segment.sequence_length(),
        }
    }

    pub(super) const fn syn(&self) -> bool {
        self.flags.contains(TcpFlags::SYN)
    }

    pub(super) const fn rst(&self) -> bool {
        self.flags.contains(TcpFlags::RST)
    }

    pub(super) const fn fin(&self) -> bool {
        self.flags.contains(TcpFlags::FIN)
    }
}
