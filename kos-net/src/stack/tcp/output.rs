//! Segments on their way out, and timers.

use core::net::SocketAddr;
use core::ops::Range;

use zerocopy::IntoBytes;

use crate::dev::{FrameChecksum, Gso, GsoKind, Meta, Offloads};
use crate::drop_reason::DropReason;
use crate::ports::{Frame, NetDevice};
use crate::sock::{Socket, Storage};
use crate::stack::{Core, Packet, Pass, Sent};
use crate::tcp::output::Outgoing;
use crate::tcp::ring;
use crate::wire::{Checksum, IpProtocol, MAX_OPTIONS, TcpFields, TcpFlags, TcpHeader};

/// Where the checksum stands in the header.
const CHECKSUM: usize = 16;
const HEADER: usize = size_of::<TcpHeader>();
/// IPv6, TCP and its options.
const LARGEST_HEADERS: usize = 40 + HEADER + MAX_OPTIONS;
/// The most segments of one connection that are cut here before the next has its turn.
const UNIT: usize = 4;

type Frames<F> = heapless::Vec<F, UNIT>;

/// How much of a connection goes at once.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Bytes of data.
    limit: usize,
    /// Whether it is cut into segments here, or by the device.
    cut_here: bool,
}

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Sends for a connection: as much as fits a frame that the device cuts, or else a few segments that are cut here. The frames
    /// are there before the connection says what goes into them: what it has said counts as sent.
    pub(in crate::stack) fn send_segment(&mut self, index: u32) -> Sent {
        let Some(connection) = self.core.connection(index) else { return Sent::Nothing };
        let v4 = connection.local.is_ipv4();
        let unit = self.unit(v4);
        let Some(connection) = self.core.connection(index) else { return Sent::Nothing };
        let (most, segment) = connection.tcb.largest_next(unit.limit);
        let Some(mut frames) = self.lease_unit(v4, unit, most, segment) else { return Sent::Stuck };
        let now = self.core.now;
        let Some(connection) = self.core.connection(index) else { return Sent::Nothing };
        let ends = (connection.local, connection.remote);
        let (tcb, mut buffers) = connection.split();
        let base = tcb.ring_base();
        let limit = if unit.cut_here { segment.saturating_mul(frames.len()) } else { unit.limit };
        let Some(outgoing) = tcb.transmit(now, &mut buffers, u32::try_from(limit).unwrap_or(0)) else {
            self.core.settle(index);
            frames.into_iter().for_each(|frame| self.device.recycle(frame));
            return Sent::Nothing;
        };
        // The ring is lent to the packets, and comes back below.
        let bytes = core::mem::take(&mut connection.memory.send);
        let packets = self.emit_unit(ends, &outgoing, (bytes.as_ref(), base), unit, &mut frames);
        if let Some(connection) = self.core.connection(index) {
            connection.memory.send = bytes;
        }
        frames.into_iter().for_each(|frame| self.device.recycle(frame));
        Sent::Packets(packets)
    }

    /// How much goes at once.
    fn unit(&mut self, v4: bool) -> Unit {
        let capabilities = &self.interface.capabilities;
        let wanted = if v4 { Offloads::GSO_TCP_V4 } else { Offloads::GSO_TCP_V6 };
        let largest = usize::try_from(capabilities.gso_max).unwrap_or(0).min(usize::from(u16::MAX));
        if capabilities.offloads.contains(wanted | Offloads::CHECKSUM_TX)
            && largest > usize::from(capabilities.mtu)
        {
            return Unit { limit: largest - LARGEST_HEADERS, cut_here: false };
        }
        Unit { limit: UNIT * usize::from(capabilities.mtu), cut_here: true }
    }

    /// Frames for up to `most` bytes of data, in segments of up to `segment` bytes if they are cut here.
    fn lease_unit(&mut self, v4: bool, unit: Unit, most: usize, segment: usize) -> Option<Frames<F>> {
        let mut frames = Frames::new();
        let headers = if v4 { 20 } else { 40 } + HEADER + MAX_OPTIONS;
        let mtu = usize::from(self.interface.capabilities.mtu);
        if !unit.cut_here {
            let length = if most > segment { headers + most } else { (headers + most).min(mtu) };
            frames.push(self.lease(length)?).ok()?;
            return Some(frames);
        }
        let count = (most / segment.max(1)).clamp(1, UNIT);
        let length = (headers + most.min(segment)).min(mtu);
        while frames.len() < count && self.has_room_for(frames.len() + 1) {
            match self.lease(length) {
                Some(frame) => frames.push(frame).ok()?,
                None => break,
            }
        }
        (!frames.is_empty()).then_some(frames)
    }

    /// Sends what a connection said, in as many packets as it takes; how many.
    fn emit_unit(
        &mut self,
        ends: (SocketAddr, SocketAddr),
        outgoing: &Outgoing,
        (ring, base): (&[u8], u64),
        unit: Unit,
        frames: &mut Frames<F>,
    ) -> usize {
        let mut packets = 0;
        let segment = if unit.cut_here { u64::from(outgoing.segment.max(1)) } else { u64::MAX };
        let Range { mut start, end } = outgoing.data;
        loop {
            let piece = start..end.min(start.saturating_add(segment));
            let last = piece.end == end;
            let mut packet = Outgoing { data: piece.clone(), ..outgoing.clone() };
            packet.sequence = outgoing.sequence.plus(low(start - outgoing.data.start));
            if !last {
                packet.flags.remove(TcpFlags::PSH | TcpFlags::FIN);
            }
            let sent = self.emit_segment(ends, &packet, ring::held(ring, base, &piece), frames.pop());
            sent.unwrap_or_else(|reason| self.core.stats.unsent.count(reason));
            packets += 1;
            if last {
                return packets;
            }
            start = piece.end;
        }
    }

    /// Sends a segment without data that belongs to no connection.
    pub(super) fn answer_segment(&mut self, ends: (SocketAddr, SocketAddr), outgoing: &Outgoing) {
        if let Err(reason) = self.emit_segment(ends, outgoing, (&[], &[]), None) {
            self.core.stats.unsent.count(reason);
        }
    }

    fn emit_segment(
        &mut self,
        (local, remote): (SocketAddr, SocketAddr),
        outgoing: &Outgoing,
        data: (&[u8], &[u8]),
        leased: Option<F>,
    ) -> Result<(), DropReason> {
        let way = self.core.way(local.ip(), remote.ip()).ok_or(DropReason::NoRoute)?;
        if way.interface != self.interface.id.0 {
            return Err(DropReason::NoRoute);
        }
        let mut options = [0; MAX_OPTIONS];
        let length = outgoing.options.emit(&mut options).unwrap_or(0);
        let options = options.get(..length).unwrap_or_default();
        let fields = TcpFields {
            source: local.port(),
            destination: remote.port(),
            sequence: outgoing.sequence,
            acknowledgement: outgoing.acknowledgement,
            flags: outgoing.flags,
            window: outgoing.window,
        };
        let offloaded = self.interface.capabilities.offloads.contains(Offloads::CHECKSUM_TX);
        let header =
            sealed(TcpHeader::new(&fields, length), (local, remote), &[options, data.0, data.1], offloaded);
        let mut packet = self.packet(local.ip(), remote.ip(), way.next, IpProtocol::TCP);
        packet.cut = false;
        packet.meta = self.transport_meta(&packet, offloaded);
        packet.meta.gso = self.gso(&packet, outgoing, length);
        let parts = [&header, options, data.0, data.1];
        match leased {
            Some(frame) => self.emit_in(&packet, &parts, frame),
            None => self.emit(&packet, &parts),
        }
    }

    /// What the device is told of a segment whose sum it completes.
    fn transport_meta(&self, packet: &Packet, offloaded: bool) -> Meta {
        let ip = if packet.to.is_ipv4() { 20 } else { 40 };
        let link = if self.interface.neighbours.is_some() { 14 } else { 0 };
        let partial = FrameChecksum::Partial { start: link + ip, offset: 16 };
        Meta { checksum: if offloaded { partial } else { FrameChecksum::Whole }, ..Meta::default() }
    }

    /// What the device is told of data that it cuts.
    fn gso(&self, packet: &Packet, outgoing: &Outgoing, options: usize) -> Option<Gso> {
        let length = outgoing.data.end - outgoing.data.start;
        let link = if self.interface.neighbours.is_some() { 14 } else { 0 };
        let (kind, ip) = if packet.to.is_ipv4() { (GsoKind::TcpV4, 20) } else { (GsoKind::TcpV6, 40) };
        let headers = u16::try_from(link + ip + HEADER + options).ok()?;
        (length > u64::from(outgoing.segment)).then_some(Gso { kind, size: outgoing.segment, headers })
    }

    /// Does what connections' timers ask for.
    pub(in crate::stack) fn run_timers(&mut self) {
        let now = self.core.now;
        self.core.sockets.expire_rests(now);
        while let Some(index) = self.core.sockets.next_due(now) {
            match self.core.sockets.at_mut(index) {
                Some(Socket::Tcp(connection)) => {
                    let change = connection.tcb.on_timer(now, connection.memory.sent.as_mut());
                    self.core.tell_change(index, change);
                    self.core.settle(index);
                }
                Some(Socket::Listening(_)) => drop(self.core.schedule(index)),
                _ => {}
            }
        }
    }

    /// Asks a peer again that has not answered and is reached by this interface.
    pub(in crate::stack) fn ask_again(&mut self, index: u32) -> Sent {
        let (now, here, config) = (self.core.now, self.interface.id.0, self.core.config.tcp);
        // The listener is asked about ways while it is borrowed: its records are lent for that time.
        let Some(Socket::Listening(listening)) = self.core.sockets.at_mut(index) else {
            return Sent::Nothing;
        };
        let (mut listener, mut records) = (listening.listener, core::mem::take(&mut listening.records));
        let goes = |local: SocketAddr, remote: SocketAddr| {
            self.core.way(local.ip(), remote.ip()).is_none_or(|way| way.interface == here)
        };
        let again = listener.on_timer(now, &config, records.as_mut(), goes);
        if let Some(Socket::Listening(listening)) = self.core.sockets.at_mut(index) {
            (listening.listener, listening.records) = (listener, records);
        }
        let Some((local, remote, outgoing)) = again else {
            self.core.schedule_listener(index);
            return Sent::Nothing;
        };
        self.answer_segment((local, remote), &outgoing);
        Sent::Packets(1)
    }
}

