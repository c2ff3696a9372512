//! An address from a server, and names: [`Leasing`].
//!
//! Messages of DHCP go beside the stack: there is no address yet to send them from.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;

use kos_net::SocketId;
use kos_net::link::InterfaceId;
use kos_net::services::dhcp::{CLIENT_PORT, DhcpClient, DhcpConfig, DhcpTransmit, Lease, SERVER_PORT};
use kos_net::services::dns::{DnsClient, Over};
use kos_net::time::Instant;
use kos_net::wire::dns::DnsType;
use kos_net::wire::{EtherType, EthernetHeader, IpProtocol, Ipv4Header, MacAddr, UdpHeader};
use zerocopy::IntoBytes as _;

use super::tap::Tap;
use super::{HostEntropy, HostStack, say};

pub(super) struct Leasing {
    client: DhcpClient<'static>,
    mac: MacAddr,
    address: Option<Ipv4Addr>,
    name: Option<String>,
    dns: DnsClient<4, 8>,
    /// Sockets of questions, with their ports.
    asked: Vec<(SocketId, u16)>,
    queries: Vec<kos_net::services::dns::QueryId>,
}

impl Leasing {
    pub(super) fn new(now: Instant, mac: MacAddr, name: Option<String>) -> Self {
        let config = DhcpConfig { mac, previous: None, host_name: b"kos" };
        let client = DhcpClient::new(now, config);
        Self {
            client,
            mac,
            address: None,
            name,
            dns: DnsClient::new(),
            asked: Vec::new(),
            queries: Vec::new(),
        }
    }

    pub(super) fn poll_at(&self, now: Instant) -> Option<Instant> {
        self.client.poll_at().into_iter().chain(self.dns.poll_at(now)).min()
    }

    pub(super) fn run(
        &mut self,
        now: Instant,
        stack: &mut HostStack,
        interface: InterfaceId,
        tap: &mut Tap,
    ) -> io::Result<()> {
        while let Some(message) = tap.leases.pop_front() {
            if let Err(reason) = self.client.on_message(now, &message) {
                eprintln!("DHCP: {reason}");
            }
        }
        self.send(now, tap)?;
        if self.client.take_change() {
            self.apply(stack, interface);
            self.ask(now);
        }
        self.resolve(now, stack)
    }

    fn send(&mut self, now: Instant, tap: &mut Tap) -> io::Result<()> {
        let mut out = [0; 600];
        while let Some(sent) = self.client.poll(now, &mut HostEntropy, &mut out).map_err(io::Error::other)? {
            tap.send(&self.frame(&sent, out.get(..sent.length).unwrap_or_default())?)?;
        }
        Ok(())
    }

    /// A message on its way: to all on the link, for the address of the server's adapter is the stack's to know.
    fn frame(&self, sent: &DhcpTransmit, message: &[u8]) -> io::Result<Vec<u8>> {
        let (from, to) = ((sent.from.into(), CLIENT_PORT), (sent.to.into(), SERVER_PORT));
        let too_long = || io::Error::from(io::ErrorKind::InvalidData);
        let udp = UdpHeader::new(from, to, message).ok_or_else(too_long)?;
        let length = size_of::<UdpHeader>() + message.len();
        let ip = Ipv4Header::new(sent.from, sent.to, IpProtocol::UDP, 64, length).ok_or_else(too_long)?;
        let ethernet = EthernetHeader {
            destination: MacAddr::BROADCAST,
            source: self.mac,
            ether_type: EtherType::IPV4.0.into(),
        };
        Ok([ethernet.as_bytes(), ip.as_bytes(), udp.as_bytes(), message].concat())
    }

    /// Takes what the lease says, or gives up what it said.
    fn apply(&mut self, stack: &mut HostStack, interface: InterfaceId) {
        if let Some(before) = self.address.take() {
            stack.remove_address(interface, before.into());
        }
        let Some(lease) = self.client.lease() else { return say(format_args!("no lease")) };
        if let Err(error) = stack.add_address(interface, lease.address.into(), lease.prefix) {
            return eprintln!("{}: {error}", lease.address);
        }
        self.address = Some(lease.address);
        for route in lease.routes.iter().filter(|route| route.bits == 0) {
            if let Err(error) = stack.set_gateway(interface, route.router.into()) {
                eprintln!("{}: {error}", route.router);
            }
        }
        let Lease { address, prefix, server, name_servers, .. } = lease;
        say(format_args!("lease {address}/{prefix} from {server}, name servers {name_servers:?}"));
        self.dns.set_servers(name_servers.iter().map(|&server| IpAddr::V4(server)));
    }

    fn ask(&mut self, now: Instant) {
        let Some(name) = self.name.as_deref().filter(|_| self.address.is_some()) else { return };
        for kind in [DnsType::A, DnsType::AAAA] {
            match self.dns.resolve(now, name, kind) {
                Ok(query) => self.queries.push(query),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
        self.name = None;
    }

    fn resolve(&mut self, now: Instant, stack: &mut HostStack) -> io::Result<()> {
        for &(socket, port) in &self.asked {
            while let Ok((from, bytes)) = stack.udp_receive(socket, |envelope, bytes| {
                (SocketAddr::new(envelope.remote, envelope.port), bytes.to_vec())
            }) {
                if let Err(reason) = self.dns.on_message(now, from, port, &bytes) {
                    eprintln!("DNS: {reason}");
                }
            }
        }
        let mut out = [0; 320];
        while let Some(sent) = self.dns.poll(now, &mut HostEntropy, &mut out).map_err(io::Error::other)? {
            let Over::Udp { port } = sent.over else {
                let _late = self.dns.on_tcp(now, sent.query, None); // This host asks over UDP only.
                continue;
            };
            let local = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
            let socket = stack.udp_bind(local, &mut HostEntropy).map_err(io::Error::other)?;
            let question = out.get(..sent.length).unwrap_or_default();
            stack.udp_send(socket, Some(sent.to), question).map_err(io::Error::other)?;
            self.asked.push((socket, port));
        }
        let dns = &mut self.dns;
        self.queries.retain(|&query| match dns.answer(query) {
            None => true,
            Some(Ok(answer)) => {
                answer.addresses().for_each(|address| say(format_args!("address {address}")));
                false
            }
            Some(Err(error)) => {
                say(format_args!("no address: {error}"));
                false
            }
        });
        if self.queries.is_empty() {
            for (socket, _) in self.asked.drain(..) {
                stack.close(socket);
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, now: Instant, tap: &mut Tap) -> io::Result<()> {
        self.client.release(now);
        self.send(now, tap)
    }
}
