//! The HTTP server of the kernel: pages about itself, and bytes for who measures.
//!
//! | path | what |
//! |---|---|
//! | `/` | what there is |
//! | `/metrics` | the counters of the network, as text |
//! | `/proc/NAME` | a file of `/proc` |
//! | `/bytes/{count}` | so many bytes: each is its place modulo 251 |

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use kos_net::services::http::{
    Event, Limits, Matched, Method, Request, Response, Route, Router, ServerConnection, Status,
};
use kos_vfs::{At, How, OpenFlags};

use super::stream::Stream;
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::Session;
use crate::time::Duration;

/// How long a client may stay silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the longest head.
const HEAD: usize = 4096;
/// The most bytes of a page, and of a piece of a body.
const PAGE: usize = 16 << 10;
/// A byte of `/bytes` is its place modulo this: no power of two, so that a piece in the wrong place shows.
const MODULUS: u64 = 251;
const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str =
    "kos\n\n/metrics      counters\n/proc/uptime  a file of /proc\n/bytes/1000   so many bytes\n";

#[derive(Clone, Copy)]
enum Page {
    Index,
    Metrics,
    Proc,
    Bytes,
}

/// What is answered.
enum Answer {
    Text(String),
    Bytes(u64),
    Refused(Status),
}

/// Serves connections of the listener until it is closed, or the thread is to end. A service of the kernel.
pub(crate) fn serve<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let Some(listener) = kernel.net().and_then(|net| net.with(kernel, |state| state.web)) else { return };
    while let Some(stream) = Stream::accept(kernel, listener, PATIENCE) {
        let _whatever_the_client_did = talk(kernel, &stream);
    }
}

fn talk<P: Platform>(kernel: &Kernel<P>, stream: &Stream<'_, P>) -> Option<()> {
    let now = || kernel.platform().now();
    let mut head = [0; HEAD];
    let mut connection =
        ServerConnection::new(now(), &mut head[..], Limits { body: PAGE as u64, ..Limits::default() });
    let (mut input, mut out) = ([0; 2048], [0; 1024]);
    let mut answer = None;
    while !connection.is_closed() {
        let count = stream.read(&mut input).ok().filter(|&count| count > 0)?;
        let mut rest = input.get(..count).unwrap_or_default();
        loop {
            let (taken, event) = connection.on_bytes(now(), rest);
            let idle = taken == 0 && matches!(event, Event::More);
            match event {
                Event::Request(request) => answer = Some(find(kernel, &request)),
                Event::Refused(status) => answer = Some(Answer::Refused(status)),
                Event::More | Event::Body(_) | Event::End => {}
            }
            let due = matches!(event, Event::End | Event::Refused(_));
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(answer) = answer.take_if(|_| due) {
                send(kernel, stream, &mut connection, &answer, &mut out)?;
            }
            if idle || connection.is_closed() {
                break;
            }
        }
    }
    Some(())
}

fn send<P: Platform>(
    kernel: &Kernel<P>,
    stream: &Stream<'_, P>,
    connection: &mut ServerConnection<&mut [u8]>,
    answer: &Answer,
    out: &mut [u8],
) -> Option<()> {
    let now = || kernel.platform().now();
    let (status, kind, length) = match answer {
        Answer::Text(text) => (Status::OK, TEXT, text.len() as u64),
        Answer::Bytes(count) => (Status::OK, "application/octet-stream", *count),
        Answer::Refused(status) => (*status, "", 0),
    };
    let written = connection.respond(now(), &Response::new(status, kind, length), out).ok()?;
    stream.write(out.get(..written)?).ok()?;
    let mut piece = [0; 1024];
    let mut place = 0;
    while place < length {
        let data = match answer {
            Answer::Text(text) => text.as_bytes().get(usize::try_from(place).ok()?..)?,
            _ => {
                let count = (length - place).min(piece.len() as u64);
                for (at, byte) in (place..).zip(&mut piece) {
                    *byte = (at % MODULUS).to_le_bytes()[0];
                }
                piece.get(..usize::try_from(count).ok()?)?
            }
        };
        let (taken, written) = connection.body(now(), data, out);
        if taken == 0 {
            return None;
        }
        stream.write(out.get(..written)?).ok()?;
        place += taken as u64;
    }
    Some(())
}

fn find<P: Platform>(kernel: &Kernel<P>, request: &Request<'_>) -> Answer {
    let route = |pattern, handler| Route { method: Method::Get, pattern, handler };
    let routes = [
        route("/", Page::Index),
        route("/metrics", Page::Metrics),
        route("/proc/{name}", Page::Proc),
        route("/bytes/{count}", Page::Bytes),
    ];
    let (page, parameters) = match Router::new(&routes).route(request) {
        Matched::Found(page, parameters) => (page, parameters),
        Matched::NotAllowed(_) => return Answer::Refused(Status::METHOD_NOT_ALLOWED),
        Matched::NotFound => return Answer::Refused(Status::NOT_FOUND),
    };
    let parameter = parameters.first().map_or("", |(_, value)| value);
    match page {
        Page::Index => text(format_args!("{INDEX}")),
        Page::Metrics => metrics(kernel),
        Page::Proc => file(kernel, parameter).unwrap_or(Answer::Refused(Status::NOT_FOUND)),
        Page::Bytes => parameter.parse().map_or(Answer::Refused(Status::NOT_FOUND), Answer::Bytes),
    }
}

/// A file of `/proc`, as nobody in particular reads it.
fn file<P: Platform>(kernel: &Kernel<P>, name: &str) -> Option<Answer> {
    let mut path = heapless::String::<64>::new();
    write!(path, "/proc/{name}").ok()?;
    let mut session = Session::new(kernel);
    let how = How::flags(OpenFlags::NO_FOLLOW | OpenFlags::NONBLOCK);
    let file = session.call().ok()?.open(At::Cwd, path.as_bytes(), &how).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(PAGE).ok()?;
    bytes.resize(PAGE, 0);
    let mut length = 0;
    while let count @ 1.. = file.read(bytes.get_mut(length..)?).ok()? {
        length += count;
    }
    bytes.truncate(length);
    Some(Answer::Text(String::from_utf8(bytes).ok()?))
}

fn text(what: core::fmt::Arguments<'_>) -> Answer {
    let mut text = String::new();
    match text.try_reserve(PAGE).ok().and_then(|()| text.write_fmt(what).ok()) {
        Some(()) => Answer::Text(text),
        None => Answer::Refused(Status::UNAVAILABLE),
    }
}

fn metrics<P: Platform>(kernel: &Kernel<P>) -> Answer {
    let Some(net) = kernel.net() else { return Answer::Refused(Status::UNAVAILABLE) };
    let stats = net.with(kernel, |state| state.stack.stats());
    text(format_args!(
        "kos_net_frames_in {}\nkos_net_bytes_in {}\nkos_net_frames_out {}\nkos_net_bytes_out {}\nkos_net_delivered {}\nkos_net_consumed {}\nkos_net_dropped {}\n",
        stats.frames_in,
        stats.bytes_in,
        stats.frames_out,
        stats.bytes_out,
        stats.delivered,
        stats.consumed,
        stats.dropped.total(),
    ))
}
