//! A client's connection: [`Talk`], over anything that carries bytes ([`Wire`]).
//!
//! A request that brings more than it may, or what nobody wants, is answered before it is there: what still comes is not read
//! but for a moment, so that the client hears the answer and not a reset.

use core::fmt::Write;

use kos_net::StreamError;
use kos_net::services::http::{Event, Framing, Limits, Request, Response, ServerConnection, Status};

use super::answer::{Answer, PIECE};
use super::files::Upload;
use super::{Found, find};
use crate::Kernel;
use crate::net::stream::Stream;
use crate::platform::Platform;
use crate::time::{Duration, Instant, after};

/// How long a client may stay silent where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that a client has to take in a second.
const SLOWEST: u64 = 16 << 10;
/// Bytes of the longest head.
const HEAD: usize = 4096;
/// The most bytes of a body.
const BODY: u64 = 16 << 20;
/// How long, and for how many bytes, one listens to who was answered before he had said all.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: usize = 64 << 10;

type Connection<'b> = ServerConnection<&'b mut [u8]>;

/// What carries the bytes of a connection.
pub(crate) trait Wire {
    /// The bytes that come next, until `until`; 0 when the client is done.
    ///
    /// # Errors
    /// The connection is over; [`StreamError::NotNow`] if nothing came in time.
    fn read_until(&self, until: Instant, out: &mut [u8]) -> Result<usize, StreamError>;

    /// Sends all of `bytes`, if the client takes them until `until`.
    ///
    /// # Errors
    /// As for [`read_until`](Self::read_until).
    fn write_until(&self, until: Instant, bytes: &[u8]) -> Result<(), StreamError>;

    /// Tells the client that nothing follows.
    ///
    /// # Errors
    /// The connection is over.
    fn finish(&self) -> Result<(), StreamError>;
}

impl<P: Platform> Wire for Stream<'_, P> {
    fn read_until(&self, until: Instant, out: &mut [u8]) -> Result<usize, StreamError> {
        Stream::read_until(self, until, out)
    }

    fn write_until(&self, until: Instant, bytes: &[u8]) -> Result<(), StreamError> {
        Stream::write_until(self, until, bytes)
    }

    fn finish(&self) -> Result<(), StreamError> {
        Stream::finish(self)
    }
}

/// What is to be done next.
enum Then {
    /// Nothing: the rest of the request comes first.
    Wait,
    /// It is answered; another may follow.
    Answer,
    /// It is answered, whatever still comes with it.
    Dismiss,
}

/// A client's connection.
pub(crate) struct Talk<'a, 'k, P: Platform, W> {
    kernel: &'k Kernel<P>,
    wire: &'a W,
    /// What the request is answered with, when all of it is there.
    answer: Option<Answer<'k, P>>,
    /// A file that it brings.
    upload: Option<Upload<'k, P>>,
}

impl<'a, 'k, P: Platform, W: Wire> Talk<'a, 'k, P, W> {
    pub(crate) const fn new(kernel: &'k Kernel<P>, wire: &'a W) -> Self {
        Self { kernel, wire, answer: None, upload: None }
    }

    fn now(&self) -> Instant {
        self.kernel.platform().now()
    }

