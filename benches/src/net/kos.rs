//! kos-net as a [`Host`].

use alloc::collections::VecDeque;
use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};

use kos_net::dev::{Batch, Capabilities, FrameChecksum, HeapFrame, Medium, Offloads, VnetHeader};
use kos_net::link::InterfaceId;
use kos_net::sock::{HeapStorage, Storage};
use kos_net::tcp::TcpState;
use kos_net::tcp::congestion::{Cubic, Fixed};
use kos_net::testing::fakes::SeededEntropy;
use kos_net::time::Instant;
use kos_net::wire::MacAddr;
use kos_net::{Budget, Config, Frame as _, NetDevice, SocketId, Stack};

use zerocopy::{FromBytes as _, IntoBytes as _};

use super::host::{Control, Host, Port};
use crate::harness::must;

/// What goes before a frame.
const VNET: usize = size_of::<VnetHeader>();

/// The frame of bytes that begin with a header of virtio-net.
fn after_header(bytes: Vec<u8>) -> HeapFrame {
    let header =
        VnetHeader::read_from_prefix(&bytes).map_or_else(|_| VnetHeader::default(), |(header, _)| header);
    let mut frame = HeapFrame::with_headroom(bytes, VNET);
    *frame.meta_mut() = header.meta();
    frame
}

/// A port as our device.
#[derive(Debug)]
pub(super) struct Device {
    port: Port,
    capabilities: Capabilities,
    /// Frames that are done with, as our own loopback device keeps them.
    spare: Vec<HeapFrame>,
    /// Frames that come back.
    under_way: VecDeque<HeapFrame>,
}

impl Device {
    fn new(port: Port) -> Self {
        let mut capabilities = Capabilities::new(Medium::Ip, port.mtu);
        if port.loops {
            capabilities.offloads = Offloads::CHECKSUM_RX | Offloads::CHECKSUM_TX;
            capabilities.loopback = true;
        }
        if port.vnet {
            capabilities.offloads = Offloads::CHECKSUM_TX | Offloads::GSO_TCP_V4;
            capabilities.gso_max = u16::MAX.into();
        }
        Self { port, capabilities, spare: Vec::new(), under_way: VecDeque::new() }
    }
}

impl NetDevice for Device {
    type Frame = HeapFrame;
    type Error = Infallible;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        while into.room() > 0
            && let Some(mut frame) = self.under_way.pop_front()
        {
            frame.meta_mut().checksum = FrameChecksum::Verified;
            drop(into.push(frame));
        }
        while into.room() > 0
            && let Some(bytes) = self.port.inbox.pop_front()
        {
            drop(into.push(if self.port.vnet { after_header(bytes) } else { HeapFrame::new(bytes) }));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        if self.port.vnet {
            let mut frame = HeapFrame::allocate(VNET + bytes)?;
            frame.trim_front(VNET).ok()?;
            return Some(frame);
        }
        if !self.port.loops {
            return HeapFrame::allocate(bytes);
        }
        self.spare.pop().or_else(|| HeapFrame::allocate(self.port.mtu.into()))?.reused(bytes)
    }

    fn recycle(&mut self, frame: HeapFrame) {
        if self.port.loops && self.spare.len() < 256 {
            self.spare.push(frame);
        }
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        while let Some(mut frame) = from.pop() {
            if self.port.vnet {
                let header = VnetHeader::of(frame.meta());
                must(frame.grow_front(VNET).ok());
                frame.bytes_mut().iter_mut().zip(header.as_bytes()).for_each(|(to, from)| *to = *from);
            }
            if self.port.loops {
                self.under_way.push_back(frame);
                continue;
            }
            let length = frame.bytes().len();
            let mut bytes = frame.into_buffer();
            bytes.truncate(length);
            self.port.put(bytes);
        }
        Ok(())
    }
}

/// A host whose connections are controlled by `S`'s policy.
pub(super) struct Of<S: Storage<HeapFrame>> {
    pub(super) stack: Stack<HeapFrame, S>,
    device: Device,
    entropy: SeededEntropy,
    interface: InterfaceId,
    address: IpAddr,
    listener: Option<SocketId>,
    echo: Option<SocketId>,
}

/// With the policy that it comes with.
pub(super) type Kos = Of<HeapStorage<HeapFrame, Cubic>>;

