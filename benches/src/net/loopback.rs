//! How fast does a stack talk to itself? Connections between its own sockets, over a device whose frames come back.

use super::host::{Control, Host, Port};
use super::kos::Kos;
use super::smol::Smol;
use super::subjects;
use crate::harness::question::{Body, Question, Shape};

/// Bytes of one operation: what each connection moves in a step.
const UNIT: usize = 64 * 1024;
const BUFFER: usize = 256 * 1024;
const HERE: [u8; 4] = [10, 0, 0, 1];

struct Loopback<H: Host> {
    host: H,
    flows: Vec<(H::Flow, H::Flow)>,
    now: u64,
    got: Vec<usize>,
}

impl<H: Host> Loopback<H> {
    fn new(mtu: u16, flows: u16) -> Self {
        let mut host = H::new(HERE, Port::looping(mtu), BUFFER, Control::None);
        host.listen(80, flows.into());
        let mut body = Self { host, flows: Vec::new(), now: 1_000_000_000, got: vec![0; flows.into()] };
        for number in 0..flows {
            let client = body.host.connect(HERE, 80, 1000 + number);
            let server = body.wait_for(H::accept);
            body.flows.push((client, server));
        }
        body
    }

    fn wait_for<T>(&mut self, mut ready: impl FnMut(&mut H) -> Option<T>) -> T {
        loop {
            if let Some(ready) = ready(&mut self.host) {
                return ready;
            }
            self.now += 1_000;
            self.host.poll(self.now);
        }
    }

    /// Writes, polls, reads; how much came.
    fn turn(&mut self) -> usize {
        for &(client, _) in &self.flows {
            self.host.write(client, UNIT);
        }
        self.now += 1_000;
        self.host.poll(self.now);
        let mut all = 0;
        for (&(_, server), total) in self.flows.iter().zip(&mut self.got) {
            let got = self.host.read(server);
            (*total, all) = (*total + got, all + got);
        }
        all
    }
}

impl<H: Host> Body for Loopback<H> {
    fn run(&mut self, steps: usize) {
        let mut left = steps * UNIT * self.flows.len();
        while left > 0 {
            let got = self.turn();
            if got == 0 {
                let now = self.now;
                self.now = self.host.poll_at(now).unwrap_or(now).max(now);
            }
            left = left.saturating_sub(got);
        }
    }

    /// Each flow got its share: none stands still behind the others.
    fn verify(&mut self) {
        let all: usize = self.got.iter().sum();
        let least = self.got.iter().min().copied().unwrap_or(0);
        assert!(all < 64 * UNIT || least > 0, "a flow stands still");
    }
}

pub(super) fn question(name: &'static str, mtu: u16, flows: u16) -> Question {
    Question {
        name,
        what: format!(
            "{flows} connection(s) within one stack over a loopback device with an MTU of {mtu}, rings of {} KiB, no sums over \
             data: what is written at one end is read at the other. Memory for frames is as each one's own loopback device has it: \
             smoltcp's makes a vector for each packet, ours keeps those that come back.",
            BUFFER / 1024
        ),
        operation: "64 KiB",
        operations: flows.into(),
        shape: Shape::Repeated { counted: 64 },
        subjects: subjects(
            move || Box::new(Loopback::<Kos>::new(mtu, flows)),
            move || Box::new(Loopback::<Smol>::new(mtu, flows)),
        ),
    }
}
