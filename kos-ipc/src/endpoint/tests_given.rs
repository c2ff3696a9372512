//! Calls that are given to who waits, and what comes of them when he, or the caller, goes first.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use super::*;
use crate::caller::Caller;
use crate::policy::NoPolicy;
use crate::testing::{StdEnv, StdPark};
use crate::wait::{Event, Mode, Nesting, Progress, Readiness, Source, WaitSet, WatchSlot};

type Calls = Endpoint<'static, StdEnv, u32>;

/// Runs `story` with an endpoint of four slots and a caller.
fn with(story: impl FnOnce(&'static Calls, &Caller<'_, StdEnv>)) {
    let park = StdPark::new();
    let token = park.token();
    let slots: Vec<_> = (0..4).map(|_| CallSlot::new()).collect();
    let endpoint = &*Box::leak(Box::new(Endpoint::new(park, slots.leak(), 0, 0)));
    story(endpoint, &Caller::new(&token, (), &NoPolicy));
    assert_eq!(endpoint.check(), Ok(()));
}

macro_rules! poll {
    ($future:expr) => {
        $future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
}

fn message<'a>(
    received: Poll<Result<Received<'a, 'static, StdEnv, u32>, ReceiveError>>,
) -> Option<(u32, ReplyToken<'a, 'static, StdEnv, u32>)> {
    match received {
        Poll::Ready(Ok(received)) => Some((received.message, received.token)),
        _ => None,
    }
}

#[test]
fn a_call_goes_to_who_waited_first() {
    with(|endpoint, caller| {
        let (mut first, mut second) = (pin!(endpoint.recv_async(caller)), pin!(endpoint.recv_async(caller)));
        assert!(poll!(first).is_pending() && poll!(second).is_pending());
        let _calls = [endpoint.call_async(caller, 0, 1).unwrap(), endpoint.call_async(caller, 0, 2).unwrap()];
        assert_eq!(endpoint.readiness(), Readiness::empty(), "both are somebody's");
        assert_eq!(endpoint.try_recv(caller).err(), Some(ReceiveError::WouldBlock));
        assert_eq!(message(poll!(second)).map(|(message, _)| message), Some(2));
        assert_eq!(message(poll!(first)).map(|(message, _)| message), Some(1));
    });
}

#[test]
fn a_receiver_that_goes_gives_its_call_to_the_next() {
    with(|endpoint, caller| {
        let mut first = Box::pin(endpoint.recv_async(caller));
        let mut second = pin!(endpoint.recv_async(caller));
        assert!(poll!(first).is_pending() && poll!(second).is_pending());
        let mut call = endpoint.call_async(caller, 0, 1).unwrap();
        drop(first);
        let (message, token) = message(poll!(second)).unwrap();
        token.reply(message + 1).unwrap();
        assert_eq!(poll!(pin!(&mut call)), Poll::Ready(Ok(2)));
    });
}

/// With nobody left it is queued again, before those that came later, and who watches is told.
#[test]
fn a_call_that_nobody_takes_is_queued_first() {
    with(|endpoint, caller| {
        let (park, nesting) = (StdPark::new(), Nesting::new());
        let slots: Box<[_]> = [WatchSlot::new()].into();
        let set = Box::pin(WaitSet::<StdEnv, _, _>::new(park, Box::into_pin(slots), None, &nesting, 0, 0));
        set.as_ref().watch(caller, Pin::static_ref(endpoint), 9, Readiness::READABLE, Mode::Edge).unwrap();
        let mut receiver = Box::pin(endpoint.recv_async(caller));
        assert!(poll!(receiver).is_pending());
        let _first = endpoint.call_async(caller, 0, 1).unwrap();
        let mut events = [Event::NONE; 1];
        assert!(set.try_wait(caller, &mut events).is_err(), "it is somebody's");
        drop(receiver);
        assert_eq!(set.try_wait(caller, &mut events), Ok(1));
        let _second = endpoint.call_async(caller, 0, 2).unwrap();
        let messages = [(); 2].map(|()| endpoint.try_recv(caller).unwrap().message);
        assert_eq!(messages, [1, 2]);
    });
}

/// Who left takes his message with him; who was given the call waits on.
#[test]
fn a_call_whose_caller_left_is_nobodys() {
    with(|endpoint, caller| {
        let mut receiver = pin!(endpoint.recv_async(caller));
        assert!(poll!(receiver).is_pending());
        let mut given = endpoint.call_async(caller, 7, 1).unwrap();
        let mut walk = endpoint.walk(crate::WaitError::Cancelled);
        while walk.step(1, |badge| badge == 7) == Progress::More {}
        assert!(
            matches!(poll!(pin!(&mut given)), Poll::Ready(Err(CallError::Unsent(unsent))) if unsent.message == 1)
        );
        assert!(poll!(receiver).is_pending());
        let _next = endpoint.call_async(caller, 0, 2).unwrap();
        assert_eq!(message(poll!(receiver)).map(|(message, _)| message), Some(2));
    });
}

/// The answer arrives though nobody may receive any more.
#[test]
fn an_answer_of_a_closed_server_arrives() {
    with(|endpoint, caller| {
        let mut call = endpoint.call_async(caller, 0, 1).unwrap();
        let received = endpoint.try_recv(caller).unwrap();
        let mut walk = endpoint.close();
        let (answered, next) = endpoint.reply_recv(received.token, 2, caller, None);
        assert_eq!(answered, Ok(()));
        assert_eq!(next.err(), Some(ReceiveError::Wait(crate::WaitError::PeerClosed)));
        while walk.step(4, |_| true) == Progress::More {}
        assert_eq!(poll!(pin!(&mut call)), Poll::Ready(Ok(2)));
    });
}
