//! The HTTP server of the kernel: pages about itself, bytes for who measures, files and services for who may.
//!
//! | path | what |
//! |---|---|
//! | `/` | what there is |
//! | `/metrics` | counters, as OpenMetrics |
//! | `/proc/NAME` | a file of `/proc` |
//! | `/bytes/{count}` | so many bytes: each is its place modulo 251 |
//! | `/v1/…` | files and services ([`rest`]), for who has the [`Token`] |
//!
//! | part | idea |
//! |---|---|
//! | [`door`] | who gets in: of connections there are [`CONNECTIONS`], who is one too many is told 503 |
//! | [`talk`] | a client's connection: requests in, answers out, each within its time |
//! | [`answer`] | what is answered |
//! | [`rest`], [`files`], [`services`], [`token`] | what is for whom, and as which user it is done |
//!
//! Few threads serve, so nobody may hold one: a head takes 10 s at most, and so does the time between two requests; a body 60 s;
//! who takes less than 16 KiB a second of an answer does not get the rest.

mod answer;
mod door;
mod files;
mod json;
mod rest;
mod services;
pub(crate) mod talk;
mod token;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use kos_net::services::http::{Matched, Method, Request, Route, Router, Status};
use kos_vfs::{At, How, OpenFlags};

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::Session;
use answer::Answer;
pub(crate) use door::{CONNECTIONS, Door, keep};
use files::Upload;
pub(crate) use rest::Grant;
use talk::Talk;
pub(crate) use token::Token;

/// The most bytes of a page.
const PAGE: usize = 16 << 10;

const INDEX: &str = "\
kos

/metrics      counters
/proc/net/tcp  a file of /proc
/bytes/1000   so many bytes
/v1/files/    files, for who has the token
/v1/svc       services, for who has the token
";

#[derive(Clone, Copy)]
enum Page {
    Index,
    Metrics,
    Proc,
    Bytes,
}

/// Serves connections of the listener until it is closed, or the thread is to end. A service of the kernel.
pub(crate) fn serve<P: Platform>(kernel: &Kernel<P>, _: usize) {
    while let Some(stream) = door::next(kernel) {
        let _whatever_the_client_did = Talk::new(kernel, &stream).run();
        drop(stream);
        door::left(kernel);
    }
}

/// What a request leads to.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and a box would need memory")]
enum Found<'k, P: Platform> {
    Answer(Answer<'k, P>),
    /// A file that it brings.
    Upload(Upload<'k, P>),
}

/// What there is for everybody.
const fn routes() -> [Route<'static, Page>; 4] {
    const fn get(pattern: &'static str, handler: Page) -> Route<'static, Page> {
        Route { method: Method::Get, pattern, handler }
    }
    [
        get("/", Page::Index),
        get("/metrics", Page::Metrics),
        get("/proc/{*path}", Page::Proc),
        get("/bytes/{count}", Page::Bytes),
    ]
}

/// The answer to a request, or what it is to bring first.
fn find<'k, P: Platform>(kernel: &'k Kernel<P>, request: &Request<'_>) -> Found<'k, P> {
    if rest::is_of(request.path) {
        return rest::find(kernel, request);
    }
    let routes = routes();
    let (page, parameters) = match Router::new(&routes).route(request) {
        Matched::Found(page, parameters) => (page, parameters),
        Matched::NotAllowed(methods) => return Found::Answer(Answer::NotAllowed(methods)),
        Matched::NotFound => return Found::Answer(Answer::Refused(Status::NOT_FOUND)),
    };
    let parameter = parameters.first().map_or("", |(_, value)| value);
    let answer = match page {
        Page::Index => text(format_args!("{INDEX}")),
        Page::Metrics => metrics(kernel),
        Page::Proc => file(kernel, parameter),
        Page::Bytes => parameter.parse().map(Answer::Bytes).map_err(|_| Status::NOT_FOUND),
    };
    Found::Answer(answer.unwrap_or_else(Answer::Refused))
}

/// Figures for who gathers them.
fn metrics<'k, P: Platform>(kernel: &Kernel<P>) -> Result<Answer<'k, P>, Status> {
    // Without a thread that looks there is a page, too.
    let _ = kernel.watch_pressure();
    crate::metrics::gather(kernel).map(Answer::Figures).map_err(|_| Status::UNAVAILABLE)
}

/// A file of `/proc`, as nobody in particular reads it.
fn file<'k, P: Platform>(kernel: &'k Kernel<P>, name: &str) -> Result<Answer<'k, P>, Status> {
    // It is not to lead out.
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return Err(Status::NOT_FOUND);
    }
    let mut path = heapless::String::<64>::new();
    write!(path, "/proc/{name}").map_err(|_| Status::NOT_FOUND)?;
    let mut session = Session::new(kernel);
    let how = How::flags(OpenFlags::NO_FOLLOW | OpenFlags::NONBLOCK);
    let call = session.call().map_err(|_| Status::NOT_FOUND)?;
    let file = call.open(At::Cwd, path.as_bytes(), &how).map_err(|error| files::status(error.errno()))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(PAGE).map_err(|_| Status::UNAVAILABLE)?;
    bytes.resize(PAGE, 0);
    let mut length = 0;
    let mut read = || {
        let room = bytes.get_mut(length..).unwrap_or_default();
        let count = file.read(room).map_err(|error| files::status(error.errno()))?;
        length += count;
        Ok::<_, Status>(count > 0)
    };
    while read()? {}
    bytes.truncate(length);
    String::from_utf8(bytes).map(Answer::Text).map_err(|_| Status::INTERNAL_ERROR)
}

fn text<'k, P: Platform>(what: core::fmt::Arguments<'_>) -> Result<Answer<'k, P>, Status> {
    let mut text = String::new();
    text.try_reserve(PAGE).map_err(|_| Status::UNAVAILABLE)?;
    text.write_fmt(what).map_err(|_| Status::UNAVAILABLE)?;
    Ok(Answer::Text(text))
}
