//! What does the checksum of a packet cost?

use core::hint::black_box;

use etherparse::checksum::Sum16BitWords;
use kos_net::wire::Checksum;

use crate::harness::question::{Body, Promise, Question, Shape, Subject};

const BYTES: usize = 1460;

struct Sums {
    bytes: Vec<u8>,
    sum: fn(&[u8]) -> u16,
    got: u16,
}

impl Body for Sums {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.got = black_box((self.sum)(black_box(&self.bytes)));
        }
    }

    fn verify(&mut self) {
        assert_eq!(self.got, Checksum::new().and(&self.bytes).finish(), "another sum");
    }
}

pub(super) fn question() -> Question {
    let subject = |name: &str, sum: fn(&[u8]) -> u16| Subject {
        name: name.to_owned(),
        promise: Promise::Exclusive,
        note: "",
        counted: true,
        make: Box::new(move || {
            let bytes = (0..BYTES).map(|at| u8::try_from(at * 7 % 256).unwrap_or(0)).collect();
            Box::new(Sums { bytes, sum, got: 0 })
        }),
    };
    Question {
        name: "net-checksum-1460",
        what: format!("The sum of RFC 1071 over {BYTES} bytes that are in the cache."),
        operation: "sum",
        operations: 1,
        shape: Shape::Repeated { counted: 256 },
        subjects: vec![
            subject("kos-net", |bytes| Checksum::new().and(bytes).finish()),
            subject("smoltcp 0.14.0", |bytes| !smoltcp::wire::checksum::data(bytes)),
            subject("etherparse 0.21.0", |bytes| {
                Sum16BitWords::new().add_slice(bytes).ones_complement().to_be()
            }),
        ],
    }
}
