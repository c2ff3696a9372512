//! Messages without end between threads of the host, which stop at any time: no wake-up is lost, nothing is there twice, and what was
//! promised is given back. `KOS_SOAK_MESSAGES` says how many; by default so many that it takes no time.

use alloc::vec::Vec;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::time::Instant as Clock;
use std::{env, thread};

use crate::caller::Caller;
use crate::cap::{Cells, Object};
use crate::channel::{Block, CallPlace, CapPlace, Channel, Config, Levels, Memory, ReceiveError, Side};
use crate::endpoint::{CallError, CallSlot, Endpoint, ReceiveError as CallReceiveError};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::ring::{Slot, Spsc};
use crate::testing::{Rng, StdEnv, StdPark, StdToken};
use crate::time::Instant;
use crate::wait::Progress;

/// Who sleeps so long beside something to do has lost his wake-up.
const LOST: Duration = Duration::from_secs(60);

fn messages() -> u64 {
    env::var("KOS_SOAK_MESSAGES").map_or(40_000, |count| count.parse().unwrap())
}

/// Stops now and then, for a time that differs.
fn stumble(rng: &mut Rng, once_in: usize) {
    match rng.below(once_in) {
        0 => thread::sleep(Duration::from_micros(rng.next() % 200)),
        1 => thread::yield_now(),
        _ => {}
    }
}

/// Items through a ring; the consumer says when it sleeps, and is woken then only.
#[test]
fn a_ring_loses_no_wake_up() {
    let (count, mut slots) = (messages(), Vec::new());
    slots.resize_with(256, Slot::new);
    let mut ring = Spsc::new(&mut slots).unwrap();
    let (mut producer, mut consumer) = ring.split();
    thread::scope(|scope| {
        let taker = scope.spawn(move || {
            let mut rng = Rng::new(1);
            let mut next = 0;
            while next < count {
                while let Some(item) = consumer.pop() {
                    assert_eq!(item, next);
                    next += 1;
                }
                if next < count && consumer.arm() {
                    let since = Clock::now();
                    thread::park_timeout(LOST);
                    assert!(since.elapsed() < LOST || consumer.available() == 0, "a wake-up is lost");
                }
                stumble(&mut rng, 1 << 14);
            }
        });
        let mut rng = Rng::new(2);
        for item in 0..count {
            let mut full = producer.push(item);
            while let Err(back) = full {
                thread::yield_now();
                full = producer.push(back.0);
            }
            if producer.must_wake() {
                taker.thread().unpark();
            }
            stumble(&mut rng, 1 << 16);
        }
    });
}

#[derive(Clone)]
struct Nothing;

impl Object for Nothing {
    fn kind(&self) -> u8 {
        0
    }
}

fn places<T>(count: usize, make: impl FnMut() -> T) -> Vec<T> {
    core::iter::repeat_with(make).take(count).collect()
}

/// A moment from now, or none; the second one is so late that only a lost wake-up comes to it.
fn until(park: &StdPark, hasty: bool) -> Instant {
    let time = if hasty { Duration::from_micros(20) } else { LOST };
    park.after(crate::time::Duration::from_ticks(u64::try_from(time.as_nanos()).unwrap()))
}

type Chan<'m, 'c> = Channel<'m, 'c, StdEnv, Nothing>;

