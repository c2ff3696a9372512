//! What every stack is asked to do alike: [`Host`], at the end of a [`Port`].
//!
//! A port is the same memory and the same queues for each stack: a vector of bytes from the heap for a frame, in and out.

use alloc::collections::VecDeque;

/// Where the frames of a host come from and go to.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub(super) inbox: VecDeque<Vec<u8>>,
    pub(super) outbox: VecDeque<Vec<u8>>,
    /// Bytes of the largest IP packet.
    pub(super) mtu: u16,
    /// What is sent comes back, and no sums are computed over data.
    pub(super) loops: bool,
    /// A header of virtio-net stands before each frame, and segments may be large: who cannot do that does not look.
    pub(super) vnet: bool,
}

impl Port {
    pub(super) fn new(mtu: u16) -> Self {
        Self { mtu, ..Self::default() }
    }

    pub(super) fn looping(mtu: u16) -> Self {
        Self { mtu, loops: true, ..Self::default() }
    }

    pub(super) fn put(&mut self, frame: Vec<u8>) {
        if self.loops { self.inbox.push_back(frame) } else { self.outbox.push_back(frame) }
    }
}

/// A policy of congestion control that both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Cubic,
    /// As much as the peer takes.
    None,
}

/// A host with one interface for IPv4 packets. Times are nanoseconds.
pub(super) trait Host {
    type Flow: Copy;

    /// Whether what listens goes on to listen when a peer has connected.
    const LISTENS_ON: bool;

    /// At `address`, with rings of `buffer` bytes for each connection.
    fn new(address: [u8; 4], port: Port, buffer: usize, control: Control) -> Self;

    fn port(&mut self) -> &mut Port;

    /// Up to `backlog` peers connect to a port at a time.
    fn listen(&mut self, port: u16, backlog: usize);

    fn connect(&mut self, to: [u8; 4], port: u16, from: u16) -> Self::Flow;

    fn accept(&mut self) -> Option<Self::Flow>;

    /// Whether the handshake is done.
    fn is_open(&mut self, flow: Self::Flow) -> bool;

    /// Sends as many bytes as there is room for, up to `most`; they mean nothing. How many.
    fn write(&mut self, flow: Self::Flow, most: usize) -> usize;

    /// Takes all that came. How many bytes.
    fn read(&mut self, flow: Self::Flow) -> usize;

    /// The peer has reset a connection: its room is there for the next.
    fn reuse(&mut self, flow: Self::Flow);

    /// Datagrams to `port` go back to whoever sent them, with each poll.
    fn echo(&mut self, port: u16);

    fn poll(&mut self, now: u64);

    fn poll_at(&mut self, now: u64) -> Option<u64>;
}
