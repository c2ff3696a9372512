//! Channels, by story.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use super::*;
use crate::caller::Caller;
use crate::cap::{CapError, CapId, CapSlot, CapSpace, Carried, Cell, Cells, Rights};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{Choices, StdEnv, StdPark, StdToken, channel_model, fuzz};
use crate::time::Instant;
use crate::wait::Progress;

/// An object that counts its handles, or an end of a channel.
#[derive(Clone, Debug)]
pub(super) enum Thing {
    Counted(Arc<()>),
    End(&'static Chan),
}

impl Object for Thing {
    fn kind(&self) -> u8 {
        1
    }

    fn level(&self) -> Option<&Level> {
        match self {
            Self::Counted(handle) => {
                assert!(Arc::strong_count(handle) > 0);
                None
            }
            Self::End(channel) => Some(channel.level()),
        }
    }
}

type Chan = Channel<'static, 'static, StdEnv, Thing>;
type Space = CapSpace<'static, StdEnv, Thing>;
type Cap = Carried<'static, StdEnv, Thing>;

/// What channels and spaces share. It is leaked: handles borrow it.
#[derive(Clone, Copy)]
pub(super) struct Lab {
    park: &'static StdPark,
    token: &'static StdToken,
    cells: &'static Cells<'static, StdEnv>,
    levels: &'static Levels<'static, StdEnv>,
    quotas: &'static Quotas<'static, StdEnv>,
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn many<T>(count: usize, make: impl FnMut() -> T) -> &'static mut [T] {
    let mut all = Vec::new();
    all.resize_with(count, make);
    all.leak()
}

impl Lab {
    fn new() -> Self {
        let park = leak(StdPark::new());
        let quotas = leak(Quotas::new(many(16, QuotaNode::new)));
        let cells = leak(Cells::new(many(16, Cell::new), quotas));
        Self { park, token: leak(park.token()), cells, levels: leak(Levels::new(cells)), quotas }
    }

    fn memory(blocks: usize, places: usize, calls: usize) -> Memory<'static, 'static, StdEnv, Thing> {
        Memory {
            blocks: many(blocks, Block::new),
            caps: many(places, CapPlace::new),
            calls: many(calls, CallPlace::new),
        }
    }

    fn channel(&self, blocks: usize, places: usize, calls: usize) -> &'static Chan {
        let quota = self.quotas.root(Limits::UNLIMITED).unwrap();
        let memory = [(); 2].map(|()| Self::memory(blocks, places, calls));
        let config = Config::of(blocks, places);
        leak(Chan::new(self.park.clone(), memory, self.levels, quota, config, 0, 0).unwrap())
    }

    fn space(&self, slots: usize) -> &'static Space {
        let quota = self.quotas.root(Limits::UNLIMITED).unwrap();
        leak(Space::new(many(slots, CapSlot::new), self.cells, quota, 7).unwrap())
    }

    fn caller(&self) -> Caller<'static, StdEnv> {
        Caller::new(self.token, (), &NoPolicy)
    }
}

type ChanEnd = End<'static, 'static, 'static, StdEnv, Thing>;

fn ends(channel: &'static Chan) -> (ChanEnd, ChanEnd) {
    (channel.end(Side::A), channel.end(Side::B))
}

const PAST: Option<Instant> = Some(Instant::from_ticks(0));
const CLOSED: WaitError = WaitError::PeerClosed;

fn finish(mut closing: Closing<'_, '_, '_, StdEnv, Thing>) {
    while closing.step(1) == Progress::More {}
}

fn reason<C>(result: Result<(), SendError<C>>) -> Option<SendReason> {
    result.err().map(|error| error.reason)
}

fn nothing() -> [Option<Cap>; 0] {
    []
}

