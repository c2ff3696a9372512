//! A server of the test's own, and a client of it.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::TOKEN;
use crate::Kernel;
use crate::ensure;
use crate::net::stream::Stream;
use crate::net::web::{self, CONNECTIONS, Grant};
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::{How, Member};
use crate::time::{Duration, after};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks whether they are over.
const LOOK: Duration = Duration::from_millis(5);
const PORT: u16 = 9080;
const STACK: usize = 96 << 10;

/// What a server said first.
pub(super) type Said = heapless::String<2048>;

/// Serves with so many threads while `work` asks.
pub(super) fn open<P: Platform>(
    kernel: &Kernel<P>,
    servers: usize,
    grant: Option<Grant>,
    work: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let net = kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))?;
    if net.with(kernel, |state| state.web.listener.is_some()) {
        return Err(Failure::skip(format_args!("somebody serves already")));
    }
    let before = net.with(kernel, |state| state.stack.sockets());
    let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
    net.with(kernel, |state| {
        let backlog = u16::try_from(CONNECTIONS).unwrap_or(u16::MAX);
        state.web.listener = Some(state.stack.tcp_listen(local, backlog, &mut state.entropy)?);
        state.web.grant = grant;
        Ok::<_, Failure>(())
    })?;
    let (door, serve) = (|| web::keep(kernel, 0), || web::serve(kernel, 0));
    let mut members = heapless::Vec::<Member<'_>, 3>::new();
    // There is room.
    let _ = members.push(Member::new(How::new("web-door").stack(STACK), &door));
    for _ in 0..servers {
        let _ = members.push(Member::new(How::new("web").stack(STACK), &serve));
    }
    let close = || {
        net.with(kernel, |state| {
            state.web.grant = None;
            if let Some(listener) = state.web.listener.take() {
                state.close(listener);
            }
        });
    };
    let result = kernel.with_team(&members, |_| {
        let result = work();
        close();
        result
    });
    // Also where there was no team.
    close();
    settle(kernel, before)?;
    result?
}

/// Until there are no more sockets than so many: what is closed has a little to say still.
fn settle<P: Platform>(kernel: &Kernel<P>, before: u32) -> Result<(), Failure> {
    let net = kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))?;
    let until = after(kernel.platform().now(), PATIENCE);
    while net.with(kernel, |state| state.stack.sockets()) > before {
        ensure!(kernel.platform().now() < until, "connections are never over");
        let _ = kernel.threads.sleep(LOOK);
    }
    Ok(())
}

/// Until so many are connected: of some, a simulation may lose a packet.
pub(super) fn until_inside<P: Platform>(kernel: &Kernel<P>, count: usize) -> Result<(), Failure> {
    let net = kernel.net().ok_or_else(|| Failure::skip(format_args!("no network")))?;
    let until = after(kernel.platform().now(), PATIENCE);
    let inside = net.wait(kernel, Some(until), |state| (state.web.door.inside() >= count).then_some(()));
    ensure!(inside.is_some(), "fewer than {count} came");
    Ok(())
}

pub(super) fn connect<P: Platform>(kernel: &Kernel<P>) -> Result<Stream<'_, P>, Failure> {
    let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
    let stream = Stream::connect(kernel, to, PATIENCE);
    Ok(stream.ok_or_else(|| Failure::new(format_args!("no network")))??)
}

/// The header with the token, and another.
pub(super) fn bearer(header: &str) -> Result<heapless::String<128>, Failure> {
    let mut more = heapless::String::new();
    core::fmt::Write::write_fmt(&mut more, format_args!("authorization: Bearer {TOKEN}\r\n{header}\r\n"))?;
    Ok(more)
}

/// Sends a request; what comes until the server closes.
pub(super) fn ask<P: Platform>(
    kernel: &Kernel<P>,
    head: &str,
    more: &str,
    body: &str,
) -> Result<Said, Failure> {
    let stream = connect(kernel)?;
    for part in [head, " HTTP/1.1\r\nhost: here\r\nconnection: close\r\n", more, "\r\n", body] {
        stream.write(part.as_bytes())?;
    }
    hear(&stream)
}

pub(super) fn hear<P: Platform>(stream: &Stream<'_, P>) -> Result<Said, Failure> {
    let (mut said, mut piece) = (Said::new(), [0; 512]);
    while let count @ 1.. = stream.read(&mut piece)? {
        let text = core::str::from_utf8(piece.get(..count).unwrap_or_default()).unwrap_or("?");
        // What is too long is cut.
        let _ = said.push_str(text);
    }
    Ok(said)
}

/// Asks with the token, and holds the answer against a status and a part of what comes with it.
pub(super) fn expect<P: Platform>(
    kernel: &Kernel<P>,
    (head, body): (&str, &str),
    status: u16,
    part: &str,
) -> Result<(), Failure> {
    let mut length = heapless::String::<32>::new();
    core::fmt::Write::write_fmt(&mut length, format_args!("content-length: {}", body.len()))?;
    let said = ask(kernel, head, &bearer(&length)?, body)?;
    ensure!(status_of(&said) == Some(status) && said.contains(part), "{head}: {said}");
    Ok(())
}

/// The status of an answer.
pub(super) fn status_of(said: &str) -> Option<u16> {
    said.get(9..12)?.parse().ok()
}
