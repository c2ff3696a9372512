//! The HTTP server of the kernel: pages about itself, and bytes for who measures.
//!
//! | path | what |
//! |---|---|
//! | `/` | what there is |
//! | `/metrics` | the counters of the network, as text |
//! | `/proc/NAME` | a file of `/proc` |
//! | `/bytes/{count}` | so many bytes: each is its place modulo 251 |
//!
//! Few threads serve, so nobody may hold one: a head takes 10 s at most, and so does the time between two requests; a body 60 s;
//! who takes less than 16 KiB a second of an answer does not get the rest.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use kos_net::StreamError;
use kos_net::services::http::{
    Event, Limits, Matched, Method, Request, Response, Route, Router, ServerConnection, Status,
};
use kos_vfs::{At, How, OpenFlags};

use super::stream::Stream;
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::Session;
use crate::time::{Duration, Instant, after};

/// How long a client may stay silent where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that a client has to take in a second.
const SLOWEST: u64 = 16 << 10;
/// Bytes of the longest head.
const HEAD: usize = 4096;
/// The most bytes of a page, and of a body.
const PAGE: usize = 16 << 10;
/// Bytes of a piece of an answer.
const PIECE: usize = 8 << 10;
/// A byte of `/bytes` is its place modulo this: no power of two, so that a piece in the wrong place shows.
const MODULUS: u64 = 251;
const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str = "\
kos

/metrics      counters
/proc/net/tcp  a file of /proc
/bytes/1000   so many bytes
";

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
    /// These methods only.
    NotAllowed(heapless::Vec<Method, 7>),
}

/// Serves connections of the listener until it is closed, or the thread is to end. A service of the kernel.
pub(crate) fn serve<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let listener = kernel.net().and_then(|net| net.with(kernel, |state| state.web.listener));
    let Some(listener) = listener else { return };
    while let Some(stream) = Stream::accept(kernel, listener, PATIENCE) {
        let _whatever_the_client_did = Talk::new(kernel, &stream).run();
    }
}

/// A client's connection.
struct Talk<'a, 'k, P: Platform> {
    kernel: &'k Kernel<P>,
    stream: &'a Stream<'k, P>,
    /// What the request is answered with, when all of it is there.
    answer: Option<Answer>,
}

impl<'a, 'k, P: Platform> Talk<'a, 'k, P> {
    const fn new(kernel: &'k Kernel<P>, stream: &'a Stream<'k, P>) -> Self {
        Self { kernel, stream, answer: None }
    }

    fn now(&self) -> Instant {
        self.kernel.platform().now()
    }

