//! `wget`: what a server has under a name; with `-s` only how many bytes, and their hash.

use core::fmt::Write;
use core::hash::Hasher;
use core::net::SocketAddr;

use kos_net::services::http::{ClientConnection, ClientEvent, Method, Status, write_request};
use siphasher::sip::SipHasher13;

use super::{failed, host, net, usage};
use crate::net::stream::Stream;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Output as _, Session, Streams};
use crate::text::{Grouped, Text};
use crate::time::Duration;

/// How long a server may stay silent.
const PATIENCE: Duration = Duration::from_secs(10);
const HEAD: usize = 2048;
const MOST: u64 = 1 << 32;
const PORT: u16 = 80;

/// `http://10.0.2.2:8000/x`: host, port, both as they are written, and what.
fn parse(url: &str) -> Result<(&str, u16, &str, &str), CommandError> {
    let wrong = || usage(format_args!("'{url}' is not like http://10.0.2.2:8000/page"));
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // A colon in brackets is one of an address.
    let colon = place.rfind(':').filter(|&colon| place.rfind(']').is_none_or(|bracket| bracket < colon));
    let (host, port) = place.split_at(colon.unwrap_or(place.len()));
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| wrong())?,
        None => PORT,
    };
    let path = if path.is_empty() { "/" } else { path };
    if host.is_empty() { Err(wrong()) } else { Ok((host, port, place, path)) }
}

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (sum, url) = match *arguments {
        [url] => (false, url),
        ["-s", url] => (true, url),
        _ => return Err(usage(format_args!("[-s] URL"))),
    };
    let (name, port, place, path) = parse(url)?;
    let kernel = session.kernel;
    net(kernel)?;
    let to = SocketAddr::new(host(kernel, name)?, port);
    let opened = Stream::connect(kernel, to, PATIENCE).ok_or_else(|| failed(format_args!("no network")))?;
    let (stream, mut request) = (opened?, [0; 512]);
    let length = write_request(Method::Get, place, path, &[], &mut request)?;
    stream.write(request.get(..length).unwrap_or_default())?;
    let (mut head, mut hash, mut count) = ([0; HEAD], SipHasher13::new(), 0);
    let mut response = ClientConnection::new(Method::Get, &mut head, MOST);
    let status = read(&stream, &mut response, &mut |bytes| {
        count += bytes.len() as u64;
        hash.write(bytes);
        if sum { Ok(()) } else { streams.write_bytes(bytes) }
    })?;
    if sum {
        writeln!(streams, "{} bytes, hash {:016x}", Grouped(count), hash.finish())?;
    }
    match status.0 {
        200..300 => Ok(Next::Continue),
        number => Err(failed(format_args!("{place} answers {number}"))),
    }
}

/// Reads the response to its end.
fn read<P: Platform>(
    stream: &Stream<'_, P>,
    response: &mut ClientConnection<'_>,
    take: &mut dyn FnMut(&[u8]) -> core::fmt::Result,
) -> Result<Status, CommandError> {
    let (mut input, mut status) = ([0; 4096], None);
    loop {
        let count = stream.read(&mut input)?;
        if count == 0 {
            response.on_close()?;
            break;
        }
        let mut rest = input.get(..count).unwrap_or_default();
        loop {
            let (taken, event) = response.on_bytes(rest)?;
            match event {
                ClientEvent::Head(said, _) => status = Some(said),
                ClientEvent::Body(bytes) => take(bytes)?,
                ClientEvent::End => return status.ok_or_else(|| failed(format_args!("no head"))),
                ClientEvent::More if taken == 0 => break,
                ClientEvent::More => {}
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    status.ok_or_else(|| CommandError::Failed(Text::new(format_args!("the server said nothing"))))
}
