//! An address from a server, and names: [`Leasing`].

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;

use kos_net::SocketId;
use kos_net::link::InterfaceId;
use kos_net::services::dhcp::{CLIENT_PORT, DhcpClient, DhcpConfig, Lease, SERVER_PORT};
use kos_net::services::dns::{DnsClient, Over, QueryId, SERVER_PORT as DNS_PORT};
use kos_net::time::Instant;
use kos_net::wire::MacAddr;
use kos_net::wire::dns::DnsType;

use super::{HostEntropy, HostStack, say};

pub(super) struct Leasing {
    client: DhcpClient<'static>,
    socket: SocketId,
    address: Option<Ipv4Addr>,
    router: Option<IpAddr>,
    name: Option<String>,
    dns: DnsClient<4, 8>,
    /// Sockets of questions, with their ports.
    asked: Vec<(SocketId, u16)>,
    queries: Vec<QueryId>,
}

impl Leasing {
    pub(super) fn new(
        now: Instant,
        mac: MacAddr,
        name: Option<String>,
        stack: &mut HostStack,
    ) -> io::Result<Self> {
        let local = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), CLIENT_PORT);
        let socket = stack.udp_bind(local, &mut HostEntropy).map_err(io::Error::other)?;
        let config = DhcpConfig { mac, previous: None, host_name: b"kos" };
        let client = DhcpClient::new(now, config);
        Ok(Self {
            client,
            socket,
            address: None,
            router: None,
            name,
            dns: DnsClient::new(),
            asked: Vec::new(),
            queries: Vec::new(),
        })
    }

    pub(super) fn poll_at(&self, now: Instant) -> Option<Instant> {
        self.client.poll_at().into_iter().chain(self.dns.poll_at(now)).min()
    }

    pub(super) fn run(
        &mut self,
        now: Instant,
        stack: &mut HostStack,
        interface: InterfaceId,
    ) -> io::Result<()> {
        let client = &mut self.client;
        while let Ok(heard) = stack.udp_receive(self.socket, |_, message| client.on_message(now, message)) {
            if let Err(reason) = heard {
                eprintln!("DHCP: {reason}");
            }
        }
        self.send(now, stack)?;
        if self.client.take_change() {
            self.apply(stack, interface);
            self.ask(now);
        }
        self.resolve(now, stack)
    }

    fn send(&mut self, now: Instant, stack: &mut HostStack) -> io::Result<()> {
        let mut out = [0; 600];
        while let Some(sent) = self.client.poll(now, &mut HostEntropy, &mut out).map_err(io::Error::other)? {
            let to = SocketAddr::new(sent.to.into(), SERVER_PORT);
            if let Err(error) =
                stack.udp_send(self.socket, Some(to), out.get(..sent.length).unwrap_or_default())
            {
                eprintln!("DHCP: {error}"); // It is sent again, later.
            }
        }
        Ok(())
    }

    /// Takes what the lease says, or gives up what it said.
    fn apply(&mut self, stack: &mut HostStack, interface: InterfaceId) {
        if let Some(before) = self.address.take() {
            stack.remove_address(interface, before.into());
        }
        if let Some(before) = self.router.take() {
            stack.remove_gateway(interface, before);
        }
        let Some(lease) = self.client.lease() else {
            self.dns.set_servers([]);
            return say(format_args!("no lease"));
        };
        if let Err(error) = stack.add_address(interface, lease.address.into(), lease.prefix) {
            return eprintln!("{}: {error}", lease.address);
        }
        self.address = Some(lease.address);
        for route in lease.routes.iter().filter(|route| route.bits == 0) {
            match stack.set_gateway(interface, route.router.into()) {
                Ok(()) => self.router = Some(route.router.into()),
                Err(error) => eprintln!("{}: {error}", route.router),
            }
        }
        let Lease { address, prefix, server, name_servers, .. } = lease;
        say(format_args!("lease {address}/{prefix} from {server}, name servers {name_servers:?}"));
        self.dns.set_servers(name_servers.iter().map(|&server| SocketAddr::new(server.into(), DNS_PORT)));
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

    /// Says that the address is free again; the stack still has to send it.
    pub(super) fn release(&mut self, now: Instant, stack: &mut HostStack) -> io::Result<()> {
        self.client.release(now);
        self.send(now, stack)
    }
}
