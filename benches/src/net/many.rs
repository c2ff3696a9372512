//! What do many connections cost each packet, and how fast do new ones come?

use super::host::Host;
use super::kos::Kos;
use super::peer::{ACK, Peer, RST, server};
use super::smol::Smol;
use super::subjects;
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

const BURST: usize = 32;
/// Bytes of the rings of a connection that is idle.
const IDLE: usize = 64;

/// Connections, to each of which an acknowledgement comes now and then.
struct Idle<H: Host> {
    host: H,
    peers: Vec<Peer>,
    next: usize,
    now: u64,
}

impl<H: Host> Idle<H> {
    fn new(count: u32) -> Self {
        let (mut host, now) = (server::<H>(IDLE, 1), 1_000_000_000);
        let mut peers = Vec::new();
        for number in 0..count {
            let mut peer = Peer::new(number);
            peer.open(&mut host, now);
            must(host.accept());
            if number + 1 < count && !H::LISTENS_ON {
                host.listen(80, 1);
            }
            peers.push(peer);
        }
        Self { host, peers, next: 0, now }
    }
}

impl<H: Host> Body for Idle<H> {
    fn run(&mut self, steps: usize) {
        let count = self.peers.len();
        for _ in 0..steps {
            for _ in 0..BURST {
                // A prime that divides none of the counts: each has its turn, and neighbours do not follow each other.
                self.next = (self.next + 7919) % count;
                let frame = self.peers.get_mut(self.next).map(|peer| {
                    peer.window ^= 1;
                    peer.segment(ACK, 0)
                });
                self.host.port().inbox.extend(frame);
            }
            self.now += 1_000;
            self.host.poll(self.now);
        }
    }

    fn verify(&mut self) {
        assert!(self.host.port().outbox.is_empty(), "nothing is answered");
    }
}

pub(super) fn question(name: &'static str, count: u32) -> Question {
    let mut question = Question {
        name,
        what: format!(
            "Acknowledgements of nothing new, {BURST} at a time, to one after the other of {count} connections."
        ),
        operation: "segment",
        operations: BURST,
        shape: Shape::Repeated { counted: 256 },
        subjects: subjects(
            move || Box::new(Idle::<Kos>::new(count)),
            move || Box::new(Idle::<Smol>::new(count)),
        ),
    };
    // Its handshakes walk all sockets: a million of them would take days.
    question.subjects.truncate(if count > 100_000 { 1 } else { 2 });
    question
}

/// Peers connect, are accepted, and reset.
struct Accept<H: Host> {
    host: H,
    number: u32,
    now: u64,
}

impl<H: Host> Body for Accept<H> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.number = (self.number + 1) % 30_000;
            self.now += 1_000;
            let mut peer = Peer::new(self.number);
            peer.open(&mut self.host, self.now);
            let flow = must(self.host.accept());
            let reset = peer.segment(RST | ACK, 0);
            self.host.port().inbox.push_back(reset);
            self.host.poll(self.now);
            self.host.reuse(flow);
            self.host.port().outbox.clear();
        }
    }

    fn verify(&mut self) {
        assert!(self.number > 0, "peers came");
    }
}

fn accepting<H: Host>() -> Accept<H> {
    Accept { host: server::<H>(4096, 16), number: 0, now: 1_000_000_000 }
}

pub(super) fn accepts() -> Question {
    Question {
        name: "net-accept",
        what: "SYN in, SYN-ACK out, ACK in, accept, reset in: with rings of 4 KiB for each connection. smoltcp keeps 16 sockets \
               with their rings that listen; ours takes memory from the heap for each."
            .to_owned(),
        operation: "connection",
        operations: 1,
        shape: Shape::Repeated { counted: 256 },
        subjects: subjects(|| Box::new(accepting::<Kos>()), || Box::new(accepting::<Smol>())),
    }
}
