//! What does a message cost that is sent and received?

use core::hint::black_box;
use std::sync::mpsc;

use kos_ipc::Caller;
use kos_ipc::cap::{Cell, Cells, Object};
use kos_ipc::channel::{Block, CallPlace, CapPlace, Channel, Config, Levels, Memory, Side};
use kos_ipc::policy::NoPolicy;
use kos_ipc::quota::{Limits, QuotaNode, Quotas};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Awake, Nobody, in_linux, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape};
use crate::peers::peer;

/// Bytes of a message.
const LEN: usize = 64;

/// Messages that fit.
const ROOM: usize = 64;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    let shared = Promise::Shared;
    vec![Question {
        name: "ipc-channel",
        what: format!("A message of {LEN} bytes is sent and received, on one thread; nobody waits."),
        operation: "message",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![
            steps("kos-ipc Channel", shared, "any length, capabilities, policy asked", kos),
            steps(format!("{} bounded", peer("crossbeam-channel")), shared, "one length", || {
                let (sender, receiver) = crossbeam_channel::bounded(ROOM);
                move || {
                    must(sender.try_send(black_box([1_u8; LEN])).ok());
                    black_box(must(receiver.try_recv().ok()));
                }
            }),
            steps("std sync_channel", shared, "one length", || {
                let (sender, receiver) = mpsc::sync_channel(ROOM);
                move || {
                    must(sender.try_send(black_box([1_u8; LEN])).ok());
                    black_box(must(receiver.try_recv().ok()));
                }
            }),
            in_linux("Linux pipe, O_DIRECT", shared, || {
                let (reader, writer) = must(pipe_with(PipeFlags::DIRECT | PipeFlags::NONBLOCK).ok());
                let mut bytes = [0; LEN];
                move || {
                    assert_eq!(rustix::io::write(&writer, black_box(&[1; LEN])), Ok(LEN));
                    assert_eq!(rustix::io::read(&reader, &mut bytes), Ok(LEN));
                }
            }),
        ],
    }]
}

#[derive(Clone)]
struct Nothing;

impl Object for Nothing {
    fn kind(&self) -> u8 {
        0
    }
}

fn kos() -> impl FnMut() {
    let quotas = leak(Quotas::new(places(1, QuotaNode::new)));
    let cells = leak(Cells::new(places(1, Cell::new), quotas));
    let levels = leak(Levels::new(cells));
    let quota = must(quotas.root(Limits::UNLIMITED).ok());
    let memory = [(); 2].map(|()| Memory::<Awake, Nothing> {
        blocks: places(ROOM, Block::new),
        caps: places(1, CapPlace::new),
        calls: places(1, CallPlace::new),
    });
    let channel = Channel::new(Nobody, memory, levels, quota, Config::of(ROOM, 1), 0, 0);
    let channel = leak(must(channel.ok()));
    let (a, b) = (channel.end(Side::A), channel.end(Side::B));
    let mut bytes = [0; LEN];
    move || {
        let caller = Caller::new(&0, (), &NoPolicy);
        must(a.try_send(&caller, black_box(&[1; LEN]), ()).ok());
        assert_eq!(b.try_receive(&caller, &mut bytes, ()).map(|got| got.len), Ok(LEN));
    }
}