#[test]
fn messages_come_whole_and_in_order() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(600, 0, 0));
    let (a, b) = ends(channel);
    let mut buffer = vec![0; MAX_MESSAGE];
    let sizes = [0, 1, 99, 100, 101, 224, 225, 3943, 3944, 3945, 8000, MAX_MESSAGE];
    for (number, size) in (0..).zip(sizes) {
        let message: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap() ^ number).collect();
        a.try_send(&caller, &message, ()).unwrap();
        a.try_send(&caller, &[number], ()).unwrap();
        assert_eq!(b.try_receive(&caller, &mut buffer, ()).map(|got| got.len), Ok(size));
        assert!(buffer[..size] == message, "{size}");
        assert_eq!(b.receive(&caller, &mut buffer, (), None).map(|got| got.len), Ok(1));
        assert_eq!((buffer[0], channel.check(), channel.is_idle()), (number, Ok(()), true));
    }
    let max = MAX_MESSAGE;
    let too_big = a.try_send(&caller, &vec![0; max + 1], ());
    assert_eq!(reason(too_big), Some(SendReason::TooBig { len: max + 1, max }));
    assert_eq!(b.try_receive(&caller, &mut buffer, ()), Err(ReceiveError::WouldBlock));
    assert_eq!(b.receive(&caller, &mut buffer, (), PAST), Err(ReceiveError::Wait(WaitError::TimedOut)));
}

#[test]
fn a_message_that_does_not_fit_stays() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 0));
    let (a, b) = ends(channel);
    b.try_send(&caller, b"twelve bytes", ()).unwrap();
    let short = Err(ReceiveError::TooShort { len: 12, caps: 0 });
    let mut buffer = [0; 12];
    assert_eq!(a.try_receive(&caller, &mut buffer[..11], ()), short);
    assert_eq!(a.receive(&caller, &mut buffer[..11], (), None), short);
    assert_eq!(
        (a.try_receive(&caller, &mut buffer, ()).map(|got| got.len), &buffer),
        (Ok(12), b"twelve bytes")
    );
}

/// Zircon fxb/47000: a reader that does not read costs what was lent, and the sender is told.
#[test]
fn slow_reader_bounds_memory() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(64, 0, 0));
    let (a, b) = ends(channel);
    let charged = channel.quota.used(Resource::Bytes);
    let sent = (0..1000).filter(|_| a.try_send(&caller, &[7; 150], ()).is_ok()).count();
    assert_eq!((sent, channel.quota.used(Resource::Bytes)), (32, charged), "two blocks each");
    assert!(charged >= 2 * 64 * size_of::<Block>());
    assert_eq!(channel.stats(Side::A), ChannelStats { sent: 32, taken: 0, full: 968 });
    assert!(!a.readiness().contains(Readiness::WRITABLE));
    let mut writable = 0;
    for _ in 0..32 {
        b.try_receive(&caller, &mut [0; 150], ()).unwrap();
        writable += u32::from(a.readiness().contains(Readiness::WRITABLE));
    }
    assert_eq!(writable, 17, "from the low water on");
    assert_eq!((channel.check(), channel.is_idle()), (Ok(()), true));
}

#[test]
fn writable_ends_at_the_high_water_and_begins_at_the_low() {
    let lab = Lab::new();
    let caller = lab.caller();
    let quota = lab.quotas.root(Limits::UNLIMITED).unwrap();
    let config = Config { low_water: 2, high_water: 6, ..Config::of(8, 0) };
    let memory = [(); 2].map(|()| Lab::memory(8, 0, 0));
    let channel = leak(Chan::new(lab.park.clone(), memory, lab.levels, quota, config, 0, 0).unwrap());
    let (a, b) = ends(channel);
    let writable = || a.readiness().contains(Readiness::WRITABLE);
    let sent: Vec<bool> = (0..8)
        .map(|_| {
            a.try_send(&caller, b"", ()).unwrap();
            writable()
        })
        .collect();
    assert_eq!(sent, [true, true, true, true, true, false, false, false]);
    let read: Vec<bool> = (0..8)
        .map(|_| {
            b.try_receive(&caller, &mut [], ()).unwrap();
            writable()
        })
        .collect();
    assert_eq!(read, [false, false, false, false, false, true, true, true]);
}

