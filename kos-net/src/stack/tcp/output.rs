//! Segments on their way out, and timers.

use core::net::SocketAddr;

use zerocopy::IntoBytes;

use crate::dev::{FrameChecksum, Meta, Offloads};
use crate::drop_reason::DropReason;
use crate::ports::{Frame, NetDevice};
use crate::sock::{Socket, Storage};
use crate::stack::{Packet, Pass, Sent};
use crate::tcp::output::Outgoing;
use crate::tcp::ring;
use crate::wire::{Checksum, IpProtocol, MAX_OPTIONS, TcpFields, TcpHeader};

/// Where the checksum stands in the header.
const CHECKSUM: usize = 16;
const HEADER: usize = size_of::<TcpHeader>();

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Sends one segment of a connection. The frame is there before the connection says what goes into it: what it has said
    /// counts as sent.
    pub(in crate::stack) fn send_segment(&mut self, index: u32) -> Sent {
        let largest = usize::from(self.interface.capabilities.mtu);
        let Some(frame) = self.lease(largest) else { return Sent::Stuck };
        let now = self.core.now;
        let Some(connection) = self.core.connection(index) else { return Sent::Nothing };
        let ends = (connection.local, connection.remote);
        let (tcb, mut buffers) = connection.split();
        let Some(outgoing) = tcb.transmit(now, &mut buffers, 0) else {
            self.core.settle(index);
            return Sent::Nothing;
        };
        // The ring is lent to the packet, and comes back below.
        let bytes = core::mem::take(&mut connection.memory.send);
        let data = ring::held(bytes.as_ref(), &outgoing.data);
        if let Err(reason) = self.emit_segment(ends, &outgoing, data, Some(frame)) {
            self.core.stats.unsent.count(reason);
        }
        if let Some(connection) = self.core.connection(index) {
            connection.memory.send = bytes;
        }
        Sent::Packet
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

    /// Does what connections' timers ask for.
    pub(in crate::stack) fn run_timers(&mut self) {
        let now = self.core.now;
        while let Some(index) = self.core.sockets.next_due(now) {
            match self.core.sockets.at_mut(index) {
                Some(Socket::Tcp(connection)) => {
                    let change = connection.tcb.on_timer(now, connection.memory.sent.as_mut());
                    self.core.tell_change(index, change);
                    self.core.settle(index);
                }
                Some(Socket::Listening(_)) => self.run_listener(index),
                Some(Socket::Rest(_)) => drop(self.core.sockets.remove(index)),
                _ => {}
            }
        }
    }

    /// Sends again what peers have not answered.
    fn run_listener(&mut self, index: u32) {
        let now = self.core.now;
        while let Some(Socket::Listening(listening)) = self.core.sockets.at_mut(index) {
            let records = listening.records.as_mut();
            let Some((local, remote, outgoing)) =
                listening.listener.on_timer(now, &self.core.config.tcp, records)
            else {
                let deadline = listening.listener.deadline();
                self.core.sockets.arm(index, deadline);
                return;
            };
            self.answer_segment((local, remote), &outgoing);
        }
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
