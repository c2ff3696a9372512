//! What the system calls about capabilities promise, seen from ring 3. The status is the number of the first promise that is broken.

use crate::abi::{Call, FOR_EVER, Incoming, Message, READ, WRITE, rights};
use crate::io::{Line, Words};
use crate::ipc::{self, Cap};
use crate::sys::{self, Errno};

/// Long enough to see that nothing comes.
const SHORT: u64 = 2_000_000;
/// All rights that a capability is given away with here.
const GIVEN: u64 = rights::READ | rights::WRITE | rights::DUPLICATE | rights::TRANSFER | rights::MINT;

type Test = fn() -> Result<bool, Errno>;

/// `captests`
pub(super) fn run(_: Words<'_>) -> u8 {
    const TESTS: [(&str, Test); 10] = [
        ("rights only shrink", shrink),
        ("numbers that are none are refused", wild),
        ("what was made of it goes with a revoke", revoke),
        ("a notification is taken by its mask", bits),
        ("waits end at their time", late),
        ("a call carries words, a badge and memory", call),
        ("capabilities go along", along),
        ("a call that cannot be told is lost, with its number", untold),
        ("a dead server ends the call", dead),
        ("names go with the process", names),
    ];
    for (number, (name, test)) in (1..).zip(TESTS) {
        let result = test();
        let good = result == Ok(true);
        Line::say(format_args!("{} {name}", if good { "ok" } else { "BROKEN" }));
        if !good {
            if let Err(error) = result {
                Line::say(format_args!("error {}", error.0));
            }
            return number;
        }
    }
    0
}

fn shrink() -> Result<bool, Errno> {
    let endpoint = ipc::endpoint()?;
    let client = ipc::mint(endpoint, rights::WRITE, 7)?;
    let refused = [
        ipc::mint(client, rights::WRITE, 8).map(drop),
        ipc::duplicate(client, rights::READ).map(drop),
        ipc::receive(client, &mut Incoming::default(), 0),
        ipc::revoke(client),
    ];
    ipc::narrow(endpoint, rights::READ)?;
    let narrowed = ipc::mint(endpoint, rights::READ, 1) == Err(Errno::ACCES);
    ipc::release(client)?;
    let closed = ipc::release(client) == Err(Errno::BADF);
    ipc::release(endpoint)?;
    Ok(refused.iter().all(|result| *result == Err(Errno::ACCES)) && narrowed && closed)
}

fn wild() -> Result<bool, Errno> {
    let (endpoint, bits) = (ipc::endpoint()?, ipc::notification()?);
    let numbers = (0..64).map(|bit| Cap(endpoint.0 ^ (1 << bit)));
    let refused = numbers.map(|cap| ipc::post(cap, 1)).all(|result| result.is_err());
    let wrong_kind = ipc::post(endpoint, 1) == Err(Errno::INVAL)
        && ipc::invoke(bits, &mut Message::default(), &[], 0) == Err(Errno::INVAL);
    let unknown = ipc::duplicate(bits, u64::MAX) == Err(Errno::INVAL);
    let nothing = ipc::reply(&mut Incoming { reply: 99, ..Incoming::default() }) == Err(Errno::BADF);
    ipc::release(endpoint)?;
    ipc::release(bits)?;
    Ok(refused && wrong_kind && unknown && nothing)
}

fn revoke() -> Result<bool, Errno> {
    let owner = ipc::notification()?;
    let made = ipc::duplicate(owner, rights::SIGNAL | rights::DUPLICATE)?;
    let below = ipc::duplicate(made, rights::SIGNAL)?;
    ipc::post(below, 1)?;
    ipc::revoke(owner)?;
    let gone = ipc::post(below, 2) == Err(Errno::STALE) && ipc::post(made, 2) == Err(Errno::STALE);
    let stays = ipc::take(owner, 3, 0) == Ok(1);
    let closed = [owner, made, below].map(ipc::release) == [Ok(()); 3];
    Ok(gone && stays && closed)
}

