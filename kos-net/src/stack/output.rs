//! Packets on their way out: [`Packet`], put into frames, whole or in pieces.
//!
//! Source: RFC 791 section 2.3, RFC 8200 section 4.5; RFC 6864: what is not cut has the identification 0.

use core::net::{IpAddr, Ipv6Addr};

use zerocopy::IntoBytes;
use zerocopy::network_endian::U16;

use super::Pass;
use crate::dev::{Medium, Meta};
use crate::drop_reason::DropReason;
use crate::ip::Pieces;
use crate::link::neighbour::{Hop, Sending};
use crate::ports::{Frame, NetDevice};
use crate::sock::Storage;
use crate::wire::{
    EtherType, EthernetHeader, FragmentHeader, FragmentPlace, IpProtocol, Ipv4Header, Ipv6Header, MacAddr,
};

const ETHERNET: usize = size_of::<EthernetHeader>();
const V4: usize = size_of::<Ipv4Header>();
const V6: usize = size_of::<Ipv6Header>();
const FRAGMENT: usize = size_of::<FragmentHeader>();

/// A packet to send by the interface at hand; its payload is handed over beside it, in pieces that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// The neighbour, group or broadcast address that it goes to first.
    pub(crate) next: IpAddr,
    pub(crate) protocol: IpProtocol,
    pub(crate) hop_limit: u8,
    /// Whether it may be cut.
    pub(crate) cut: bool,
    pub(crate) meta: Meta,
}

/// One piece of a packet: `length` bytes of the payload from `start` on.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    length: usize,
    /// Its identification and place, if it is not the whole.
    fragment: Option<(u32, FragmentPlace)>,
}

/// Fills `out` with what stands in `parts` from `skip` on.
fn gather(parts: &[&[u8]], mut skip: usize, mut out: &mut [u8]) {
    for part in parts {
        let from = part.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(part.len());
        let count = from.len().min(out.len());
        let (here, rest) = out.split_at_mut_checked(count).unwrap_or_default();
        here.copy_from_slice(from.get(..count).unwrap_or_default());
        out = rest;
    }
}

