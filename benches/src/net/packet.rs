//! What does one packet cost? A stack alone; its peer writes packets by hand.

use super::host::Host;
use super::kos::Kos;
use super::peer::{ACK, HOST, Peer, datagram, server};
use super::smol::Smol;
use super::{host, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Packets of one step.
const BURST: usize = 32;
const SEGMENT: usize = 1460;
const BUFFER: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Full segments come in order, and are read.
    Receive,
    /// Full segments go, and every second is acknowledged.
    Send,
    /// Acknowledgements of nothing new come, with another window each time.
    Acknowledge,
}

struct Stream<H: Host> {
    host: H,
    flow: H::Flow,
    peer: Peer,
    work: Work,
    now: u64,
    done: usize,
}

impl<H: Host> Stream<H> {
    fn new(work: Work) -> Self {
        let (mut host, mut peer, now) = (server::<H>(BUFFER, 1), Peer::new(0), 1_000_000_000);
        peer.open(&mut host, now);
        let flow = must(host.accept());
        Self { host, flow, peer, work, now, done: 0 }
    }

    fn put(&mut self, flags: u8, length: usize) {
        let frame = self.peer.segment(flags, length);
        self.host.port().inbox.push_back(frame);
    }

    fn turn(&mut self) {
        self.now += 1_000;
        match self.work {
            Work::Receive => {
                (0..BURST).for_each(|_| self.put(ACK, SEGMENT));
                self.host.poll(self.now);
                self.done += self.host.read(self.flow);
                self.host.port().outbox.clear();
            }
            Work::Send => {
                self.done += self.host.write(self.flow, BURST * SEGMENT);
                self.host.poll(self.now);
                let mut owed = false;
                while let Some(frame) = self.host.port().outbox.pop_front() {
                    if !self.peer.take(&frame) {
                        continue;
                    }
                    if owed {
                        self.put(ACK, 0);
                    }
                    owed = !owed;
                }
                if owed {
                    self.put(ACK, 0);
                }
            }
            Work::Acknowledge => {
                for _ in 0..BURST {
                    self.peer.window ^= 1;
                    self.put(ACK, 0);
                }
                self.host.poll(self.now);
                self.done += BURST;
            }
        }
    }
}

impl<H: Host> Body for Stream<H> {
    fn prepare(&mut self) {
        self.done = 0;
    }

    fn run(&mut self, steps: usize) {
        (0..steps).for_each(|_| self.turn());
    }

    fn verify(&mut self) {
        let least = if self.work == Work::Acknowledge { BURST } else { BURST * SEGMENT };
        assert!(self.done >= least, "{:?}: {} of {least}", self.work, self.done);
        assert!(self.host.is_open(self.flow), "the connection stands");
    }
}

struct Echo<H: Host> {
    host: H,
    now: u64,
    back: usize,
}

impl<H: Host> Echo<H> {
    fn new() -> Self {
        let mut host = H::new(HOST, host::Port::new(1500), BUFFER, host::Control::None);
        host.echo(7);
        Self { host, now: 1_000_000_000, back: 0 }
    }
}

impl<H: Host> Body for Echo<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            (0..BURST).for_each(|_| self.host.port().inbox.push_back(datagram(5000, 7)));
            self.now += 1_000;
            self.host.poll(self.now);
            self.back = self.host.port().outbox.drain(..).count();
        }
    }

    fn verify(&mut self) {
        assert_eq!(self.back, BURST, "all come back");
    }
}

pub(super) fn echo() -> Question {
    Question {
        name: "net-udp-echo-64",
        what: format!(
            "Datagrams of 22 bytes (64 on an Ethernet) come {BURST} at a time and are sent back: one in and one out."
        ),
        operation: "echo",
        operations: BURST,
        shape: Shape::Repeated { counted: 64 },
        subjects: subjects(|| Box::new(Echo::<Kos>::new()), || Box::new(Echo::<Smol>::new())),
    }
}

pub(super) fn question(name: &'static str, work: Work) -> Question {
    let what = match work {
        Work::Receive => {
            "Segments of 1460 bytes come in order, 32 at a time, are summed, read and acknowledged."
        }
        Work::Send => {
            "Segments of 1460 bytes are written, summed and sent, 32 at a time; every second is acknowledged by itself."
        }
        Work::Acknowledge => "Acknowledgements of nothing new come, 32 at a time, each with another window.",
    };
    Question {
        name,
        what: what.to_owned(),
        operation: "segment",
        operations: BURST,
        shape: Shape::Repeated { counted: 64 },
        subjects: subjects(
            move || Box::new(Stream::<Kos>::new(work)),
            move || Box::new(Stream::<Smol>::new(work)),
        ),
    }
}