    /// Until the connection is over.
    fn run(&mut self) -> Option<()> {
        let mut head = [0; HEAD];
        let limits = Limits { body: PAGE as u64, ..Limits::default() };
        let (mut connection, mut input) =
            (ServerConnection::new(self.now(), &mut head[..], limits), [0; 2048]);
        while !connection.is_closed() {
            let until = connection.deadline().unwrap_or_else(|| after(self.now(), PATIENCE));
            match self.stream.read_until(until, &mut input) {
                Ok(0) => return None,
                Ok(count) => self.hear(&mut connection, input.get(..count)?)?,
                Err(StreamError::NotNow) => {
                    let Event::Refused(status) = connection.on_timer(self.now()) else { return None };
                    return self.send(&mut connection, &Answer::Refused(status));
                }
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// Takes what came, and answers the requests that are complete with it.
    fn hear(&mut self, connection: &mut ServerConnection<&mut [u8]>, mut rest: &[u8]) -> Option<()> {
        loop {
            let (taken, event) = connection.on_bytes(self.now(), rest);
            let idle = taken == 0 && matches!(event, Event::More);
            match event {
                Event::Request(request) => self.answer = Some(find(self.kernel, &request)),
                Event::Refused(status) => self.answer = Some(Answer::Refused(status)),
                Event::More | Event::Body(_) | Event::End => {}
            }
            let due = matches!(event, Event::End | Event::Refused(_));
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(answer) = self.answer.take_if(|_| due) {
                self.send(connection, &answer)?;
            }
            if idle || connection.is_closed() {
                return Some(());
            }
        }
    }

    fn send(&self, connection: &mut ServerConnection<&mut [u8]>, answer: &Answer) -> Option<()> {
        let mut allowed = heapless::String::<64>::new();
        let (status, kind, length) = match answer {
            Answer::Text(text) => (Status::OK, TEXT, text.len() as u64),
            Answer::Bytes(count) => (Status::OK, "application/octet-stream", *count),
            Answer::Refused(status) => (*status, "", 0),
            Answer::NotAllowed(methods) => {
                for (index, method) in methods.iter().enumerate() {
                    write!(allowed, "{}{}", if index == 0 { "" } else { ", " }, method.name()).ok()?;
                }
                (Status::METHOD_NOT_ALLOWED, "", 0)
            }
        };
        let allow = [("allow", allowed.as_str())];
        let headers: &[(&str, &str)] = if allowed.is_empty() { &[] } else { &allow };
        let seconds = Duration::from_secs(length / SLOWEST);
        let until = after(after(self.now(), PATIENCE), seconds);
        let (mut out, mut piece) = ([0; PIECE], [0; PIECE]);
        let response = Response { headers, ..Response::new(status, kind, length) };
        let written = connection.respond(self.now(), &response, &mut out).ok()?;
        self.stream.write_until(until, out.get(..written)?).ok()?;
        let mut place = 0;
        // Of an answer to HEAD no body is taken.
        while place < length {
            let data = answer.piece(place, length, &mut piece)?;
            let (taken, written) = connection.body(self.now(), data, &mut out);
            if taken == 0 {
                break;
            }
            self.stream.write_until(until, out.get(..written)?).ok()?;
            place += taken as u64;
        }
        if place == length
            && let Some(net) = self.kernel.net()
        {
            net.with(self.kernel, |state| state.web.answered += 1);
        }
        Some(())
    }
}

impl Answer {
    /// What comes at `place` of `length`.
    fn piece<'a>(&'a self, place: u64, length: u64, room: &'a mut [u8; PIECE]) -> Option<&'a [u8]> {
        if let Self::Text(text) = self {
            return text.as_bytes().get(usize::try_from(place).ok()?..);
        }
        for (at, byte) in (place..).zip(room.iter_mut()) {
            *byte = (at % MODULUS).to_le_bytes()[0];
        }
        let count = (length - place).min(PIECE as u64);
        room.get(..usize::try_from(count).ok()?)
    }
}

fn find<P: Platform>(kernel: &Kernel<P>, request: &Request<'_>) -> Answer {
    let route = |pattern, handler| Route { method: Method::Get, pattern, handler };
    let routes = [
        route("/", Page::Index),
        route("/metrics", Page::Metrics),
        route("/proc/{*path}", Page::Proc),
        route("/bytes/{count}", Page::Bytes),
    ];
    let (page, parameters) = match Router::new(&routes).route(request) {
        Matched::Found(page, parameters) => (page, parameters),
        Matched::NotAllowed(methods) => return Answer::NotAllowed(methods),
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
    // It is not to lead out.
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
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
    let (stats, sockets, answered) =
        net.with(kernel, |state| (state.stack.stats(), state.stack.sockets(), state.web.answered));
    let mut out = String::new();
    let written = out.try_reserve(PAGE).ok().and_then(|()| {
        for (name, value) in [
            ("frames_in", stats.frames_in),
            ("bytes_in", stats.bytes_in),
            ("frames_out", stats.frames_out),
            ("bytes_out", stats.bytes_out),
            ("delivered", stats.delivered),
            ("consumed", stats.consumed),
            ("dropped", stats.dropped.total()),
            ("http_answers", answered),
        ] {
            writeln!(out, "# TYPE kos_net_{name} counter\nkos_net_{name}_total {value}").ok()?;
        }
        writeln!(out, "# TYPE kos_net_dropped_by_reason counter").ok()?;
        for (reason, count) in stats.dropped.iter() {
            writeln!(out, "kos_net_dropped_by_reason_total{{reason=\"{reason:?}\"}} {count}").ok()?;
        }
        write!(out, "# TYPE kos_net_sockets gauge\nkos_net_sockets {sockets}\n# EOF\n").ok()
    });
    written.map_or(Answer::Refused(Status::UNAVAILABLE), |()| Answer::Text(out))
}