fn bits() -> Result<bool, Errno> {
    let events = ipc::notification()?;
    ipc::post(events, 0b110)?;
    let taken = ipc::take(events, 0b011, FOR_EVER)? == 0b010 && ipc::take(events, !0, FOR_EVER)? == 0b100;
    ipc::release(events)?;
    Ok(taken)
}

fn late() -> Result<bool, Errno> {
    let (events, endpoint) = (ipc::notification()?, ipc::endpoint()?);
    let before = sys::clock();
    let ends = ipc::take(events, 1, SHORT) == Err(Errno::AGAIN)
        && ipc::receive(endpoint, &mut Incoming::default(), SHORT) == Err(Errno::AGAIN)
        && ipc::invoke(endpoint, &mut Message::default(), &[], SHORT) == Err(Errno::AGAIN);
    let waited = sys::clock().wrapping_sub(before) >= 3 * SHORT;
    ipc::release(events)?;
    ipc::release(endpoint)?;
    Ok(ends && waited)
}

/// A child that calls `endpoint` by a name, does `work` and ends with what that says.
fn with_child(name: &[u8], endpoint: Cap, work: fn(Cap) -> Result<bool, Errno>) -> Result<u64, Errno> {
    ipc::publish(ipc::names()?, name, ipc::mint(endpoint, GIVEN & !rights::MINT, 77)?)?;
    let child = sys::fork()?;
    if child == 0 {
        let server = ipc::lookup(ipc::names()?, name, rights::WRITE, FOR_EVER);
        sys::exit(u8::from(server.and_then(work) != Ok(true)));
    }
    Ok(child)
}

fn ended_well(child: u64) -> bool {
    sys::wait() == Ok((child, 0))
}

fn call() -> Result<bool, Errno> {
    let endpoint = ipc::endpoint()?;
    let child = with_child(b"captests.call", endpoint, |server| {
        let (mut message, mut back) = (Message::new(5, &[6, 7]), [0; 4]);
        let leases = [ipc::readable(b"lent"), ipc::writable(&mut back)];
        ipc::invoke(server, &mut message, &leases, FOR_EVER)?;
        Ok(message == Message::new(9, &[13]) && &back == b"tnel")
    })?;
    let mut incoming = Incoming::default();
    ipc::receive(endpoint, &mut incoming, FOR_EVER)?;
    let arrived = incoming.badge == 77 && incoming.message == Message::new(5, &[6, 7]);
    let (reply, mut lent) = (incoming.reply, [0; 4]);
    ipc::lease_read(reply, 0, 0, &mut lent)?;
    let refused = ipc::lease_write(reply, 0, 0, b"x") == Err(Errno::ACCES)
        && ipc::lease_read(reply, 0, 1, &mut [0; 4]) == Err(Errno::INVAL)
        && ipc::lease_read(reply, 2, 0, &mut [0; 1]) == Err(Errno::INVAL);
    lent.reverse();
    ipc::lease_write(reply, 1, 0, &lent)?;
    incoming.message = Message::new(9, &[13]);
    ipc::reply(&mut incoming)?;
    let once = ipc::reply(&mut incoming) == Err(Errno::BADF);
    let stale = ipc::lease_write(reply, 1, 0, &lent) == Err(Errno::BADF);
    Ok(arrived && refused && once && stale && ended_well(child) && ipc::release(endpoint).is_ok())
}

fn along() -> Result<bool, Errno> {
    let endpoint = ipc::endpoint()?;
    let child = with_child(b"captests.along", endpoint, |server| {
        let mut message = Message::default();
        ipc::invoke(server, &mut message, &[], FOR_EVER)?;
        let [events, none, ..] = message.caps;
        ipc::post(Cap(events), 1 << 40)?;
        Ok(none == 0 && ipc::take(Cap(events), 1, 0) == Err(Errno::ACCES))
    })?;
    let (mut incoming, events) = (Incoming::default(), ipc::notification()?);
    ipc::receive(endpoint, &mut incoming, FOR_EVER)?;
    let given = ipc::duplicate(events, rights::SIGNAL | rights::TRANSFER)?;
    incoming.message.caps = [given.0, 0, 0, 0];
    ipc::reply(&mut incoming)?;
    let posted = ipc::take(events, !0, FOR_EVER)? == 1 << 40;
    let ours_no_more = ipc::post(given, 1) == Err(Errno::BADF);
    ipc::release(events)?;
    Ok(posted && ours_no_more && ended_well(child) && ipc::release(endpoint).is_ok())
}