/// Puts `value` at the front of `out`, and returns the rest.
fn put<'o>(out: &'o mut [u8], value: &[u8]) -> Option<&'o mut [u8]> {
    let (here, rest) = out.split_at_mut_checked(value.len())?;
    here.copy_from_slice(value);
    Some(rest)
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Sends a packet, in pieces if it is too large for the link and may be cut.
    ///
    /// # Errors
    /// Why it does not go out. [`DropReason::DeviceFull`] passes: the same call later may succeed.
    pub(crate) fn emit(&mut self, packet: &Packet, parts: &[&[u8]]) -> Result<(), DropReason> {
        let length = parts.iter().map(|part| part.len()).sum();
        let header = if packet.to.is_ipv4() { V4 } else { V6 };
        let link = u32::from(self.interface.capabilities.mtu);
        let path = self.core.paths.get(self.core.now, packet.to);
        let mtu = path.map_or(link, |path| path.mtu.min(link));
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        if header + length <= mtu || packet.meta.gso.is_some() {
            return self.emit_piece(packet, parts, Piece { start: 0, length, fragment: None }, None);
        }
        if !packet.cut {
            return Err(DropReason::TooBig);
        }
        let overhead = if packet.to.is_ipv4() { header } else { header + FRAGMENT };
        let pieces = Pieces::new(length, overhead, mtu).ok_or(DropReason::TooBig)?;
        self.emit_pieces(packet, parts, pieces)
    }

    fn emit_pieces(&mut self, packet: &Packet, parts: &[&[u8]], pieces: Pieces) -> Result<(), DropReason> {
        // All or none, as far as a batch goes: a datagram of which a piece is missing is of no use to anybody.
        self.flush();
        let out = self.interface.out();
        if out.room() < pieces.clone().count().min(out.room() + out.len()) {
            return Err(DropReason::DeviceFull);
        }
        let identification = self.core.identifications.next(packet.from, packet.to, packet.protocol);
        for (place, bytes) in pieces {
            let fragment = Some((identification, place));
            let piece = Piece { start: bytes.start, length: bytes.len(), fragment };
            self.emit_piece(packet, parts, piece, None)?;
            self.core.stats.fragments_out += 1;
        }
        Ok(())
    }

    /// A frame for an IP packet of up to `length` bytes.
    pub(super) fn lease(&mut self, length: usize) -> Option<F> {
        let link = if self.interface.capabilities.medium == Medium::Ethernet { ETHERNET } else { 0 };
        if self.has_room() { self.device.lease(link + length) } else { None }
    }

    /// Sends a packet that is not too large, in a frame that was leased for it.
    pub(super) fn emit_in(&mut self, packet: &Packet, parts: &[&[u8]], frame: F) -> Result<(), DropReason> {
        let length = parts.iter().map(|part| part.len()).sum();
        self.emit_piece(packet, parts, Piece { start: 0, length, fragment: None }, Some(frame))
    }

    fn emit_piece(
        &mut self,
        packet: &Packet,
        parts: &[&[u8]],
        piece: Piece,
        leased: Option<F>,
    ) -> Result<(), DropReason> {
        if !self.has_room() {
            return Err(DropReason::DeviceFull);
        }
        let ethernet = self.interface.capabilities.medium == Medium::Ethernet;
        let ip = match (packet.to, piece.fragment) {
            (IpAddr::V4(_), _) => V4,
            (IpAddr::V6(_), None) => V6,
            (IpAddr::V6(_), Some(_)) => V6 + FRAGMENT,
        };
        let link = if ethernet { ETHERNET } else { 0 };
        let total = link + ip + piece.length;
        let mut frame = leased.or_else(|| self.device.lease(total)).ok_or(DropReason::DeviceFull)?;
        frame.truncate(total);
        if frame.bytes().len() < total {
            return Err(DropReason::DeviceFull);
        }
        let room = frame.bytes_mut().get_mut(link..).unwrap_or_default();
        let room = write_header(packet, piece, room).ok_or(DropReason::TooBig)?;
        gather(parts, piece.start, room);
        *frame.meta_mut() = packet.meta;
        self.dispatch(packet, frame)
    }

    /// Sends a frame that lacks nothing but its link header.
    fn dispatch(&mut self, packet: &Packet, frame: F) -> Result<(), DropReason> {
        let (mac, frame) = match (group(packet.next), &mut self.interface.neighbours) {
            (_, None) => {
                self.push(frame);
                return Ok(());
            }
            (Some(mac), _) => (mac, frame),
            (None, _) if self.core.is_broadcast(self.interface.id.0, packet.next) => {
                (MacAddr::BROADCAST, frame)
            }
            (None, Some(neighbours)) => {
                let hop = Hop { interface: self.interface.id, address: packet.next };
                match neighbours.send(self.core.now, hop, frame) {
                    Sending::To(mac, frame) => (mac, frame),
                    Sending::Queued { dropped } => {
                        for _ in 0..dropped {
                            self.core.stats.unsent.count(DropReason::NeighborQueueFull);
                        }
                        return Ok(());
                    }
                    Sending::Unreachable(_) => return Err(DropReason::NeighborUnreachable),
                }
            }
        };
        self.address(frame, mac, if packet.to.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 });
        Ok(())
    }

    /// Completes the link header, and sends.
    pub(super) fn address(&mut self, mut frame: F, destination: MacAddr, ether_type: EtherType) {
        let header =
            EthernetHeader { destination, source: self.interface.mac, ether_type: U16::new(ether_type.0) };
        put(frame.bytes_mut(), header.as_bytes());
        self.push(frame);
    }

    /// Hands a frame on; the caller has seen that there is room.
    fn push(&mut self, frame: F) {
        self.core.stats.frames_out += 1;
        self.core.stats.bytes_out += frame.bytes().len() as u64;
        if self.interface.out().push(frame).is_err() {
            self.core.stats.unsent.count(DropReason::DeviceFull);
        }
    }

    /// A frame of the link itself: its header, and `payload`.
    pub(super) fn emit_link(&mut self, destination: MacAddr, ether_type: EtherType, payload: &[u8]) {
        let total = ETHERNET + payload.len();
        let frame = if self.has_room() { self.device.lease(total) } else { None };
        let Some(mut frame) = frame.filter(|frame| frame.bytes().len() >= total) else {
            self.core.stats.unsent.count(DropReason::DeviceFull);
            return;
        };
        frame.truncate(total);
        *frame.meta_mut() = Meta::default();
        put(frame.bytes_mut().get_mut(ETHERNET..).unwrap_or_default(), payload);
        self.address(frame, destination, ether_type);
    }

    /// Sends what nobody waits for: an answer of the stack itself. One that does not go out is counted.
    pub(super) fn emit_own(&mut self, packet: &Packet, parts: &[&[u8]]) {
        if let Err(reason) = self.emit(packet, parts) {
            self.core.stats.unsent.count(reason);
        }
    }
}

/// The link address of a group.
fn group(address: IpAddr) -> Option<MacAddr> {
    match address {
        IpAddr::V4(address) if address.is_multicast() => Some(MacAddr::of_group_v4(address)),
        IpAddr::V6(address) if address.is_multicast() => Some(MacAddr::of_group_v6(address)),
        _ => None,
    }
}

/// Writes the header of IP; what follows is the room for the payload.
fn write_header<'o>(packet: &Packet, piece: Piece, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
    match (packet.from, packet.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(from, to, packet.protocol, packet.hop_limit, piece.length)?;
            let header = match piece.fragment {
                // 16 bits of it suffice: they are told apart for a minute.
                Some((identification, place)) => header.fragment((identification & 0xffff) as u16, place),
                None => header,
            };
            put(out, header.as_bytes())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => write_v6((from, to), packet, piece, out),
        _ => None,
    }
}

fn write_v6<'o>(
    (from, to): (Ipv6Addr, Ipv6Addr),
    packet: &Packet,
    piece: Piece,
    out: &'o mut [u8],
) -> Option<&'o mut [u8]> {
    let Some((identification, place)) = piece.fragment else {
        let header = Ipv6Header::new(from, to, packet.protocol, packet.hop_limit, piece.length)?;
        return put(out, header.as_bytes());
    };
    let length = piece.length + FRAGMENT;
    let header = Ipv6Header::new(from, to, IpProtocol::FRAGMENT, packet.hop_limit, length)?;
    let rest = put(out, header.as_bytes())?;
    put(rest, FragmentHeader::new(packet.protocol, identification, place).as_bytes())
}
