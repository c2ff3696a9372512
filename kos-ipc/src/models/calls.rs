//! Calls that meet servers, deadlines and ends.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use loom::thread;

use super::park::{ModelEnv, SOON, Threads};
use super::{SOME, explore_within, must_find};
use crate::caller::Caller;
use crate::endpoint::{CallError, CallSlot, Endpoint, SendReason};
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::sync::Bug;
use crate::wait::Progress;

type Server = Endpoint<'static, ModelEnv, u32>;

/// An endpoint of so many slots. It is leaked: its threads borrow it.
fn endpoint(slots: usize) -> &'static Server {
    let slots: Vec<_> = (0..slots).map(|_| CallSlot::new()).collect();
    Box::leak(Box::new(Server::new(Threads::new(), Box::leak(slots.into_boxed_slice()), 0, 0)))
}

fn call_and_serve() {
    let endpoint = endpoint(1);
    let client = thread::spawn(move || endpoint.call(&Caller::new(&1, (), &NoPolicy), 0, 4, None, None));
    let received = endpoint.recv(&Caller::new(&0, (), &NoPolicy), None).unwrap();
    let message = received.message;
    assert_eq!(received.token.reply(message + 1), Ok(()));
    assert_eq!(client.join().unwrap(), Ok(5));
    assert_eq!(endpoint.check(), Ok(()));
}

/// A caller whose time is up, beside a server: the answer arrives, or both know that it did not.
fn serve_and_timeout() {
    let endpoint = endpoint(1);
    let client = thread::spawn(move || endpoint.call(&Caller::new(&1, (), &NoPolicy), 0, 4, None, SOON));
    let received = endpoint.recv(&Caller::new(&0, (), &NoPolicy), SOON);
    let replied = received.map(|received| received.token.reply(5).is_ok());
    let answer = client.join().unwrap();
    assert_eq!(answer.is_ok(), replied == Ok(true));
    assert_eq!(matches!(answer, Err(CallError::Unsent(_))), replied.is_err());
    assert_eq!(endpoint.check(), Ok(()));
}

/// A receiver goes, maybe with a call that it was given and had not seen: the next receives that.
fn give_and_go() {
    let endpoint = endpoint(1);
    let client = thread::spawn(move || endpoint.call(&Caller::new(&1, (), &NoPolicy), 0, 4, None, None));
    let caller = Caller::new(&0, (), &NoPolicy);
    let mut received = None;
    {
        let mut receiver = pin!(endpoint.recv_async(&caller));
        if let Poll::Ready(found) = receiver.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            received = found.ok();
        }
    }
    let received = received.unwrap_or_else(|| endpoint.recv(&caller, None).unwrap());
    assert_eq!(received.token.reply(received.message + 1), Ok(()));
    assert_eq!(client.join().unwrap(), Ok(5));
    assert_eq!(endpoint.check(), Ok(()));
}

/// The server dies while somebody calls: he is told, queued or not.
fn call_and_close() {
    let endpoint = endpoint(1);
    let client = thread::spawn(move || endpoint.call(&Caller::new(&1, (), &NoPolicy), 0, 4, None, None));
    let mut walk = endpoint.close();
    while walk.step(1, |_| true) == Progress::More {}
    let Err(CallError::Unsent(unsent)) = client.join().unwrap() else { panic!("an answer of the dead") };
    assert_eq!(unsent.reason, SendReason::Wait(WaitError::PeerClosed));
}

#[test]
fn a_call_finds_its_server() {
    explore_within(SOME, call_and_serve);
}

#[test]
fn a_server_that_looks_before_its_entry_is_found() {
    must_find(Bug::ReceiveInTwoSteps, call_and_serve);
}

#[test]
fn an_answer_arrives_or_both_know() {
    explore_within(SOME, serve_and_timeout);
}

#[test]
fn an_answer_that_is_not_seen_is_found() {
    must_find(Bug::ReplyUnseen, serve_and_timeout);
}

#[test]
fn a_call_that_was_given_is_passed_on() {
    explore_within(SOME, give_and_go);
}

#[test]
fn a_call_that_goes_with_its_receiver_is_found() {
    must_find(Bug::WakeKept, give_and_go);
}

#[test]
fn a_call_ends_with_its_server() {
    explore_within(SOME, call_and_close);
}