/// Of the first call only number and badge can be written. Who answers by that number answers nobody else.
fn untold() -> Result<bool, Errno> {
    const PAGE: u64 = 4096;
    let endpoint = ipc::endpoint()?;
    let child = with_child(b"captests.untold", endpoint, |server| {
        let lost = ipc::invoke(server, &mut Message::default(), &[], FOR_EVER) == Err(Errno::PIPE);
        Ok(lost && ipc::invoke(server, &mut Message::default(), &[], FOR_EVER).is_ok())
    })?;
    let pages = sys::map(2 * PAGE, READ | WRITE, 0)?;
    sys::protect(pages + PAGE, PAGE, READ)?;
    let at = pages + PAGE - 16;
    let refused = sys::call(Call::Receive, [endpoint.0, at, FOR_EVER, 0, 0, 0]) == Err(Errno::FAULT);
    let mut incoming = Incoming::default();
    ipc::receive(endpoint, &mut incoming, FOR_EVER)?;
    let nobody = sys::call(Call::Reply, [at, 0, 0, 0, 0, 0]) == Err(Errno::BADF);
    ipc::reply(&mut incoming)?;
    sys::unmap(pages, 2 * PAGE)?;
    Ok(refused && nobody && ended_well(child) && ipc::release(endpoint).is_ok())
}

/// The child serves and dies of a call: its caller is told, and its name is free.
fn dead() -> Result<bool, Errno> {
    const NAME: &[u8] = b"captests.dead";
    let child = sys::fork()?;
    if child == 0 {
        let mut incoming = Incoming::default();
        let served = ipc::endpoint().and_then(|endpoint| {
            let client = ipc::duplicate(endpoint, GIVEN)?;
            ipc::publish(ipc::names()?, NAME, client)?;
            ipc::receive(endpoint, &mut incoming, FOR_EVER)
        });
        sys::exit(u8::from(served.is_err()));
    }
    let server = ipc::lookup(ipc::names()?, NAME, rights::WRITE, FOR_EVER)?;
    let told = ipc::invoke(server, &mut Message::default(), &[], FOR_EVER) == Err(Errno::PIPE);
    let ended = ended_well(child);
    let again = ipc::invoke(server, &mut Message::default(), &[], FOR_EVER) == Err(Errno::PIPE);
    let free = ipc::lookup(ipc::names()?, NAME, rights::WRITE, 0) == Err(Errno::NOENT);
    ipc::release(server)?;
    Ok(told && ended && again && free)
}

fn names() -> Result<bool, Errno> {
    const NAME: &[u8] = b"captests.name";
    let (names, events) = (ipc::names()?, ipc::notification()?);
    let given = || ipc::duplicate(events, rights::SIGNAL | rights::DUPLICATE | rights::TRANSFER);
    ipc::publish(names, NAME, given()?)?;
    let taken = ipc::publish(names, NAME, given()?) == Err(Errno(17));
    let more = ipc::lookup(names, NAME, rights::WAIT, 0) == Err(Errno::ACCES);
    let found = ipc::lookup(names, NAME, rights::SIGNAL, 0)?;
    ipc::post(found, 8)?;
    let nobody = ipc::lookup(names, b"captests.nobody", rights::SIGNAL, SHORT) == Err(Errno::AGAIN);
    let empty = ipc::publish(names, b"", given()?) == Err(Errno::INVAL);
    Ok(taken && more && nobody && empty && ipc::take(events, !0, 0) == Ok(8))
}