impl<F, S: Storage<F>> Core<F, S> {
    /// Who is to be asked by a listener again: our place and the peer's.
    fn unanswered(&self, index: u32) -> Option<(SocketAddr, SocketAddr)> {
        match self.sockets.at(index) {
            Some(Socket::Listening(listening)) => {
                listening.listener.unanswered(self.now, listening.records.as_ref())
            }
            _ => None,
        }
    }

    /// Puts a listener that is to ask somebody again on the list of the interface towards it.
    pub(in crate::stack) fn schedule_listener(&mut self, index: u32) -> bool {
        let Some((local, remote)) = self.unanswered(index) else {
            self.sockets.clear_dirty(index);
            let now = self.now;
            let Some(Socket::Listening(listening)) = self.sockets.at_mut(index) else { return false };
            let deadline = listening.listener.rest_until_due(now, listening.records.as_ref());
            self.sockets.arm(index, deadline);
            return false;
        };
        let way = self.way(local.ip(), remote.ip());
        self.sockets.mark_dirty(index, way.map_or(0, |way| way.interface));
        true
    }
}

/// The header with its sum over what follows, or with the part of it that a device starts from.
fn sealed(
    header: TcpHeader,
    (local, remote): (SocketAddr, SocketAddr),
    rest: &[&[u8]],
    offloaded: bool,
) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes.copy_from_slice(header.as_bytes());
    let length = rest.iter().fold(HEADER, |sum, part| sum + part.len());
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let sum = Checksum::of_pseudo_header(local.ip(), remote.ip(), IpProtocol::TCP, length);
    let sum = if offloaded {
        !sum.finish()
    } else {
        rest.iter().fold(sum.and(&bytes), |sum, part| sum.and(part)).finish()
    };
    if let Some(field) = bytes.get_mut(CHECKSUM..CHECKSUM + 2) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// How far apart two places of one unit are: it is shorter than 2^32 bytes.
#[expect(clippy::cast_possible_truncation, reason = "a unit has less than 64 KiB")]
const fn low(distance: u64) -> u32 {
    distance as u32
}
