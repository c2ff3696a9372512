//! Messages that meet receivers, deadlines and ends.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{SOME, explore_within, must_find};
use crate::caller::Caller;
use crate::cap::{CapSlot, CapSpace, Cells, Object, Rights};
use crate::channel::{
    Block, CallPlace, CapPlace, Channel, Config, End, Levels, Memory, ReceiveError, SendReason, Side,
};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, Quota, QuotaNode, Quotas};
use crate::sync::Bug;
use crate::wait::Progress;

/// An object whose handles are counted.
#[derive(Clone, Debug)]
struct Thing(#[expect(dead_code, reason = "its handles are counted")] Arc<()>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        1
    }
}

type Chan = Channel<'static, 'static, ModelEnv, Thing>;
type ModelEnd = End<'static, 'static, 'static, ModelEnv, Thing>;
type Space = CapSpace<'static, ModelEnv, Thing>;

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn many<T>(count: usize, make: impl FnMut() -> T) -> &'static mut [T] {
    let mut all = Vec::new();
    all.resize_with(count, make);
    all.leak()
}

/// Cells and a quota. They are leaked: channels and spaces borrow them.
fn ground() -> (&'static Cells<'static, ModelEnv>, Quota<'static, ModelEnv>) {
    let quotas = leak(Quotas::new(many(1, QuotaNode::new)));
    let quota = quotas.root(Limits::UNLIMITED).unwrap();
    (leak(Cells::new(many(0, || unreachable!("none")), quotas)), quota)
}

/// A channel of so many blocks, and its ends.
fn channel(
    cells: &'static Cells<'static, ModelEnv>,
    quota: Quota<'static, ModelEnv>,
    blocks: usize,
) -> (&'static Chan, ModelEnd, ModelEnd) {
    let memory = [(); 2].map(|()| Memory {
        blocks: many(blocks, Block::new),
        caps: many(2, CapPlace::new),
        calls: many(1, CallPlace::new),
    });
    let config = Config::of(blocks, 2);
    let channel = Chan::new(Threads::new(), memory, leak(Levels::new(cells)), quota, config, 0, 0).unwrap();
    let channel: &Chan = leak(channel);
    (channel, channel.end(Side::A), channel.end(Side::B))
}

fn caller(token: &usize) -> Caller<'_, ModelEnv> {
    Caller::new(token, (), &NoPolicy)
}

fn close(end: &ModelEnd) {
    let mut closing = end.close();
    while closing.step(4) == Progress::More {}
}

fn send_and_receive() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota, 2);
    let receiver = thread::spawn(move || b.receive(&caller(&1), &mut [0; 1], (), None));
    a.try_send(&caller(&0), b"x", ()).unwrap();
    assert_eq!(receiver.join().unwrap().map(|got| got.len), Ok(1));
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// Somebody waits for the room of a permit that is dropped.
fn permit_and_send() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota, 2);
    let permit = a.try_reserve(&caller(&0), 120, 0).unwrap();
    let sender = thread::spawn(move || a.send(&caller(&1), b"", (), None).is_ok());
    drop(permit);
    assert!(sender.join().unwrap());
    assert_eq!(b.clear(2), Progress::Done);
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// As above, and the receiver goes: the sender is told, or his message goes with it.
fn permit_and_close() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota, 2);
    let permit = a.try_reserve(&caller(&0), 120, 0).unwrap();
    let sender = thread::spawn(move || a.send(&caller(&1), b"", (), None));
    let closer = thread::spawn(move || close(&b));
    let sent = permit.send(&caller(&0), b"", ());
    closer.join().unwrap();
    for result in [sent, sender.join().unwrap()] {
        let reason = result.err().map(|error| error.reason);
        assert!(matches!(reason, None | Some(SendReason::Wait(WaitError::PeerClosed))));
    }
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// A capability is sent while the receiver closes: it is back, or gone.
fn transfer_and_close() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota.clone(), 2);
    let space: &Space = leak(Space::new(many(1, CapSlot::new), cells, quota, 0).unwrap());
    let handle = Arc::new(());
    let id = space.insert(Thing(Arc::clone(&handle)), Rights::READ | Rights::TRANSFER, 0).unwrap();
    let sender = thread::spawn(move || {
        let ids = [id];
        let sent = a.try_send(&caller(&1), b"", space.prepare(&ids).unwrap());
        sent.is_ok()
    });
    close(&b);
    let sent = sender.join().unwrap();
    assert_eq!(space.check(id, Rights::READ).is_err(), sent);
    assert_eq!(Arc::strong_count(&handle), if sent { 1 } else { 2 });
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// A caller whose time is up, beside an answer: it arrives, or both know that it did not.
fn reply_and_timeout() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota, 2);
    let client = thread::spawn(move || {
        let result = a.call(&caller(&1), b"", (), (&mut [0; 1], &mut []), SOON);
        result.is_ok()
    });
    let received = b.receive(&caller(&0), &mut [], (), SOON);
    let replied = received.is_ok_and(|got| b.reply(&caller(&0), got.txid.unwrap(), b"y", ()).is_ok());
    assert_eq!(client.join().unwrap(), replied);
    _ = b.clear(2);
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// The other side dies while somebody calls.
fn call_and_close() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota, 2);
    let client = thread::spawn(move || a.call(&caller(&1), b"", (), (&mut [0; 1], &mut []), None).is_ok());
    close(&b);
    assert!(!client.join().unwrap(), "an answer of the dead");
    assert!(channel.is_idle() && channel.check().is_ok());
}