/// embassy#3807, #4598: who waits for room is woken by a queue that is emptied, and by a side that closes.
#[test]
fn clear_wakes_senders() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 0));
    let (a, b) = ends(channel);
    a.try_send(&caller, &[0; 400], ()).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(a.send_async(&caller, &[0; 200], ()))).collect();
    assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
    assert_eq!(reason(a.try_send(&caller, b"", ())), Some(SendReason::Full));
    assert_eq!(b.clear(8), Progress::Done);
    assert_eq!(waits[0].as_mut().poll(cx), Poll::Ready(Ok(())));
    assert_eq!(waits[1].as_mut().poll(cx), Poll::Ready(Ok(())));
    assert!(waits[2].as_mut().poll(cx).is_pending());
    finish(b.close());
    let closed = SendError { reason: SendReason::Wait(CLOSED), message: () };
    assert_eq!(waits[2].as_mut().poll(cx), Poll::Ready(Err(closed)));
    drop(waits);
    assert_eq!((channel.check(), channel.is_idle()), (Ok(()), true));
}

/// Who asks for much is not overtaken by who asks for little; a future that is dropped passes on what it was given.
#[test]
fn room_goes_to_who_asked_first() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 0));
    let (a, b) = ends(channel);
    a.try_send(&caller, &[0; 200], ()).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut large = Box::pin(a.send_async(&caller, &[0; 400], ()));
    let mut small = pin!(a.send_async(&caller, b"", ()));
    assert!(large.as_mut().poll(cx).is_pending() && small.as_mut().poll(cx).is_pending());
    b.try_receive(&caller, &mut [0; 200], ()).unwrap();
    assert!(small.as_mut().poll(cx).is_pending());
    drop(large);
    assert_eq!(small.as_mut().poll(cx), Poll::Ready(Ok(())));
}

#[test]
fn a_closed_peer_is_told_behind_the_last_message() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 0));
    let (a, b) = ends(channel);
    a.try_send(&caller, b"last", ()).unwrap();
    b.try_send(&caller, b"unread", ()).unwrap();
    finish(a.close());
    assert_eq!(reason(b.try_send(&caller, b"", ())), Some(SendReason::Wait(CLOSED)));
    assert_eq!(reason(b.send(&caller, b"", (), None)), Some(SendReason::Wait(CLOSED)));
    assert_eq!(b.readiness(), Readiness::READABLE | Readiness::HUNG_UP);
    assert_eq!(b.receive(&caller, &mut [0; 4], (), None).map(|got| got.len), Ok(4));
    assert_eq!(b.receive(&caller, &mut [0; 4], (), None), Err(ReceiveError::Wait(CLOSED)));
    assert_eq!(reason(a.try_send(&caller, b"", ())), Some(SendReason::Closed));
    assert_eq!(reason(a.send(&caller, b"", (), None)), Some(SendReason::Closed));
    assert_eq!(a.receive(&caller, &mut [0; 4], (), None), Err(ReceiveError::Closed));
    assert!(channel.is_idle(), "what nobody reads is gone");
}

#[test]
fn a_permit_is_room() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 0));
    let (a, b) = ends(channel);
    let permit = a.try_reserve(&caller, 300, 0).unwrap();
    assert_eq!(reason(a.try_send(&caller, &[0; 200], ())), Some(SendReason::Full));
    a.try_send(&caller, b"", ()).unwrap();
    permit.send(&caller, &[0; 10], ()).unwrap();
    a.try_send(&caller, &[0; 200], ()).unwrap();
    assert_eq!(a.try_reserve(&caller, 0, 0).err(), Some(SendReason::Full));
    assert_eq!(b.clear(9), Progress::Done);
    let small = a.try_reserve(&caller, 10, 0).unwrap();
    let too_big = small.send(&caller, &[0; 11], ());
    assert_eq!(reason(too_big), Some(SendReason::TooBig { len: 11, max: 10 }));
    let permit = a.try_reserve(&caller, 300, 0).unwrap();
    finish(b.close());
    assert_eq!(reason(permit.send(&caller, b"", ())), Some(SendReason::Wait(CLOSED)));
    assert_eq!((channel.check(), channel.is_idle()), (Ok(()), true));
}

