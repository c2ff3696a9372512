//! A mail: senders with and without patience, promises that are kept and not, receivers, and an end that is closed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{explore, must_find};
use crate::caller::Caller;
use crate::cap::{Cells, Object};
use crate::channel::{Block, CapPlace, Channel, Config, Levels, Memory, ReceiveError, Side};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::sync::Bug;
use crate::wait::Progress;

const SENDERS: usize = 4;
const RECEIVERS: usize = 3;
const LETTERS: usize = 3;

#[derive(Clone)]
struct Nothing;

impl Object for Nothing {
    fn kind(&self) -> u8 {
        0
    }
}

struct Mail {
    channel: Channel<'static, 'static, ModelEnv, Nothing>,
    sent: AtomicU64,
    received: AtomicU64,
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn many<T>(count: usize, make: impl FnMut() -> T) -> &'static mut [T] {
    let mut all = Vec::new();
    all.resize_with(count, make);
    all.leak()
}

fn caller(token: &usize) -> Caller<'_, ModelEnv> {
    Caller::new(token, (), &NoPolicy)
}

impl Mail {
    /// Room for two short letters each way. Not freed: a schedule that fails is taken down without its checker.
    fn open() -> &'static Self {
        let quotas = leak(Quotas::new(many(1, QuotaNode::new)));
        let quota = quotas.root(Limits::UNLIMITED).unwrap();
        let cells = leak(Cells::new(many(0, || unreachable!("none")), quotas));
        let memory = [(); 2].map(|()| Memory {
            blocks: many(2, Block::new),
            caps: many(1, CapPlace::new),
            calls: many(0, || unreachable!("none")),
        });
        let levels = leak(Levels::new(cells));
        let channel = Channel::new(Threads::new(), memory, levels, quota, Config::of(2, 1), 0, 0).unwrap();
        leak(Self { channel, sent: AtomicU64::new(0), received: AtomicU64::new(0) })
    }

    fn send(&self, me: usize) {
        let end = self.channel.end(Side::A);
        for _ in 0..LETTERS {
            let until = if thread_rng().gen_ratio(1, 3) { SOON } else { None };
            let sent = if thread_rng().gen_ratio(1, 2) {
                end.send(&caller(&me), &[1; 40], (), until).is_ok()
            } else {
                let permit = end.reserve(&caller(&me), 200, 0, until);
                let kept = permit.ok().filter(|_| thread_rng().gen_ratio(2, 3));
                kept.is_some_and(|permit| permit.send(&caller(&me), &[2], ()).is_ok())
            };
            self.sent.fetch_add(u64::from(sent), Ordering::Relaxed);
        }
    }

    /// One of them has a box for short letters only, and leaves the others.
    fn receive(&self, me: usize) {
        let (end, mut place) = (self.channel.end(Side::B), [0; 200]);
        let place = &mut place[..if me == SENDERS { 1 } else { 200 }];
        loop {
            let until = if thread_rng().gen_ratio(1, 3) { SOON } else { None };
            match end.receive(&caller(&me), place, (), until) {
                Ok(letter) => {
                    assert!(letter.len <= place.len(), "a part of a letter");
                    self.received.fetch_add(1, Ordering::Relaxed);
                }
                Err(ReceiveError::Wait(WaitError::TimedOut)) => {}
                Err(ReceiveError::TooShort { .. }) => thread::yield_now(),
                Err(ReceiveError::Closed | ReceiveError::Wait(WaitError::PeerClosed)) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn close(&self, side: Side) {
        let mut closing = self.channel.end(side).close();
        while closing.step(1) == Progress::More {}
    }
}

/// The senders end, then their side; or the receivers' side ends at some time, and what was not read is gone.
fn a_day(receivers_leave: bool) {
    let mail = Mail::open();
    let senders: Vec<_> = (0..SENDERS).map(|me| thread::spawn(move || mail.send(me))).collect();
    let receivers: Vec<_> =
        (SENDERS..SENDERS + RECEIVERS).map(|me| thread::spawn(move || mail.receive(me))).collect();
    if receivers_leave {
        thread::yield_now();
        mail.close(Side::B);
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    mail.close(Side::A);
    let left = receivers.into_iter().map(|receiver| receiver.join());
    left.for_each(|ended| ended.unwrap());
    let [sent, received] = [&mail.sent, &mail.received].map(|count| count.load(Ordering::Relaxed));
    assert!(received == sent || receivers_leave && received < sent, "{received} of {sent}");
    assert_eq!((mail.channel.is_idle(), mail.channel.check()), (true, Ok(())));
}

#[test]
fn every_letter_arrives_once() {
    explore(|| a_day(false));
}

#[test]
fn nobody_writes_to_who_has_left() {
    explore(|| a_day(true));
}

#[test]
fn room_that_is_kept_is_found() {
    must_find(Bug::RoomKept, || a_day(false));
}

#[test]
fn a_letter_for_nobody_is_found() {
    must_find(Bug::QueuedForNobody, || a_day(true));
}