/// Sends as much as the peer takes.
pub(super) type Uncontrolled = Of<HeapStorage<HeapFrame, Fixed>>;

impl<S: Storage<HeapFrame>> Of<S> {
    pub(super) fn with(address: [u8; 4], port: Port, config: Config, storage: S) -> Self {
        let mut entropy = SeededEntropy::new(1);
        let mut stack = must(Stack::new(config, storage, &mut entropy).ok());
        let device = Device::new(port);
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let interface = must(stack.add_interface(&device.capabilities, mac, &mut entropy).ok());
        let address = IpAddr::from(address);
        must(stack.add_address(interface, address, 8).ok());
        Self { stack, device, entropy, interface, address, listener: None, echo: None }
    }

    fn send_back(&mut self) {
        let Some(id) = self.echo else { return };
        let mut room = [0; 2048];
        while let Ok((from, length)) = self.stack.udp_receive(id, |envelope, bytes| {
            let room = room.get_mut(..bytes.len());
            room.into_iter().for_each(|room| room.copy_from_slice(bytes));
            (SocketAddr::new(envelope.remote, envelope.port), bytes.len())
        }) {
            must(self.stack.udp_send(id, Some(from), room.get(..length).unwrap_or_default()).ok());
        }
    }

    fn turn(&mut self, now: u64) {
        let now = Instant::from_ticks(now);
        let budget = Budget::default();
        while must(self.stack.poll(now, self.interface, &mut self.device, budget).ok()).more {}
    }
}

pub(super) fn config(buffer: usize) -> Config {
    let mut config = Config::new();
    (config.limits.send_bytes, config.limits.receive_bytes) = (buffer, buffer);
    config
}

impl<C: kos_net::tcp::congestion::CongestionControl + core::fmt::Debug> Host
    for Of<HeapStorage<HeapFrame, C>>
{
    type Flow = SocketId;

    const LISTENS_ON: bool = true;

    fn new(address: [u8; 4], port: Port, buffer: usize, _: Control) -> Self {
        Self::with(address, port, config(buffer), HeapStorage::new(2 << 20, 64))
    }

    fn port(&mut self) -> &mut Port {
        &mut self.device.port
    }

    fn listen(&mut self, port: u16, backlog: usize) {
        if self.listener.is_some() {
            return;
        }
        let (local, backlog) =
            (SocketAddr::new(self.address, port), u16::try_from(backlog).unwrap_or(u16::MAX));
        self.listener = self.stack.tcp_listen(local, backlog, &mut self.entropy).ok();
    }

    fn connect(&mut self, to: [u8; 4], port: u16, from: u16) -> SocketId {
        let local = SocketAddr::new(self.address, from);
        must(self.stack.tcp_connect(SocketAddr::from((to, port)), Some(local), &mut self.entropy).ok())
    }

    fn accept(&mut self) -> Option<SocketId> {
        self.stack.tcp_accept(self.listener?).ok().map(|(id, _)| id)
    }

    fn is_open(&mut self, flow: SocketId) -> bool {
        self.stack.tcp_state(flow) == Ok(TcpState::Established)
    }

    fn write(&mut self, flow: SocketId, most: usize) -> usize {
        let mut sent = 0;
        while sent < most
            && let Ok(count) = self.stack.tcp_send(flow, |room| {
                let count = room.len().min(most - sent);
                (count, count)
            })
        {
            sent += count;
        }
        sent
    }

    fn read(&mut self, flow: SocketId) -> usize {
        let mut got = 0;
        while let Ok(count) = self.stack.tcp_receive(flow, |bytes| (bytes.len(), bytes.len())) {
            got += count;
        }
        got
    }

    fn reuse(&mut self, flow: SocketId) {
        assert!(self.stack.close(flow), "it was there");
    }

    fn echo(&mut self, port: u16) {
        self.echo = self.stack.udp_bind(SocketAddr::new(self.address, port), &mut self.entropy).ok();
    }

    fn poll(&mut self, now: u64) {
        self.turn(now);
        if self.echo.is_some() {
            self.send_back();
            self.turn(now);
        }
        while self.stack.next_ready().is_some() {}
    }

    fn poll_at(&mut self, _: u64) -> Option<u64> {
        self.stack.poll_at().map(|at| at.as_ticks())
    }
}
