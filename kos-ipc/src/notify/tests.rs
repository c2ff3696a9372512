//! Semaphores beside what POSIX says of them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use super::{AcquireError, ReleaseError, Semaphore};
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