#[test]
fn an_answer_goes_to_its_call_past_the_queue() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(8, 0, 2));
    let (a, b) = ends(channel);
    b.try_send(&caller, b"before", ()).unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut answer, mut none) = ([0; 8], nothing());
    let mut call = Box::pin(a.call_async(&caller, b"ask", (), (&mut answer, &mut none)));
    assert!(call.as_mut().poll(cx).is_pending());
    let got = b.try_receive(&caller, &mut [0; 8], ()).unwrap();
    let txid = got.txid.unwrap();
    let too_big = SendReason::TooBig { len: 9, max: 8 };
    assert_eq!(reason(b.reply(&caller, txid, b"too long!", ())), Some(too_big));
    assert_eq!(b.reply(&caller, txid, b"answer", ()), Ok(()));
    assert_eq!(reason(b.reply(&caller, txid, b"again", ())), Some(SendReason::Stale));
    assert_eq!(call.as_mut().poll(cx), Poll::Ready(Ok(Received { len: 6, caps: 0, txid: None })));
    drop(call);
    assert_eq!(&answer, b"answer\0\0");
    assert_eq!(a.try_receive(&caller, &mut [0; 8], ()).map(|got| got.len), Ok(6));
    assert!(channel.is_idle());
}

#[test]
fn room_for_the_answer_is_promised_with_the_call() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(4, 0, 1));
    let (a, b) = ends(channel);
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut answer, mut none) = ([0; 200], nothing());
    let mut call = Box::pin(a.call_async(&caller, b"ask", (), (&mut answer, &mut none)));
    assert!(call.as_mut().poll(cx).is_pending());
    let txid = b.try_receive(&caller, &mut [0; 8], ()).unwrap().txid.unwrap();
    while b.try_send(&caller, b"", ()).is_ok() {}
    b.reply(&caller, txid, &[1; 200], ()).unwrap();
    assert!(call.as_mut().poll(cx).is_ready());
    drop(call);
    let no_place = a.call(&caller, b"", (), (&mut [0; 400], &mut nothing()), PAST);
    assert!(matches!(no_place, Err(CallError::Unsent(SendError { reason: SendReason::Full, .. }))));
    assert_eq!(a.clear(9), Progress::Done);
    assert!(channel.is_idle());
}

/// A place is used again under another number; one whose numbers are used up, never.
#[test]
fn late_answers_are_stale() {
    let lab = Lab::new();
    let caller = lab.caller();
    let quota = lab.quotas.root(Limits::UNLIMITED).unwrap();
    let mut memory = [(); 2].map(|()| Lab::memory(16, 0, 0));
    memory[1].calls = many(1, || CallPlace::new().starting_at(u32::MAX - 2));
    let config = Config::of(16, 0);
    let channel = leak(Chan::new(lab.park.clone(), memory, lab.levels, quota, config, 0, 0).unwrap());
    let (a, b) = ends(channel);
    let mut stale = Vec::new();
    let full = loop {
        match a.call(&caller, b"ask", (), (&mut [0; 8], &mut nothing()), PAST) {
            Err(CallError::Wait(WaitError::TimedOut)) => {}
            Err(CallError::Unsent(unsent)) => break unsent.reason,
            other => panic!("{other:?}"),
        }
        let txid = b.try_receive(&caller, &mut [0; 8], ()).unwrap().txid.unwrap();
        assert!(!stale.contains(&txid), "a number came back");
        stale.push(txid);
        let refused = |&txid: &Txid| reason(b.reply(&caller, txid, b"", ())) == Some(SendReason::Stale);
        assert!(stale.iter().all(refused));
    };
    assert_eq!((full, stale.len(), channel.is_idle(), channel.check()), (SendReason::Full, 2, true, Ok(())));
}