    /// Until the connection is over. [`None`]: before both had said all.
    pub(crate) fn run(&mut self) -> Option<()> {
        let mut head = [0; HEAD];
        let limits = Limits { body: BODY, ..Limits::default() };
        let (mut connection, mut input) = (Connection::new(self.now(), &mut head[..], limits), [0; 2048]);
        while !connection.is_closed() {
            let until = connection.deadline().unwrap_or_else(|| after(self.now(), PATIENCE));
            match self.wire.read_until(until, &mut input) {
                Ok(0) => return None,
                Ok(count) => self.hear(&mut connection, input.get(..count)?)?,
                Err(StreamError::NotNow) => {
                    let Event::Refused(status) = connection.on_timer(self.now()) else { return None };
                    self.answer = Some(Answer::Refused(status));
                    return self.dismiss(&mut connection);
                }
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// Takes what came, and answers the requests that are complete with it.
    fn hear(&mut self, connection: &mut Connection<'_>, mut rest: &[u8]) -> Option<()> {
        loop {
            let (taken, event) = connection.on_bytes(self.now(), rest);
            let idle = taken == 0 && matches!(event, Event::More);
            let (begins, then) = (matches!(event, Event::Request(_)), self.take(event));
            if begins && self.upload.is_some() {
                self.grant(connection)?;
            }
            rest = rest.get(taken..).unwrap_or_default();
            match then {
                Then::Dismiss => return self.dismiss(connection),
                Then::Answer => self.send(connection)?,
                Then::Wait => {}
            }
            if idle || connection.is_closed() {
                return Some(());
            }
        }
    }

    /// Takes a piece of a request.
    fn take(&mut self, event: Event<'_>) -> Then {
        match event {
            Event::Request(request) => return self.begin(&request),
            Event::Refused(status) => {
                self.upload = None;
                self.answer = Some(Answer::Refused(status));
                return Then::Dismiss;
            }
            Event::Body(bytes) => {
                if let Some(Err(status)) = self.upload.as_mut().map(|upload| upload.take(bytes)) {
                    self.upload = None;
                    self.answer = Some(Answer::Refused(status));
                    return Then::Dismiss;
                }
            }
            Event::End => {
                if let Some(upload) = self.upload.take() {
                    self.answer = Some(upload.finish().map_or_else(Answer::Refused, Answer::Done));
                }
                return Then::Answer;
            }
            Event::More => {}
        }
        Then::Wait
    }

    /// Finds what a request leads to. One that brings what nobody takes is answered at once.
    fn begin(&mut self, request: &Request<'_>) -> Then {
        self.upload = None;
        match find(self.kernel, request) {
            Found::Upload(upload) => self.upload = Some(upload),
            Found::Answer(answer) => self.answer = Some(answer),
        }
        let brings = !matches!(request.framing, Framing::None | Framing::Length(0));
        if brings && self.upload.is_none() { Then::Dismiss } else { Then::Wait }
    }

    /// Answers for the last time, and listens for a moment: who is still sending would else be told of a reset only.
    fn dismiss(&mut self, connection: &mut Connection<'_>) -> Option<()> {
        self.send(connection)?;
        self.wire.finish().ok()?;
        let (until, mut left, mut input) = (after(self.now(), FAREWELL), FAREWELL_BYTES, [0; 2048]);
        while left > 0 {
            let count = self.wire.read_until(until, &mut input).ok().filter(|&count| count > 0)?;
            left = left.saturating_sub(count);
        }
        None
    }

    /// Tells a client that waits for leave to send a body that it may.
    fn grant(&self, connection: &mut Connection<'_>) -> Option<()> {
        let mut out = [0; 64];
        let written = connection.leave(&mut out).ok()?;
        self.wire.write_until(after(self.now(), PATIENCE), out.get(..written)?).ok()
    }

    /// Sends the answer, and counts it once all of it went.
    fn send(&mut self, connection: &mut Connection<'_>) -> Option<()> {
        let answer = self.answer.take().unwrap_or(Answer::Refused(Status::INTERNAL_ERROR));
        let length = answer.head().2;
        let until = after(after(self.now(), PATIENCE), Duration::from_secs(length / SLOWEST));
        let (mut out, mut piece, mut place) = ([0; PIECE], [0; PIECE], 0);
        let written = self.head(connection, &answer, &mut out)?;
        self.wire.write_until(until, out.get(..written)?).ok()?;
        // Of an answer to HEAD no body is taken.
        while place < length {
            let data = answer.piece(place, length, &mut piece)?;
            let (taken, written) = connection.body(self.now(), data, &mut out);
            if taken == 0 {
                break;
            }
            self.wire.write_until(until, out.get(..written)?).ok()?;
            place += taken as u64;
        }
        if place == length
            && let Some(net) = self.kernel.net()
        {
            net.with(self.kernel, |state| state.web.answered += 1);
        }
        Some(())
    }

    /// Writes the head of an answer; how many bytes it has.
    fn head(
        &self,
        connection: &mut Connection<'_>,
        answer: &Answer<'k, P>,
        out: &mut [u8; PIECE],
    ) -> Option<usize> {
        let (status, kind, length) = answer.head();
        let mut allowed = heapless::String::<64>::new();
        if let Answer::NotAllowed(methods) = answer {
            for (index, method) in methods.iter().enumerate() {
                write!(allowed, "{}{}", if index == 0 { "" } else { ", " }, method.name()).ok()?;
            }
        }
        let allow = [("allow", allowed.as_str())];
        let headers: &[(&str, &str)] = match (status, answer) {
            (Status::UNAUTHORIZED, _) => &[("www-authenticate", "Bearer")],
            (_, Answer::NotAllowed(_)) => &allow,
            _ => &[],
        };
        let response = Response { headers, ..Response::new(status, kind, length) };
        connection.respond(self.now(), &response, out).ok()
    }
}
