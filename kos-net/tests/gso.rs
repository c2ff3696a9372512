//! A device that cuts large segments of TCP: what it is told of them suffices to cut them, and what comes uncut is taken.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panic")]

extern crate alloc;

use alloc::collections::VecDeque;
use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use kos_net::dev::{Batch, Capabilities, FrameChecksum, Gso, HeapFrame, Medium, Offloads};
use kos_net::sock::HeapStorage;
use kos_net::testing::fakes::SeededEntropy;
use kos_net::time::{Duration, Instant};
use kos_net::wire::{Checksum, IpProtocol, MacAddr};
use kos_net::{Budget, Config, Frame as _, NetDevice, Stack};

const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
const IP: usize = 20;

/// Frames come back, cut or not.
struct Device {
    capabilities: Capabilities,
    cuts: bool,
    queue: VecDeque<HeapFrame>,
    large: usize,
}

impl Device {
    fn new(cuts: bool) -> Self {
        let mut capabilities = Capabilities::new(Medium::Ip, 1500);
        capabilities.offloads = Offloads::CHECKSUM_TX | Offloads::GSO_TCP_V4;
        (capabilities.gso_max, capabilities.loopback) = (65_535, true);
        Self { capabilities, cuts, queue: VecDeque::new(), large: 0 }
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
            && let Some(frame) = self.queue.pop_front()
        {
            drop(into.push(frame));
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        HeapFrame::allocate(bytes)
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> Result<(), Infallible> {
        while let Some(frame) = from.pop() {
            self.large += usize::from(frame.meta().gso.is_some());
            assert_eq!(frame.bytes().len() > 1500, frame.meta().gso.is_some(), "what is larger is told of");
            if self.cuts { self.queue.extend(cut(&frame)) } else { self.queue.push_back(frame) }
        }
        Ok(())
    }
}

/// What an adapter does: the headers before each piece of the data, with their numbers and sums.
fn cut(frame: &HeapFrame) -> Vec<HeapFrame> {
    let FrameChecksum::Partial { start, offset } = frame.meta().checksum else {
        panic!("the sum is ours to do")
    };
    assert_eq!((usize::from(start), offset), (IP, 16));
    let whole = frame.bytes();
    let gso = frame.meta().gso;
    let header = IP + usize::from(whole[IP + 12] >> 4) * 4;
    assert!(gso.is_none_or(|Gso { headers, .. }| usize::from(headers) == header));
    let (headers, data) = whole.split_at(header);
    let size = gso.map_or(data.len().max(1), |gso| gso.size.into());
    let count = data.len().div_ceil(size).max(1);
    let piece = |number: usize| {
        let data = &data[number * size..data.len().min((number + 1) * size)];
        let mut bytes = [headers, data].concat();
        let sequence = u32::from_be_bytes(bytes[IP + 4..IP + 8].try_into().unwrap());
        let sequence = sequence.wrapping_add(u32::try_from(number * size).unwrap());
        bytes[IP + 4..IP + 8].copy_from_slice(&sequence.to_be_bytes());
        if number + 1 < count {
            // FIN and PSH belong to the last.
            bytes[IP + 13] &= !0x09;
        }
        seal(&mut bytes);
        HeapFrame::new(bytes)
    };
    (0..count).map(piece).collect()
}

fn seal(bytes: &mut [u8]) {
    let total = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes[10..12].fill(0);
    let sum = Checksum::new().and(&bytes[..IP]).finish();
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes[IP + 16..IP + 18].fill(0);
    let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap());
    let length = u32::from(total) - 20;
    let sum = Checksum::of_pseudo_header(address(12), address(16), IpProtocol::TCP, length);
    let sum = sum.and(&bytes[IP..]).finish();
    bytes[IP + 16..IP + 18].copy_from_slice(&sum.to_be_bytes());
}

/// Sends a million bytes over the device; how many of its frames were large.
fn transfer(cuts: bool) -> usize {
    let (mut device, mut entropy) = (Device::new(cuts), SeededEntropy::new(1));
    let mut stack: Stack<HeapFrame, HeapStorage<HeapFrame>> =
        Stack::new(Config::new(), HeapStorage::new(16, 4), &mut entropy).unwrap();
    let on = stack.add_interface(&device.capabilities, MacAddr([0; 6]), &mut entropy).unwrap();
    stack.add_address(on, AT.ip(), 8).unwrap();
    let listener = stack.tcp_listen(AT, 1, &mut entropy).unwrap();
    let client = stack.tcp_connect(AT, None, &mut entropy).unwrap();
    let data: Vec<u8> =
        (0..1_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (mut server, mut sent, mut got) = (None, 0, Vec::new());
    let mut now = Instant::from_ticks(1);
    while got.len() < data.len() {
        now += Duration::from_millis(1);
        assert!(now < Instant::from_ticks(20_000_000_000), "stuck: {} bytes came", got.len());
        stack.poll(now, on, &mut device, Budget::default()).unwrap();
        server = server.or(stack.tcp_accept(listener).ok().map(|(id, _)| id));
        let _full = stack.tcp_send(client, |room| {
            let rest = &data[sent..];
            let count = rest.len().min(room.len());
            room[..count].copy_from_slice(&rest[..count]);
            sent += count;
            (count, ())
        });
        let Some(server) = server else { continue };
        let _none = stack.tcp_receive(server, |bytes| {
            got.extend_from_slice(bytes);
            (bytes.len(), ())
        });
        stack.check().unwrap();
    }
    assert!(got == data, "other bytes came");
    assert_eq!(stack.tcp_info(client).unwrap().mss, 1448);
    device.large
}

#[test]
fn what_the_device_cuts_arrives_as_it_was_sent() {
    assert!(transfer(true) > 10);
}

#[test]
fn what_comes_uncut_is_taken() {
    assert!(transfer(false) > 10);
}