/// What both sides of a test have counted.
#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tally {
    fn counts(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

fn send_some(channel: &Chan<'_, '_>, park: &StdPark, tally: &Tally, (seed, count): (u64, u64)) {
    let (mut rng, token, end) = (Rng::new(seed), park.token(), channel.end(Side::A));
    let caller = Caller::new(&token, (), &NoPolicy);
    for _ in 0..count {
        let hasty = rng.below(8) == 0;
        let until = Some(until(park, hasty));
        let bytes = &[7; 400][..rng.below(400)];
        let sent = match rng.below(4) {
            0 => end
                .reserve(&caller, bytes.len(), 0, until)
                .and_then(|permit| permit.send(&caller, bytes, ()).map_err(|error| error.reason)),
            _ => end.send(&caller, bytes, (), until).map_err(|error| error.reason),
        };
        assert!(sent.is_ok() || hasty, "{sent:?}");
        tally.sent.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
        stumble(&mut rng, 1 << 12);
    }
}

fn receive_all(channel: &Chan<'_, '_>, park: &StdPark, tally: &Tally, seed: u64) {
    let (mut rng, token, end) = (Rng::new(seed), park.token(), channel.end(Side::B));
    let caller = Caller::new(&token, (), &NoPolicy);
    loop {
        let hasty = rng.below(8) == 0;
        match end.receive(&caller, &mut [0; 400], (), Some(until(park, hasty))) {
            Ok(_) => _ = tally.received.fetch_add(1, Ordering::Relaxed),
            Err(ReceiveError::Wait(WaitError::TimedOut)) => assert!(hasty, "a wake-up is lost"),
            Err(error) => return assert_eq!(error, ReceiveError::Wait(WaitError::PeerClosed)),
        }
        stumble(&mut rng, 1 << 12);
    }
}

/// Messages through a channel: two who send, some with promises, some in haste; two who receive, some in haste.
#[test]
fn a_channel_loses_no_message() {
    let (count, park, tally) = (messages() / 10, StdPark::new(), Tally::default());
    let mut nodes = places(1, QuotaNode::new);
    let quotas = Quotas::<StdEnv>::new(&mut nodes);
    let quota = quotas.root(Limits::UNLIMITED).unwrap();
    let cells = Cells::new(&mut [], &quotas);
    let levels = Levels::new(&cells);
    let mut blocks = [(); 2].map(|()| places(8, Block::new));
    let mut caps = [(); 2].map(|()| places(1, CapPlace::<StdEnv, Nothing>::new));
    let mut calls = [(); 2].map(|()| places(1, CallPlace::<StdToken>::new));
    let ([b0, b1], [c0, c1], [p0, p1]) = (&mut blocks, &mut caps, &mut calls);
    let memory = [Memory { blocks: b0, caps: c0, calls: p0 }, Memory { blocks: b1, caps: c1, calls: p1 }];
    let channel = Channel::new(park.clone(), memory, &levels, quota, Config::of(8, 1), 0, 0).unwrap();
    let (channel, park, tally) = (&channel, &park, &tally);
    thread::scope(|scope| {
        let senders =
            [3, 4].map(|seed| scope.spawn(move || send_some(channel, park, tally, (seed, count / 2))));
        let receivers = [5, 6].map(|seed| scope.spawn(move || receive_all(channel, park, tally, seed)));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let mut closing = channel.end(Side::A).close();
        while closing.step(8) == Progress::More {}
        receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
    });
    let (sent, received) = tally.counts();
    assert!(sent == received && sent > count / 2, "{received} of {sent}");
    assert!(channel.is_idle() && channel.check().is_ok());
}

type Desk<'e> = Endpoint<'e, StdEnv, u64>;

/// A call by a future that is dropped. Whether its answer was there already.
fn call_and_leave(desk: &Desk<'_>, caller: &Caller<'_, StdEnv>) -> bool {
    let Ok(mut call) = desk.call_async(caller, 0, 1) else { return false };
    // A server may have dropped it meanwhile, which is no answer.
    let polled = Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(_)))
}

fn call_some(desk: &Desk<'_>, park: &StdPark, tally: &Tally, (seed, count): (u64, u64)) {
    let (mut rng, token) = (Rng::new(seed), park.token());
    let caller = Caller::new(&token, (), &NoPolicy);
    for number in 0..count {
        let hasty = rng.below(8) == 0;
        let answered = if rng.below(32) == 0 {
            call_and_leave(desk, &caller)
        } else {
            match desk.call(&caller, 0, number, None, Some(until(park, hasty))) {
                Ok(answer) => answer == number + 1,
                Err(error) => {
                    assert!(hasty || error == CallError::ReplyDropped, "{error}");
                    false
                }
            }
        };
        tally.received.fetch_add(u64::from(answered), Ordering::Relaxed);
        stumble(&mut rng, 1 << 10);
    }
}

fn serve(desk: &Desk<'_>, park: &StdPark, tally: &Tally, seed: u64) {
    let (mut rng, token) = (Rng::new(seed), park.token());
    let caller = Caller::new(&token, (), &NoPolicy);
    loop {
        match desk.recv(&caller, None) {
            Ok(call) if rng.below(64) == 0 => drop(call),
            Ok(call) => {
                let given = call.token.reply(call.message + 1).is_ok();
                tally.sent.fetch_add(u64::from(given), Ordering::Relaxed);
            }
            Err(error) => return assert_eq!(error, CallReceiveError::Wait(WaitError::PeerClosed)),
        }
        stumble(&mut rng, 1 << 10);
    }
}

/// Calls: some in haste, some by futures that are dropped; two servers drop some answers.
#[test]
fn every_call_ends_and_every_answer_arrives() {
    let (count, park, tally) = (messages() / 40, StdPark::new(), Tally::default());
    let mut slots = places(4, CallSlot::new);
    let desk = Desk::new(park.clone(), &mut slots, 0, 0);
    let (desk, park, tally) = (&desk, &park, &tally);
    thread::scope(|scope| {
        let clients =
            [7, 8, 9].map(|seed| scope.spawn(move || call_some(desk, park, tally, (seed, count / 3))));
        let servers = [10, 11].map(|seed| scope.spawn(move || serve(desk, park, tally, seed)));
        clients.into_iter().for_each(|client| client.join().unwrap());
        let mut walk = desk.close();
        while walk.step(8, |_| true) == Progress::More {}
        servers.into_iter().for_each(|server| server.join().unwrap());
    });
    // Who dropped his call may have been answered in between.
    let (given, arrived) = tally.counts();
    assert!(arrived <= given && given - arrived <= count / 16, "{arrived} of {given}");
    assert!(arrived > count / 2 && desk.check().is_ok());
}
