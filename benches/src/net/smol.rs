//! smoltcp as a [`Host`].

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address};

use super::host::{Control, Host, Port};
use crate::harness::must;

pub(super) struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub(super) struct Sending<'a>(&'a mut Port);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut bytes = vec![0; len];
        let result = f(&mut bytes);
        self.0.put(bytes);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let bytes = self.inbox.pop_front()?;
        Some((Received(bytes), Sending(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu.into();
        if self.loops {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        capabilities
    }
}

pub(super) struct Smol {
    interface: Interface,
    sockets: SocketSet<'static>,
    port: Port,
    buffer: usize,
    control: Control,
    listens: u16,
    listening: Vec<SocketHandle>,
    echo: Option<SocketHandle>,
}

fn at(now: u64) -> Instant {
    Instant::from_micros(i64::try_from(now / 1000).unwrap_or(i64::MAX))
}

impl Smol {
    fn socket(&self) -> tcp::Socket<'static> {
        let ring = || tcp::SocketBuffer::new(vec![0; self.buffer]);
        let mut socket = tcp::Socket::new(ring(), ring());
        socket.set_congestion_control(match self.control {
            Control::Cubic => tcp::CongestionControl::Cubic,
            Control::None => tcp::CongestionControl::None,
        });
        socket
    }

    fn add_listener(&mut self) {
        let mut socket = self.socket();
        must(socket.listen(self.listens).ok());
        self.listening.push(self.sockets.add(socket));
    }

    fn send_back(&mut self) {
        let Some(handle) = self.echo else { return };
        let mut room = [0; 2048];
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
        while let Ok((length, from)) = socket.recv_slice(&mut room) {
            must(socket.send_slice(room.get(..length).unwrap_or_default(), from).ok());
        }
    }
}

impl Host for Smol {
    type Flow = SocketHandle;

    const LISTENS_ON: bool = false;

    fn new([a, b, c, d]: [u8; 4], mut port: Port, buffer: usize, control: Control) -> Self {
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut port, at(0));
        let address = IpAddress::Ipv4(Ipv4Address::new(a, b, c, d));
        interface.update_ip_addrs(|all| must(all.push(IpCidr::new(address, 8)).ok()));
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            port,
            buffer,
            control,
            listens: 0,
            listening: Vec::new(),
            echo: None,
        }
    }

    fn port(&mut self) -> &mut Port {
        &mut self.port
    }

    fn listen(&mut self, port: u16, backlog: usize) {
        self.listens = port;
        (0..backlog).for_each(|_| self.add_listener());
    }

    fn connect(&mut self, [a, b, c, d]: [u8; 4], port: u16, from: u16) -> SocketHandle {
        let mut socket = self.socket();
        let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::new(a, b, c, d)), port);
        must(socket.connect(self.interface.context(), to, from).ok());
        self.sockets.add(socket)
    }

    fn accept(&mut self) -> Option<SocketHandle> {
        let place = self.listening.iter().position(|&handle| {
            self.sockets.get::<tcp::Socket<'_>>(handle).state() == tcp::State::Established
        })?;
        Some(self.listening.swap_remove(place))
    }

    fn is_open(&mut self, flow: SocketHandle) -> bool {
        self.sockets.get::<tcp::Socket<'_>>(flow).state() == tcp::State::Established
    }

    fn write(&mut self, flow: SocketHandle, most: usize) -> usize {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(flow);
        let mut sent = 0;
        while sent < most && socket.can_send() {
            sent += must(
                socket
                    .send(|room| {
                        let count = room.len().min(most - sent);
                        (count, count)
                    })
                    .ok(),
            );
        }
        sent
    }

    fn read(&mut self, flow: SocketHandle) -> usize {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(flow);
        let mut got = 0;
        while socket.can_recv() {
            got += must(socket.recv(|bytes| (bytes.len(), bytes.len())).ok());
        }
        got
    }

    /// It listens again, as a server does that is to take another connection.
    fn reuse(&mut self, flow: SocketHandle) {
        must(self.sockets.get_mut::<tcp::Socket<'_>>(flow).listen(self.listens).ok());
        self.listening.push(flow);
    }

    fn echo(&mut self, port: u16) {
        let queue = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64 * 1024]);
        let mut socket = udp::Socket::new(queue(), queue());
        must(socket.bind(port).ok());
        self.echo = Some(self.sockets.add(socket));
    }

    fn poll(&mut self, now: u64) {
        self.interface.poll(at(now), &mut self.port, &mut self.sockets);
        if self.echo.is_some() {
            self.send_back();
            self.interface.poll(at(now), &mut self.port, &mut self.sockets);
        }
    }

    fn poll_at(&mut self, now: u64) -> Option<u64> {
        let due = self.interface.poll_at(at(now), &self.sockets)?;
        Some(u64::try_from(due.total_micros()).unwrap_or(0).saturating_mul(1000))
    }
}
