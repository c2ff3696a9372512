//! Two processes that call each other: how long that takes.

use super::number;
use crate::abi::{FOR_EVER, Incoming, Message, rights};
use crate::io::{Line, Words};
use crate::ipc::{self, Cap};
use crate::sys::{self, Errno};

/// What the client sends when it is done.
const STOP: u64 = 1;
/// How long the server waits for the first call, in nanoseconds: a client that may not call, or has died, does not. Who called once
/// calls again; a deadline each time would be a part of what is measured.
const PATIENCE: u64 = 10_000_000_000;

/// `pingpong [CALLS]`: a child that calls, and its parent who answers.
pub(super) fn run(mut words: Words<'_>) -> u8 {
    let calls = number(words.next(), 1000);
    match play(calls) {
        Ok(status) => status,
        Err(error) => {
            Line::say(format_args!("error {}", error.0));
            1
        }
    }
}

/// A name that no other process has.
fn name(pid: u64, place: &mut [u8; 24]) -> &[u8] {
    let text = b"pingpong.";
    let digits = (0..10).rev().map(|power| b'0' + u8::try_from(pid / 10_u64.pow(power) % 10).unwrap_or(0));
    place.iter_mut().zip(text.iter().copied().chain(digits)).for_each(|(to, from)| *to = from);
    place.get(..text.len() + 10).unwrap_or_default()
}

fn play(calls: u64) -> Result<u8, Errno> {
    let (mut place, own, names) = ([0; 24], sys::pid(), ipc::names()?);
    let name = name(own, &mut place);
    let endpoint = ipc::endpoint()?;
    ipc::publish(
        names,
        name,
        ipc::duplicate(endpoint, rights::WRITE | rights::DUPLICATE | rights::TRANSFER)?,
    )?;
    if sys::fork()? == 0 {
        return call(name, calls);
    }
    if let Err(error) = serve(endpoint) {
        Line::say(format_args!("nobody calls: error {}", error.0));
        return Ok(1);
    }
    let (_, status) = sys::wait()?;
    Ok(u8::try_from(status).unwrap_or(255))
}

/// Answers each number with the next until it is told to stop.
fn serve(endpoint: Cap) -> Result<(), Errno> {
    let mut incoming = Incoming::default();
    ipc::receive(endpoint, &mut incoming, PATIENCE)?;
    while incoming.message.label != STOP {
        let next = incoming.message.words[0].wrapping_add(1);
        incoming.message = Message::new(0, &[next]);
        ipc::reply_receive(endpoint, &mut incoming, FOR_EVER)?;
    }
    ipc::reply(&mut incoming)
}

fn call(name: &[u8], calls: u64) -> Result<u8, Errno> {
    let server = ipc::lookup(ipc::names()?, name, rights::WRITE, FOR_EVER)?;
    let (start, mut wrong) = (sys::clock(), 0);
    for ball in 0..calls {
        let mut message = Message::new(0, &[ball]);
        ipc::invoke(server, &mut message, &[], FOR_EVER)?;
        wrong += u64::from(message.words[0] != ball + 1);
    }
    let each = sys::clock().wrapping_sub(start).checked_div(calls).unwrap_or(0);
    ipc::invoke(server, &mut Message::new(STOP, &[]), &[], FOR_EVER)?;
    Line::say(format_args!("{calls} calls, {wrong} wrong answers, {each} ns each"));
    Ok(u8::from(wrong != 0))
}