/// Two receivers, of whom one has room for the first message only.
fn receive_and_receive() {
    let (cells, quota) = ground();
    let (channel, a, b) = channel(cells, quota.clone(), 2);
    let space: &Space = leak(Space::new(many(2, CapSlot::new), cells, quota, 0).unwrap());
    for message in [&b""[..], b"z"] {
        let id = space.insert(Thing(Arc::new(())), Rights::TRANSFER, 0).unwrap();
        a.try_send(&caller(&0), message, space.prepare(&[id]).unwrap()).unwrap();
    }
    let other = thread::spawn(move || {
        let mut caps = [const { None }; 1];
        b.try_receive(&caller(&1), &mut [0; 1], &mut caps[..]).map(|got| got.len)
    });
    let mut caps = [const { None }; 1];
    let got = b.try_receive(&caller(&0), &mut [], &mut caps[..]).map(|got| got.len);
    let first = other.join().unwrap();
    let short = ReceiveError::TooShort { len: 1, caps: 1 };
    assert!([(Ok(0), Ok(1)), (Err(short), Ok(0))].contains(&(got, first)), "{got:?} and {first:?}");
    _ = b.clear(2);
    assert!(channel.is_idle() && channel.check().is_ok());
}

#[test]
fn a_message_finds_its_receiver() {
    explore_within(SOME, send_and_receive);
}

#[test]
fn a_receiver_that_looks_before_its_entry_is_found() {
    must_find(Bug::LookedBeforeEntry, send_and_receive);
}

#[test]
fn room_of_a_permit_is_passed_on() {
    explore_within(SOME, permit_and_send);
}

#[test]
fn room_that_is_kept_is_found() {
    must_find(Bug::RoomKept, permit_and_send);
}

#[test]
fn a_permit_and_a_sender_learn_of_a_close() {
    explore_within(Some(2), permit_and_close);
}

#[test]
fn a_capability_is_back_or_gone() {
    explore_within(SOME, transfer_and_close);
}

#[test]
fn a_message_that_is_queued_for_nobody_is_found() {
    must_find(Bug::QueuedForNobody, transfer_and_close);
}

#[test]
fn an_answer_of_a_channel_arrives_or_both_know() {
    explore_within(SOME, reply_and_timeout);
}

#[test]
fn an_answer_of_a_channel_that_is_not_seen_is_found() {
    must_find(Bug::ReplyUnseen, reply_and_timeout);
}

#[test]
fn a_call_ends_with_the_other_side() {
    explore_within(SOME, call_and_close);
}

#[test]
fn two_receivers_take_a_message_each() {
    explore_within(SOME, receive_and_receive);
}

#[test]
fn a_take_of_a_message_in_two_steps_is_found() {
    must_find(Bug::TakenInTwoSteps, receive_and_receive);
}
