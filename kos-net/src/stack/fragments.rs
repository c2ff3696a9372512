//! Datagrams that come in pieces, between the wire and [`Reassembly`](crate::ip::Reassembly).
//!
//! What was put together goes on up as if it had come whole; an error about it quotes its header anew.

use core::net::IpAddr;

use zerocopy::IntoBytes as _;

use super::Pass;
use super::input::{Arrival, Cast, Taken};
use crate::drop_reason::DropReason;
use crate::ip::reassembly::{Datagram, FragmentError};
use crate::ip::{DatagramKey, Fragment};
use crate::ports::{Frame, NetDevice};
use crate::sock::Storage;
use crate::wire::{FragmentPlace, Ipv4Header, Ipv6Chain, Ipv6Header, Ipv6Packet, Problem};

/// As much of one as an error quotes.
const QUOTED: usize = 1280;

impl<F: Frame, S: Storage<F>, D: NetDevice<Frame = F>> Pass<'_, F, S, D> {
    /// Takes a piece of a datagram; the last one brings it to its protocol. `place_at` is where the packet says which part it is.
    pub(super) fn piece_in(
        &mut self,
        arrival: &Arrival<'_>,
        identification: u32,
        place: FragmentPlace,
        place_at: u32,
    ) -> Result<Taken, DropReason> {
        let mut pieces = self.core.reassembly.take().ok_or(DropReason::ReassemblyFull)?;
        let protocol = if arrival.from.is_ipv4() { arrival.protocol.0 } else { 0 };
        let key = DatagramKey { source: arrival.from, destination: arrival.to, identification, protocol };
        let fragment = Fragment { place, protocol: arrival.protocol, payload: arrival.payload };
        let taken = match pieces.insert(self.core.now, key, fragment) {
            Ok(None) => Ok(Taken::Consumed),
            Ok(Some(whole)) => {
                self.core.stats.reassembled += 1;
                self.whole_in(arrival, &whole)
            }
            Err(error) => {
                self.answer_fragment(arrival, &error, place_at);
                Err(error.drop_reason())
            }
        };
        self.core.reassembly = Some(pieces);
        taken
    }

    fn answer_fragment(&mut self, arrival: &Arrival<'_>, error: &FragmentError, place_at: u32) {
        /// Where IPv6 says how long its payload is.
        const LENGTH_AT: u32 = 4;
        let pointer = match error {
            FragmentError::Unaligned { .. } => LENGTH_AT,
            FragmentError::BeyondLargest { .. } => place_at,
            _ => return,
        };
        if arrival.from.is_ipv6() {
            self.answer_problem(arrival, Problem::Field, pointer, false);
        }
    }

    fn whole_in(&mut self, arrival: &Arrival<'_>, whole: &Datagram<'_>) -> Result<Taken, DropReason> {
        let mut quoted = [0; QUOTED];
        let length = quote(arrival, whole, &mut quoted);
        let packet = quoted.get(..length).unwrap_or_default();
        let Datagram { protocol, payload } = *whole;
        let whole = Arrival { protocol, payload, packet, cut: true, checked: false, ..*arrival };
        let (IpAddr::V6(from), IpAddr::V6(to)) = (arrival.from, arrival.to) else {
            return self.transport_in(&whole);
        };
        // What was cut may start with further headers.
        let header = Ipv6Header::new(from, to, protocol, arrival.hop_limit, payload.len());
        let header = header.ok_or(DropReason::BadFragment)?;
        let chain = Ipv6Chain::follow(&Ipv6Packet { header: &header, payload });
        let chain = chain.map_err(|_| DropReason::UnknownOption)?;
        if chain.fragment.is_some() {
            return Err(DropReason::BadFragment);
        }
        self.transport_in(&Arrival { protocol: chain.protocol, payload: chain.payload, ..whole })
    }

    /// Gives up what was waited for too long. Its sender is told by the interface that leads to him.
    pub(super) fn expire_pieces(&mut self) {
        let Some(mut pieces) = self.core.reassembly.take() else { return };
        while let Some(key) = pieces.due(self.core.now) {
            let way = self.core.way(key.destination, key.source);
            if way.is_some_and(|way| way.interface != self.interface.id.0) || !self.has_room() {
                break;
            }
            let Some(expired) = pieces.expire(self.core.now) else { break };
            self.core.stats.reassembly_timeouts += 1;
            if let Some((protocol, payload)) = expired.start {
                self.tell_expired(&key, &Datagram { protocol, payload });
            }
        }
        self.core.reassembly = Some(pieces);
    }

    fn tell_expired(&mut self, key: &DatagramKey, start: &Datagram<'_>) {
        let arrival = Arrival {
            from: key.source,
            to: key.destination,
            protocol: start.protocol,
            hop_limit: 1,
            cast: if self.core.is_ours(None, key.destination) { Cast::One } else { Cast::Group },
            checked: false,
            cut: true,
            packet: &[],
            payload: &[],
        };
        let mut quoted = [0; QUOTED];
        let length = quote(&arrival, start, &mut quoted);
        let packet = quoted.get(..length).unwrap_or_default();
        self.answer_time_exceeded(&Arrival { packet, ..arrival });
    }
}

