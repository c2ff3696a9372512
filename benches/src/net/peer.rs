//! The other side of a stack that is measured alone: [`Peer`] writes segments by hand, at almost no cost.
//!
//! Its data are zeroes, which add nothing to a sum: only headers are summed.
#![expect(clippy::indexing_slicing, reason = "each packet is made here, and is as long as its headers")]

use super::host::{Host, Port};
use crate::harness::must;

pub(super) const HOST: [u8; 4] = [10, 0, 0, 1];
const PEER: [u8; 4] = [10, 0, 0, 2];

pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

const IP: usize = 20;
const TCP: usize = 20;

/// One connection as its far side sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    port: u16,
    address: [u8; 4],
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) window: u16,
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum()
}

fn folded(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(!sum & 0xffff).unwrap_or(0).to_be_bytes()
}

/// An IP packet of zeroes but for its header.
fn packet(from: [u8; 4], to: [u8; 4], protocol: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; IP + length];
    let total = u16::try_from(IP + length).unwrap_or(u16::MAX);
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    (bytes[6], bytes[8], bytes[9]) = (0x40, 64, protocol);
    bytes[12..16].copy_from_slice(&from);
    bytes[16..20].copy_from_slice(&to);
    let check = folded(sum(&bytes[..IP]));
    bytes[10..12].copy_from_slice(&check);
    bytes
}

/// Writes the sum of an upper header at `place`, of whose packet only the first `summed` bytes are not zero.
fn seal(bytes: &mut [u8], place: usize, summed: usize) {
    let length = u32::try_from(bytes.len() - IP).unwrap_or(u32::MAX);
    let pseudo = sum(&bytes[12..20]) + u32::from(bytes[9]) + length;
    let check = folded(pseudo + sum(&bytes[IP..IP + summed]));
    bytes[IP + place..IP + place + 2].copy_from_slice(&check);
}

/// A datagram of 22 zeroes, which fills an Ethernet frame of 64 bytes.
pub(super) fn datagram(from: u16, to: u16) -> Vec<u8> {
    let mut bytes = packet(PEER, HOST, 17, 30);
    bytes[IP..IP + 2].copy_from_slice(&from.to_be_bytes());
    bytes[IP + 2..IP + 4].copy_from_slice(&to.to_be_bytes());
    bytes[IP + 5] = 30;
    seal(&mut bytes, 6, 8);
    bytes
}

impl Peer {
    /// The `number`-th peer: its own address or port.
    pub(super) fn new(number: u32) -> Self {
        let [_, a, b, c] = (number / 32_768).to_be_bytes();
        let port = u16::try_from(1024 + number % 32_768).unwrap_or(0);
        let address = [10, 1 + a, b, 2 + c];
        Self { port, address, sequence: 1_000, acknowledgement: 0, window: u16::MAX }
    }

    /// A segment with `length` bytes of data, and options that a SYN has.
    pub(super) fn segment(&mut self, flags: u8, length: usize) -> Vec<u8> {
        let options: &[u8] = if flags & SYN == 0 { &[] } else { &[2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 0, 0] };
        let header = TCP + options.len();
        let mut bytes = packet(self.address, HOST, 6, header + length);
        bytes[IP..IP + 2].copy_from_slice(&self.port.to_be_bytes());
        bytes[IP + 3] = 80;
        bytes[IP + 4..IP + 8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[IP + 8..IP + 12].copy_from_slice(&self.acknowledgement.to_be_bytes());
        bytes[IP + 12] = u8::try_from(header << 2).unwrap_or(0);
        bytes[IP + 13] = flags;
        bytes[IP + 14..IP + 16].copy_from_slice(&self.window.to_be_bytes());
        bytes[IP + TCP..IP + header].copy_from_slice(options);
        seal(&mut bytes, 16, header);
        let taken = u32::try_from(length).unwrap_or(0) + u32::from(flags & SYN != 0);
        self.sequence = self.sequence.wrapping_add(taken);
        bytes
    }

    /// Takes what the host sent: all of it is acknowledged with the next segment. Whether it carried data.
    pub(super) fn take(&mut self, frame: &[u8]) -> bool {
        let header = usize::from(frame[IP + 12] >> 4) * 4;
        let length = frame.len() - IP - header;
        let sequence = u32::from_be_bytes([frame[IP + 4], frame[IP + 5], frame[IP + 6], frame[IP + 7]]);
        let syn = u32::from(frame[IP + 13] & SYN != 0);
        self.acknowledgement = sequence.wrapping_add(u32::try_from(length).unwrap_or(0) + syn);
        length > 0
    }

    /// Opens a connection to a host that listens on port 80.
    pub(super) fn open<H: Host>(&mut self, host: &mut H, now: u64) {
        let syn = self.segment(SYN, 0);
        host.port().inbox.push_back(syn);
        host.poll(now);
        let answer = must(host.port().outbox.pop_front());
        self.take(&answer);
        let ack = self.segment(ACK, 0);
        host.port().inbox.push_back(ack);
        host.poll(now);
    }
}

/// A host that listens on port 80 behind a link with an MTU of 1500.
pub(super) fn server<H: Host>(buffer: usize, backlog: usize) -> H {
    let mut host = H::new(HOST, Port::new(1500), buffer, super::host::Control::None);
    host.listen(80, backlog);
    host
}
