//! Semaphores beside what POSIX says of them; event counters.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};

use super::{
    AcquireError, CounterError, CounterMode, EventCounter, Notification, NotifyError, ReleaseError, Semaphore,
};
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::testing::{Rng, SimBody, SimEnv, SimPark, SimToken, StdEnv, StdPark, cases, simulate};
use crate::time::Instant;

#[test]
fn permits_stay_within_their_bounds() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let semaphore = Semaphore::<StdEnv>::new(park, Semaphore::<StdEnv>::MAX - 1, 0, 0);
    assert_eq!(semaphore.release(&caller, 1), Ok(()));
    assert_eq!(semaphore.release(&caller, 1), Err(ReleaseError::Overflow));
    assert_eq!(semaphore.release(&caller, u32::MAX), Err(ReleaseError::Overflow));
    assert_eq!(semaphore.acquire(&caller, u32::MAX, None), Err(AcquireError::TooMany));
    assert_eq!(semaphore.available(), Semaphore::<StdEnv>::MAX, "nothing changed");
    assert_eq!(semaphore.acquire(&caller, Semaphore::<StdEnv>::MAX, None), Ok(()));
    assert_eq!(semaphore.try_acquire(&caller, 1), Err(AcquireError::WouldBlock));
    assert_eq!(semaphore.check(), Ok(()));
}

#[test]
fn who_asks_for_less_does_not_overtake() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let semaphore = Semaphore::<StdEnv>::new(park, 1, 0, 0);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut large = Box::pin(semaphore.acquire_async(&caller, 2));
    let mut small = pin!(semaphore.acquire_async(&caller, 1));
    assert!(large.as_mut().poll(cx).is_pending() && small.as_mut().poll(cx).is_pending());
    assert_eq!(semaphore.try_acquire(&caller, 1), Err(AcquireError::WouldBlock));
    drop(large);
    assert_eq!(small.as_mut().poll(cx), Poll::Ready(Ok(())), "who gives up lets the next in");
    assert_eq!((semaphore.available(), semaphore.check()), (0, Ok(())));
}

#[test]
fn a_permit_of_a_dropped_future_goes_to_the_next() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let semaphore = Semaphore::<StdEnv>::new(park, 0, 0, 0);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut first = Box::pin(semaphore.acquire_async(&caller, 1));
    let mut second = pin!(semaphore.acquire_async(&caller, 1));
    assert!(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending());
    semaphore.release(&caller, 1).unwrap();
    drop(first);
    assert_eq!(second.as_mut().poll(cx), Poll::Ready(Ok(())));
    assert_eq!(semaphore.available(), 0);
}

/// One thread that takes permits and gives them back, with deadlines and without.
fn take_and_give(shared: &Semaphore<SimEnv>, park: &SimPark, me: SimToken, rng: &mut Rng) {
    let caller = Caller::new(&me, (), &NoPolicy);
    for _ in 0..5 {
        let need = u32::try_from(rng.below(3)).unwrap() + 1;
        let until = (rng.below(2) == 0).then(|| Instant::from_ticks(rng.next() % 100));
        let taken = shared.acquire(&caller, need, until);
        park.yield_now(me);
        match taken {
            Ok(()) => shared.release(&caller, need).unwrap(),
            Err(error) => assert!(until.is_some() && error == AcquireError::Wait(WaitError::TimedOut)),
        }
    }
}

/// Permits are neither made nor lost.
fn permits_are_conserved(seed: u64) {
    let mut semaphore = None;
    simulate(seed, |park| {
        let shared = Arc::new(Semaphore::<SimEnv>::new(park.clone(), 3, 0, 0));
        semaphore = Some(Arc::clone(&shared));
        let body = |number: u64| {
            let (shared, park) = (Arc::clone(&shared), park.clone());
            let mut rng = Rng::new(seed << 8 | number);
            Box::new(move |me| take_and_give(&shared, &park, me, &mut rng)) as SimBody<'_>
        };
        (0..4).map(body).collect::<Vec<_>>()
    })
    .unwrap();
    let semaphore = semaphore.unwrap();
    assert_eq!((semaphore.available(), semaphore.check()), (3, Ok(())), "seed {seed}");
}

#[test]
fn permits_are_conserved_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(permits_are_conserved);
}

#[test]
fn a_closed_semaphore_ends_waits_and_gives_what_is_left() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let semaphore = Semaphore::<StdEnv>::new(park, 1, 0, 0);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut wait = pin!(semaphore.acquire_async(&caller, 2));
    assert!(wait.as_mut().poll(cx).is_pending());
    semaphore.close();
    let closed = Err(AcquireError::Wait(WaitError::PeerClosed));
    assert_eq!(wait.as_mut().poll(cx), Poll::Ready(closed));
    assert_eq!(semaphore.acquire(&caller, 2, None), closed);
    assert_eq!(semaphore.acquire(&caller, 1, None), Ok(()));
}

/// One thread that reads, or writes, with deadlines. Returns how much.
fn move_events(counter: &EventCounter<SimEnv>, me: SimToken, number: u64, rng: &mut Rng) -> u64 {
    let caller = Caller::new(&me, (), &NoPolicy);
    let mut one = || {
        let (until, events) = (Some(Instant::from_ticks(rng.next() % 100)), rng.next() % 20);
        match number.is_multiple_of(2) {
            true => counter.read(&caller, until).unwrap_or(0),
            false => counter.write(&caller, events, until).map_or(0, |()| events),
        }
    };
    (0..4).fold(0, |sum: u64, _| sum.wrapping_add(one()))
}