/// Writes a header of the datagram and its start, as an error quotes them; says how many bytes that is.
fn quote(arrival: &Arrival<'_>, whole: &Datagram<'_>, out: &mut [u8]) -> usize {
    let length = whole.payload.len();
    match (arrival.from, arrival.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(from, to, whole.protocol, arrival.hop_limit, length);
            header.map_or(0, |header| fill(out, [header.as_bytes(), whole.payload]))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header::new(from, to, whole.protocol, arrival.hop_limit, length);
            header.map_or(0, |header| fill(out, [header.as_bytes(), whole.payload]))
        }
        _ => 0,
    }
}

/// As much of `parts` as there is room for.
fn fill(out: &mut [u8], parts: [&[u8]; 2]) -> usize {
    let bytes = parts.into_iter().flatten();
    out.iter_mut().zip(bytes).map(|(here, &byte)| *here = byte).count()
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::{IpAddr, SocketAddr};

    use zerocopy::IntoBytes as _;

    use crate::DropReason;
    use crate::sock::{Envelope, SocketId};
    use crate::testing::link::LinkConfig;
    use crate::testing::world::{HostId, LinkId, World};
    use crate::time::Duration;
    use crate::wire::{
        FRAGMENTATION_NEEDED, Icmpv4Message, Icmpv6Message, IpProtocol, Ipv4Header, Ipv6Header, UdpHeader,
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn families() -> [(IpAddr, IpAddr); 2] {
        let v6 = |last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
        [([10, 0, 0, 1].into(), [10, 0, 0, 2].into()), (v6(1), v6(2))]
    }

    fn world() -> (World, HostId, HostId) {
        World::pair(11, LinkConfig::perfect(Duration::from_millis(1)))
    }

    /// Sends an echo request of that many bytes, and says whether it came back whole within a second.
    fn ping(world: &mut World, from: HostId, id: SocketId, to: IpAddr, length: usize) -> bool {
        let data: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        world.host(from).stack.ping_send(id, to, 7, &data).unwrap();
        let mut answer = None;
        world.run(SECOND, |world| {
            let read = |_: &Envelope, data: &[u8]| data.to_vec();
            answer = world.host(from).stack.ping_receive(id, read).ok();
            answer.is_some()
        });
        answer == Some(data)
    }

    fn bind(world: &mut World, host: HostId, place: (IpAddr, u16)) -> SocketId {
        let host = world.host(host);
        host.stack.udp_bind(place.into(), &mut host.entropy).unwrap()
    }

    fn received(world: &mut World, host: HostId, id: SocketId) -> Option<Vec<u8>> {
        world.run(SECOND, |_| false);
        world.host(host).stack.udp_receive(id, |_, data: &[u8]| data.to_vec()).ok()
    }

    #[test]
    fn the_largest_ping_comes_back() {
        for (here, there) in families() {
            let (mut world, a, b) = world();
            let host = world.host(a);
            let id = host.stack.ping_open(here, &mut host.entropy).unwrap();
            assert!(ping(&mut world, a, id, there, 56));
            for length in [1473, 9000, 65_507] {
                assert!(ping(&mut world, a, id, there, length), "{length} bytes to {there}");
            }
            let stats = world.host(b).stack.stats();
            // What is told to routers is dropped here.
            let others = stats.dropped.total() - stats.dropped[DropReason::OtherHost];
            assert_eq!((stats.reassembled, others), (3, 0));
        }
    }

    /// Half of the pieces are lost: nothing is handed out, and after a minute the sender is told.
    #[test]
    fn a_datagram_with_holes_is_given_up_after_a_minute() {
        for (here, there) in families() {
            let (mut world, a, b) = world();
            let (client, server) = (bind(&mut world, a, (here, 5)), bind(&mut world, b, (there, 7)));
            let to = Some(SocketAddr::new(there, 7));
            world.host(a).stack.udp_send(client, to, b"hello").unwrap();
            assert_eq!(received(&mut world, b, server).as_deref(), Some(&b"hello"[..]));
            let perfect = LinkConfig::perfect(Duration::from_millis(1));
            world.change(LinkId::first(), LinkConfig { loss: 500_000, ..perfect });
            world.host(a).stack.udp_send(client, to, &vec![1; 20_000]).unwrap();
            assert_eq!(received(&mut world, b, server), None);
            world.change(LinkId::first(), perfect);
            world.run(Duration::from_secs(58), |_| false);
            assert_eq!(world.host(b).stack.stats().reassembly_timeouts, 0);
            world.run(Duration::from_secs(2), |_| false);
            assert_eq!(world.host(b).stack.stats().reassembly_timeouts, 1);
            assert_eq!(world.host(b).stack.poll_at(), None);
        }
    }

    /// What a router says that a packet of `from` was too large for `mtu`, about a datagram between these ports.
    fn too_big(from: IpAddr, to: IpAddr, ports: (u16, u16), mtu: u16) -> (IpProtocol, Vec<u8>) {
        let udp = UdpHeader::new((from, ports.0), (to, ports.1), &[0; 1400]).unwrap();
        let mut out = [0; 128];
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = Ipv4Header::new(from, to, IpProtocol::UDP, 64, 1408).unwrap();
                let quoted = [header.as_bytes(), udp.as_bytes()].concat();
                let message = Icmpv4Message::Unreachable { code: FRAGMENTATION_NEEDED, mtu, quoted: &quoted };
                let length = message.emit(&mut out).unwrap();
                (IpProtocol::ICMP, out[..length].to_vec())
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let header = Ipv6Header::new(from, to, IpProtocol::UDP, 64, 1408).unwrap();
                let quoted = [header.as_bytes(), udp.as_bytes()].concat();
                let message = Icmpv6Message::TooBig { mtu: mtu.into(), quoted: &quoted };
                let length = message.emit(to, from, &mut out).unwrap();
                (IpProtocol::ICMPV6, out[..length].to_vec())
            }
            _ => panic!("two families"),
        }
    }

    #[test]
    fn a_narrower_path_is_believed_if_a_socket_sent_what_is_quoted() {
        for (here, there) in families() {
            let (mut world, a, b) = world();
            let (client, server) = (bind(&mut world, a, (here, 5)), bind(&mut world, b, (there, 7)));
            world.host(a).stack.udp_connect(client, SocketAddr::new(there, 7)).unwrap();
            let mut pieces = Vec::new();
            for (round, ports) in [(5, 7), (6, 7), (5, 7)].into_iter().enumerate() {
                let (protocol, message) = too_big(here, there, ports, 1300);
                let host = world.host(b);
                let raw = host.stack.raw_open(protocol, there, &mut host.entropy).unwrap();
                if round > 0 {
                    host.stack.raw_send(raw, protocol, here, &message).unwrap();
                }
                world.run(SECOND, |_| false);
                world.host(b).stack.close(raw);
                let _refused = world.host(a).stack.udp_receive(client, |_, _| ());
                world.host(a).stack.udp_send(client, None, &[9; 1400]).unwrap();
                assert_eq!(received(&mut world, b, server), Some(vec![9; 1400]));
                pieces.push(world.host(a).stack.stats().fragments_out);
            }
            assert_eq!(pieces, [0, 0, 2], "{there}: nobody sent from port 6");
        }
    }

    #[test]
    fn no_more_errors_go_out_than_a_bucket_holds() {
        for (here, there) in families() {
            let (mut world, a, b) = world();
            let client = bind(&mut world, a, (here, 5));
            let server = bind(&mut world, b, (there, 7));
            world.host(a).stack.udp_send(client, Some(SocketAddr::new(there, 7)), b"hello").unwrap();
            assert!(received(&mut world, b, server).is_some());
            for port in 1000..1100 {
                world.host(a).stack.udp_send(client, Some(SocketAddr::new(there, port)), b"?").unwrap();
            }
            world.run(Duration::from_millis(50), |_| false);
            let stats = world.host(b).stack.stats();
            assert_eq!((stats.icmp_errors_out, stats.unsent[DropReason::RateLimited]), (6, 94));
        }
    }

    /// RFC 6583, with a whole stack: a scan of the subnet leaves the neighbour that answers.
    #[test]
    fn a_scan_of_the_subnet_leaves_the_neighbour_that_answers() {
        for (here, there) in families() {
            let (mut world, a, b) = world();
            let (client, server) = (bind(&mut world, a, (here, 5)), bind(&mut world, b, (there, 7)));
            let to = Some(SocketAddr::new(there, 7));
            world.host(a).stack.udp_send(client, to, b"hello").unwrap();
            assert!(received(&mut world, b, server).is_some());
            for host in 10..=250 {
                let nobody = match here {
                    IpAddr::V4(_) => IpAddr::from([10, 0, 0, host]),
                    IpAddr::V6(_) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)]),
                };
                world.host(a).stack.udp_send(client, Some(SocketAddr::new(nobody, 7)), b"?").unwrap();
                world.run(Duration::from_millis(1), |_| false);
            }
            world.host(a).stack.udp_send(client, to, b"again").unwrap();
            world.run(Duration::from_millis(2), |_| false);
            let again = world.host(b).stack.udp_receive(server, |_, data: &[u8]| data.to_vec());
            assert_eq!(again.as_deref(), Ok(&b"again"[..]), "at once, without a question");
        }
    }
}
