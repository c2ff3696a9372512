//! Fetching by HTTP: [`get`], for `wget` and for who wants files of an index.

use core::net::{Ipv4Addr, SocketAddr};

use kos_net::StreamError;
use kos_net::services::http::{ClientConnection, ClientEvent, Method, Status, write_request};

use super::{failed, host, net};
use crate::Kernel;
use crate::net::stream::Stream;
use crate::net::url::{MOST as URL, Url};
use crate::platform::Platform;
use crate::shell::CommandError;
use crate::time::{Duration, Instant, after};

/// How long a server may stay silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that a server has to send in a second.
const SLOWEST: u64 = 16 << 10;
const HEAD: usize = 2048;
/// Bytes of a request: its words, the URL twice at most.
const REQUEST: usize = 2 * URL + 64;

/// Takes a piece of the body, and what the server said of it.
pub(in crate::cmds) type Take<'t> = dyn FnMut(Status, &[u8]) -> Result<(), CommandError> + 't;

/// Asks for a page of `most` bytes at most, and hands on what comes; how it was answered.
///
/// # Errors
/// There is no way to the server, it says no HTTP or too much, or it takes longer than it may.
pub(in crate::cmds) fn get<P: Platform>(
    kernel: &Kernel<P>,
    url: &Url<'_>,
    most: u64,
    take: &mut Take<'_>,
) -> Result<Status, CommandError> {
    await_address(kernel, url.host)?;
    let to = SocketAddr::new(host(kernel, url.host)?, url.port);
    let now = kernel.platform().now();
    let opened = Stream::connect(kernel, to, PATIENCE).ok_or_else(|| failed(format_args!("no network")))?;
    let (stream, mut request) = (opened?, [0; REQUEST]);
    let length = write_request(Method::Get, url.place, url.path, &[], &mut request)?;
    stream.write(request.get(..length).unwrap_or_default())?;
    let end = after(after(now, PATIENCE), Duration::from_secs(most / SLOWEST));
    let mut head = [0; HEAD];
    let mut response = ClientConnection::new(Method::Get, &mut head, most);
    read(&mut |input| step(kernel, &stream, end, input), &mut response, take)
}

/// Waits for the card's first address, which a server may be about to lend, unless `host` is reached without one.
fn await_address<P: Platform>(kernel: &Kernel<P>, host: &str) -> Result<(), CommandError> {
    let net = net(kernel)?;
    if matches!(host.parse(), Ok(place) if Ipv4Addr::is_loopback(&place)) || host.starts_with('[') {
        return Ok(());
    }
    let until = after(kernel.platform().now(), PATIENCE);
    // Who has none in time is told by what follows.
    let _ = net.wait(kernel, Some(until), |state| {
        let card = state.card.as_ref().filter(|_| state.lessee.is_some()).map(|card| card.interface);
        let has = |card| state.stack.addresses().any(|(on, place, _)| on == card && place.is_ipv4());
        card.is_none_or(has).then_some(())
    });
    Ok(())
}

/// What comes next, if it does before `end`, and soon.
fn step<P: Platform>(
    kernel: &Kernel<P>,
    stream: &Stream<'_, P>,
    end: Instant,
    input: &mut [u8],
) -> Result<usize, StreamError> {
    stream.read_until(after(kernel.platform().now(), PATIENCE).min(end), input)
}

/// Reads the response to its end.
fn read(
    next: &mut dyn FnMut(&mut [u8]) -> Result<usize, StreamError>,
    response: &mut ClientConnection<'_>,
    take: &mut Take<'_>,
) -> Result<Status, CommandError> {
    let (mut input, mut status) = ([0; 4096], None);
    loop {
        let count = next(&mut input)?;
        if count == 0 {
            response.on_close()?;
            return status.ok_or_else(|| failed(format_args!("the server said nothing")));
        }
        let mut rest = input.get(..count).unwrap_or_default();
        loop {
            let (taken, event) = response.on_bytes(rest)?;
            match event {
                ClientEvent::Head(said, _) => status = Some(said),
                ClientEvent::Body(bytes) => {
                    take(status.ok_or_else(|| failed(format_args!("no head")))?, bytes)?;
                }
                ClientEvent::End => return status.ok_or_else(|| failed(format_args!("no head"))),
                ClientEvent::More if taken == 0 => break,
                ClientEvent::More => {}
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
}