/// nanvix#2351: calls that were received, queued, or wait for room, all learn of it.
#[test]
fn peer_death_ends_every_blocked_call() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(24, 0, 20));
    let (a, b) = ends(channel);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut places: Vec<_> = (0..20).map(|_| ([0; 8], nothing())).collect();
    let mut calls: Vec<_> = places
        .iter_mut()
        .map(|(bytes, none)| Box::pin(a.call_async(&caller, &[0; 200], (), (bytes, none))))
        .collect();
    assert!(calls.iter_mut().all(|call| call.as_mut().poll(cx).is_pending()));
    let txid = b.try_receive(&caller, &mut [0; 200], ()).unwrap().txid.unwrap();
    finish(b.close());
    for (number, call) in calls.iter_mut().enumerate() {
        let Poll::Ready(Err(error)) = call.as_mut().poll(cx) else { panic!("call {number} waits") };
        let unsent = SendError { reason: SendReason::Wait(CLOSED), message: () };
        assert!([CallError::Wait(CLOSED), CallError::Unsent(unsent)].contains(&error), "{error}");
    }
    assert_eq!(reason(b.reply(&caller, txid, b"", ())), Some(SendReason::Stale));
    drop(calls);
    assert_eq!((channel.check(), channel.is_idle()), (Ok(()), true));
}

fn counted(space: &Space, handle: &Arc<()>) -> CapId {
    space.insert(Thing::Counted(Arc::clone(handle)), Rights::all(), 5).unwrap()
}

#[test]
fn capabilities_go_with_their_message_all_or_none() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(8, 3, 0));
    let ((a, b), handle) = (ends(channel), Arc::new(()));
    let (ours, theirs) = (lab.space(8), lab.space(2));
    let ids: Vec<CapId> = (0..4).map(|_| counted(ours, &handle)).collect();
    let refused = a.try_send(&caller, b"", ours.prepare(&ids).unwrap()).unwrap_err();
    assert_eq!(refused.reason, SendReason::TooManyCaps { caps: 4, max: 3 });
    drop(refused);
    a.try_send(&caller, b"two", ours.prepare(&ids[..2]).unwrap()).unwrap();
    let refused = a.try_send(&caller, b"", ours.prepare(&ids[2..]).unwrap()).unwrap_err();
    assert_eq!((refused.reason, refused.message.len()), (SendReason::Full, 2));
    drop(refused);
    assert!(ids[2..].iter().all(|&id| ours.check(id, Rights::READ).is_ok()), "back under their numbers");
    assert!(ids[..2].iter().all(|&id| ours.check(id, Rights::READ).is_err()));
    let mut buffer = [0; 3];
    let short = Err(ReceiveError::TooShort { len: 3, caps: 2 });
    assert_eq!(b.try_receive(&caller, &mut buffer, ()), short);
    let taken = counted(theirs, &handle);
    let mut there = [CapId::from_raw(0); 3];
    let full = b.try_receive(&caller, &mut buffer, ToSpace { space: theirs, ids: &mut there });
    assert_eq!((full, theirs.stats().live), (Err(ReceiveError::Cap(CapError::Full)), 1));
    theirs.close(taken).unwrap();
    let got = b.receive(&caller, &mut buffer, ToSpace { space: theirs, ids: &mut there }, None);
    assert_eq!((got.map(|got| got.caps), &buffer), (Ok(2), b"two"));
    assert!(there[..2].iter().all(|&id| theirs.check(id, Rights::READ).map(|info| info.badge) == Ok(5)));
    assert_eq!((channel.check(), channel.is_idle(), Arc::strong_count(&handle)), (Ok(()), true, 5));
}

#[test]
fn what_is_revoked_in_a_queue_arrives_of_no_use() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(8, 3, 0));
    let ((a, b), handle) = (ends(channel), Arc::new(()));
    let (ours, theirs) = (lab.space(8), lab.space(2));
    let origin = counted(ours, &handle);
    let copy = ours.duplicate(origin, Rights::READ | Rights::TRANSFER).unwrap();
    a.try_send(&caller, b"", ours.prepare(&[copy]).unwrap()).unwrap();
    ours.revoke(origin).unwrap().finish();
    let mut there = [CapId::from_raw(0)];
    b.try_receive(&caller, &mut [], ToSpace { space: theirs, ids: &mut there }).unwrap();
    assert_eq!(theirs.check(there[0], Rights::READ), Err(CapError::Revoked));
}

