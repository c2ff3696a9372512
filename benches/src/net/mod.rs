//! The network: what do packets, connections and losses cost?
//!
//! [`host`] is what both stacks do alike, [`kos`] and [`smol`] are the two; every other file asks a question.

pub(crate) mod goodput;
mod host;
mod kos;
mod loopback;
mod many;
mod packet;
mod peer;
mod smol;
mod sum;
pub(crate) mod tun;

use crate::harness::question::{Body, Promise, Question, Subject};

/// Every question, in the order in which it is asked.
pub(crate) fn questions() -> Vec<Question> {
    vec![
        loopback::question("net-loopback-1", 65_535, 1),
        loopback::question("net-loopback-16", 65_535, 16),
        loopback::question("net-loopback-1500-1", 1500, 1),
        loopback::question("net-loopback-1500-16", 1500, 16),
        packet::echo(),
        packet::question("net-tcp-receive-1460", packet::Work::Receive),
        packet::question("net-tcp-send-1460", packet::Work::Send),
        packet::question("net-tcp-pure-ack", packet::Work::Acknowledge),
        many::question("net-demux-10", 10),
        many::question("net-demux-10k", 10_000),
        many::question("net-demux-1m", 1_000_000),
        many::accepts(),
        sum::question(),
    ]
}

/// Ours and smoltcp.
fn subjects(
    ours: impl Fn() -> Box<dyn Body> + 'static,
    theirs: impl Fn() -> Box<dyn Body> + 'static,
) -> Vec<Subject> {
    let subject = |name: &str, make: Box<dyn Fn() -> Box<dyn Body>>| Subject {
        name: name.to_owned(),
        promise: Promise::Exclusive,
        note: "",
        counted: true,
        make,
    };
    vec![subject("kos-net", Box::new(ours)), subject("smoltcp 0.14.0", Box::new(theirs))]
}