/// What is written is read, in whatever order readers and writers come, sleep and give up; nobody sleeps beside what it waits for.
fn events_are_conserved(seed: u64, mode: CounterMode) {
    let (read, mut counter) = (AtomicU64::new(0), None);
    let near_full = EventCounter::<SimEnv>::MAX - 10;
    let written = AtomicU64::new(0);
    simulate(seed, |park| {
        let start = if seed.is_multiple_of(2) { 0 } else { near_full };
        let shared = Arc::new(EventCounter::<SimEnv>::new(park.clone(), start, mode, 0, 0));
        counter = Some(Arc::clone(&shared));
        written.fetch_add(start, Ordering::Relaxed);
        let body = |number: u64| {
            let (shared, read, written) = (Arc::clone(&shared), &read, &written);
            Box::new(move |me| {
                let mut rng = Rng::new(seed << 8 | number);
                let sum = if number.is_multiple_of(2) { read } else { written };
                sum.fetch_add(move_events(&shared, me, number, &mut rng), Ordering::Relaxed);
            }) as SimBody<'_>
        };
        (0..4).map(body).collect::<Vec<_>>()
    })
    .unwrap();
    let counter = counter.unwrap();
    let left = written.into_inner().wrapping_sub(read.into_inner());
    assert_eq!((counter.count(), counter.check()), (left, Ok(())), "seed {seed}");
}

#[test]
fn events_are_conserved_in_any_order() {
    for seed in 0..u64::from(cases()) / 4 {
        events_are_conserved(seed, CounterMode::Whole);
        events_are_conserved(seed, CounterMode::One);
    }
}

#[test]
fn a_writer_waits_for_room_and_a_reader_makes_it() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let max = EventCounter::<StdEnv>::MAX;
    let counter = EventCounter::<StdEnv>::new(park, max, CounterMode::Whole, 0, 0);
    assert_eq!(counter.try_write(&caller, 1), Err(CounterError::WouldBlock));
    assert_eq!(counter.write(&caller, u64::MAX, None), Err(CounterError::TooMany));
    let gone = Err(CounterError::Wait(WaitError::TimedOut));
    assert_eq!(counter.write(&caller, 1, Some(Instant::from_ticks(0))), gone);
    assert_eq!(counter.try_write(&caller, 0), Ok(()));
    assert_eq!(counter.read(&caller, None), Ok(max));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut first = Box::pin(counter.read_async(&caller));
    let mut second = pin!(counter.read_async(&caller));
    assert!(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending());
    counter.write(&caller, 3, None).unwrap();
    drop(first);
    assert_eq!(second.as_mut().poll(cx), Poll::Ready(Ok(3)), "what a dropped future had goes to the next");
    assert_eq!((counter.count(), counter.check()), (0, Ok(())));
}

/// One thread that posts bits of its own, one by one, or takes by random masks.
fn move_bits(object: &Notification<SimEnv>, me: SimToken, number: u64, taken: &AtomicU64, rng: &mut Rng) {
    let caller = Caller::new(&me, (), &NoPolicy);
    for turn in 0..5 {
        if number.is_multiple_of(2) {
            let (mask, until) = (rng.next(), Some(Instant::from_ticks(rng.next() % 100)));
            let bits = object.take(&caller, mask, until).unwrap_or(0);
            let before = taken.fetch_or(bits, Ordering::Relaxed);
            assert_eq!((bits & !mask, bits & before), (0, 0), "not asked for, or twice");
        } else {
            object.post(&caller, 1 << (8 * number + turn)).unwrap();
        }
    }
}

/// Each bit that is posted is taken once, or is there in the end.
fn bits_are_conserved(seed: u64) {
    let (taken, mut object) = (AtomicU64::new(0), None);
    simulate(seed, |park| {
        let shared = Arc::new(Notification::<SimEnv>::new(park.clone(), 0, 0));
        object = Some(Arc::clone(&shared));
        let body = |number: u64| {
            let (shared, taken, mut rng) = (Arc::clone(&shared), &taken, Rng::new(seed << 8 | number));
            Box::new(move |me| move_bits(&shared, me, number, taken, &mut rng)) as SimBody<'_>
        };
        (0..4).map(body).collect::<Vec<_>>()
    })
    .unwrap();
    let object = object.unwrap();
    let all = 0x1f << 8 | 0x1f << 24;
    assert_eq!((taken.into_inner() | object.pending(), object.check()), (all, Ok(())), "seed {seed}");
}

#[test]
fn bits_are_conserved_in_any_order() {
    (0..u64::from(cases()) / 4).for_each(bits_are_conserved);
}

#[test]
fn each_waiter_gets_the_bits_of_its_mask() {
    let (park, policy) = (StdPark::new(), NoPolicy);
    let token = park.token();
    let caller = Caller::new(&token, (), &policy);
    let object = Notification::<StdEnv>::new(park, 0, 0);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut low = Box::pin(object.take_async(&caller, 0x0f));
    let mut high = pin!(object.take_async(&caller, 0xf0));
    let mut any = pin!(object.take_async(&caller, u64::MAX));
    assert!(
        low.as_mut().poll(cx).is_pending()
            && high.as_mut().poll(cx).is_pending()
            && any.as_mut().poll(cx).is_pending()
    );
    object.post(&caller, 0x121).unwrap();
    assert_eq!(high.as_mut().poll(cx), Poll::Ready(Ok(0x20)));
    assert_eq!(any.as_mut().poll(cx), Poll::Ready(Ok(0x100)));
    drop(low);
    assert_eq!(object.pending(), 1, "what a dropped future had is there again");
    assert_eq!(object.try_take(&caller, 2), Err(NotifyError::WouldBlock));
    assert_eq!(object.try_take(&caller, 3), Ok(1));
    object.close();
    assert_eq!(object.take(&caller, 1, None), Err(NotifyError::Wait(WaitError::PeerClosed)));
    assert_eq!(object.check(), Ok(()));
}