#[test]
fn what_nobody_receives_is_dropped() {
    let lab = Lab::new();
    let (caller, channel) = (lab.caller(), lab.channel(8, 8, 1));
    let ((a, b), handle) = (ends(channel), Arc::new(()));
    let ours = lab.space(8);
    let ids: Vec<CapId> = (0..3).map(|_| counted(ours, &handle)).collect();
    a.try_send(&caller, &[0; 300], ours.prepare(&ids[..2]).unwrap()).unwrap();
    let (mut answer, mut places) = ([0; 8], [const { None }; 1]);
    let mut call = Box::pin(a.call_async(&caller, b"", (), (&mut answer, &mut places)));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(b.clear(1), Progress::More);
    let txid = b.try_receive(&caller, &mut [], ()).unwrap().txid.unwrap();
    b.reply(&caller, txid, b"late", ours.prepare(&ids[2..]).unwrap()).unwrap();
    assert_eq!(Arc::strong_count(&handle), 2);
    drop(call);
    assert_eq!((Arc::strong_count(&handle), channel.is_idle(), channel.check()), (1, true, Ok(())));
}

#[test]
fn channels_do_not_lie_in_each_other_in_a_circle() {
    let lab = Lab::new();
    let caller = lab.caller();
    let channels: Vec<_> = (0..4).map(|_| lab.channel(8, 4, 0)).collect();
    let ours = lab.space(16);
    let send = |outer: usize, inner: usize| {
        let id = ours.insert(Thing::End(channels[inner]), Rights::all(), 0).unwrap();
        let sent = reason(channels[outer].end(Side::A).try_send(&caller, b"", ours.prepare(&[id]).unwrap()));
        assert_eq!(sent.is_some(), ours.check(id, Rights::READ).is_ok(), "a refused end comes back");
        sent
    };
    assert_eq!(send(0, 0), Some(SendReason::Cycle));
    assert_eq!((send(0, 1), send(1, 2), send(2, 3)), (None, None, None));
    assert_eq!(
        (send(3, 0), send(2, 1), send(1, 0)),
        (Some(SendReason::Cycle), Some(SendReason::Cycle), Some(SendReason::Cycle))
    );
    assert_eq!(send(0, 3), None, "no circle");
    assert_eq!(channels[2].end(Side::B).clear(9), Progress::Done);
    assert_eq!(send(3, 0), Some(SendReason::Cycle), "still in the first");
    assert_eq!(channels[0].end(Side::B).clear(9), Progress::Done);
    assert_eq!(send(3, 0), None);
    assert!(channels.iter().all(|channel| channel.check() == Ok(())));
}

#[test]
fn a_channel_without_room_for_its_limits_is_refused() {
    let lab = Lab::new();
    let new = |config: Config, limits| {
        let quota = lab.quotas.root(limits).unwrap();
        let memory = [(); 2].map(|()| Lab::memory(8, 2, 0));
        Chan::new(lab.park.clone(), memory, lab.levels, quota, config, 0, 0).err()
    };
    let (good, all) = (Config::of(8, 2), Limits::UNLIMITED);
    let too_large = Some(CreateError::TooLarge);
    assert_eq!(new(Config { max_message: good.max_message + 1, ..good }, all), too_large);
    assert_eq!(new(Config { max_caps: 3, ..good }, all), too_large);
    assert_eq!(new(Config { low_water: 8, ..good }, all), Some(CreateError::Water));
    assert_eq!(new(Config { high_water: 9, ..good }, all), Some(CreateError::Water));
    assert!(matches!(new(good, Limits::all(100)), Some(CreateError::Quota(_))));
    assert_eq!(new(good, all), None);
}

/// 100,000 operations by default; `KOS_CHANNEL_OPS` for more.
#[test]
fn a_channel_holds_what_two_queues_hold() {
    const LENGTH: u64 = 250;
    let ops: u64 = std::env::var("KOS_CHANNEL_OPS").map_or(100_000, |ops| ops.parse().unwrap());
    (0..ops / LENGTH).for_each(|seed| channel_model::run(&mut Choices::random(seed, LENGTH)));
}

#[test]
fn the_corpus_of_channel_frames_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/channel_frames");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::channel_frames(&std::fs::read(path).unwrap()));
}
