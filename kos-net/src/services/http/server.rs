//! A server's side of a connection: [`ServerConnection`].

use super::body::{Body, Piece};
use super::head::{self, Method, Request, Version};
use super::response::{Length, Response, Status, Text};
use crate::time::{Duration, Instant};
use crate::wire::NoRoom;
use core::fmt::Write as _;

/// What is taken from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a body.
    pub body: u64,
    /// How long a head may take, from its first byte, or from the begin of the connection or the end of the request before.
    pub head: Duration,
    /// How long a body may take, from the end of its head.
    pub rest: Duration,
}

impl Default for Limits {
    /// 1 MiB, 10 s and 60 s.
    fn default() -> Self {
        let (head, rest) = (Duration::from_ticks(10_000_000_000), Duration::from_ticks(60_000_000_000));
        Self { body: 1 << 20, head, rest }
    }
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing yet. All bytes were taken, or none are taken before the response is complete.
    More,
    /// A head. Its body follows, if it has one, then `End`.
    Request(Request<'a>),
    /// A piece of the body.
    Body(&'a [u8]),
    /// The request is complete.
    End,
    /// It cannot be answered but so; then the connection is to be closed. The response is to be written with
    /// [`respond`](ServerConnection::respond) like any other.
    Refused(Status),
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading a head; so many bytes of it are in the buffer.
    Head(usize),
    Body(Body),
    /// Everything came; the response is not complete.
    Responding,
    /// No more bytes are taken.
    Closed,
}

/// What was asked, as far as it matters for the answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    method: Method,
    version: Version,
    keep: bool,
    waits: bool,
}

const UNKNOWN: Asked = Asked { method: Method::Get, version: Version::Http11, keep: false, waits: false };

/// A connection. Its responses go out in the order of the requests: one at a time, what comes behind stays where it is.
#[derive(Debug)]
pub struct ServerConnection<B> {
    head: B,
    limits: Limits,
    state: State,
    asked: Asked,
    /// How much of the response is written.
    answer: Answer,
    /// When what the client sends now has to be there.
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    /// Of the body, so many bytes are still to be written.
    Counted(u64),
    Chunked,
    UntilClose,
    Complete,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ServerConnection<B> {
    /// A connection that began at `now`. A head is at most as long as `head`.
    #[must_use]
    pub fn new(now: Instant, head: B, limits: Limits) -> Self {
        let due = now.checked_add_duration(limits.head);
        Self { head, limits, state: State::Head(0), asked: UNKNOWN, answer: Answer::Nothing, due }
    }

    /// When [`on_timer`](Self::on_timer) is to be called; `None` while nothing of the client's is awaited.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The time for a head or a body may be over: 408, if some of it came, else the end without a word.
    pub fn on_timer(&mut self, now: Instant) -> Event<'static> {
        if self.due.is_none_or(|due| due > now) {
            return Event::More;
        }
        match self.state {
            State::Head(0) => {
                self.close();
                Event::End
            }
            _ => self.refuse(Status::REQUEST_TIMEOUT),
        }
    }

    /// Takes bytes that came; returns how many, and what they are. Call it again with the rest, until it takes none and says
    /// [`Event::More`].
    pub fn on_bytes<'a>(&'a mut self, now: Instant, input: &'a [u8]) -> (usize, Event<'a>) {
        match self.state {
            State::Head(_) if !input.is_empty() => self.on_head(now, input),
            State::Body(body) if body.is_over() => (0, self.end(now)),
            State::Body(mut body) if !input.is_empty() => match body.next(input) {
                Ok(Piece::Data(count)) => {
                    self.state = State::Body(body);
                    (count, Event::Body(input.get(..count).unwrap_or_default()))
                }
                Ok(Piece::Skip(count)) => {
                    self.state = State::Body(body);
                    (count, if body.is_over() { self.end(now) } else { Event::More })
                }
                Ok(Piece::End) => (0, self.end(now)),
                Err(status) => (0, self.refuse(status)),
            },
            _ => (0, Event::More),
        }
    }

    fn end(&mut self, now: Instant) -> Event<'static> {
        (self.state, self.due) = (State::Responding, None);
        self.turn(now);
        Event::End
    }

    /// Takes bytes up to the end of the head; empty lines before it are skipped.
    fn on_head(&mut self, now: Instant, input: &[u8]) -> (usize, Event<'_>) {
        let State::Head(mut length) = self.state else { return (0, Event::More) };
        for (index, &byte) in input.iter().enumerate() {
            let Some(place) = self.head.as_mut().get_mut(length) else {
                return (index, self.refuse(Status::HEADERS_TOO_LARGE));
            };
            *place = byte;
            length += 1;
            let read = self.head.as_ref().get(..length).unwrap_or_default();
            if read == b"\r\n" {
                length = 0;
            } else if byte == b'\n' && !read.ends_with(b"\r\n") {
                return (index + 1, self.refuse(Status::BAD_REQUEST));
            } else if read.ends_with(b"\r\n\r\n") {
                return (index + 1, self.on_request(now, length));
            }
        }
        self.state = State::Head(length);
        (input.len(), Event::More)
    }

    fn on_request(&mut self, now: Instant, length: usize) -> Event<'_> {
        let read = head::parse(self.head.as_ref().get(..length).unwrap_or_default());
        let body = read.and_then(|request| Body::new(request.framing, self.limits.body));
        let (Ok(Request { method, version, keep, waits, .. }), Ok(body)) = (read, body) else {
            return self.refuse(read.err().or(body.err()).unwrap_or(Status::BAD_REQUEST));
        };
        self.asked = Asked { method, version, keep, waits };
        (self.state, self.answer) = (State::Body(body), Answer::Nothing);
        self.due = now.checked_add_duration(self.limits.rest);
        // Read again, for the borrow: the first reading said yes.
        match head::parse(self.head.as_ref().get(..length).unwrap_or_default()) {
            Ok(request) => Event::Request(request),
            Err(status) => Event::Refused(status),
        }
    }

    fn refuse(&mut self, status: Status) -> Event<'static> {
        if !matches!(self.state, State::Body(_)) {
            self.asked = UNKNOWN;
            self.answer = Answer::Nothing;
        }
        self.close();
        self.asked.keep = false;
        Event::Refused(status)
    }

    fn close(&mut self) {
        (self.state, self.due) = (State::Closed, None);
    }

    /// Writes leave to send the body, which a client waits for that sent `Expect: 100-continue`; at most once, and not when
    /// the response has begun. Returns how many bytes that is.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn leave(&mut self, out: &mut [u8]) -> Result<usize, NoRoom> {
        if !self.asked.waits || self.answer != Answer::Nothing {
            return Ok(0);
        }
        let length = Response::new(Status::CONTINUE, "", 0).write(Version::Http11, true, out)?;
        self.asked.waits = false;
        Ok(length)
    }

    /// Writes the head of the response, and says how many bytes that is. The body follows by [`body`](Self::body).
    ///
    /// # Errors
    /// There is no room for it; nothing changed.
    pub fn respond(
        &mut self,
        now: Instant,
        response: &Response<'_>,
        out: &mut [u8],
    ) -> Result<usize, NoRoom> {
        if self.answer != Answer::Nothing {
            return Ok(0);
        }
        let Asked { method, version, keep, waits } = self.asked;
        // Who waits for leave may send the body or not: what follows could be either. So it is the last request.
        let framed = matches!(response.length, Length::Known(_)) || version == Version::Http11;
        let keep = keep && framed && !waits;
        let length = response.write(version, keep, out)?;
        self.asked.keep = keep;
        self.answer = match response.length {
            _ if method == Method::Head || !response.status.has_body() => Answer::Complete,
            Length::Known(0) => Answer::Complete,
            Length::Known(length) => Answer::Counted(length),
            Length::Unknown if version == Version::Http11 => Answer::Chunked,
            Length::Unknown => Answer::UntilClose,
        };
        self.turn(now);
        Ok(length)
    }

    /// Writes a piece of the body as it goes out, as much of it as has room; returns how many bytes of `data` were taken and
    /// how many were written. More than was announced is not taken.
    pub fn body(&mut self, now: Instant, data: &[u8], out: &mut [u8]) -> (usize, usize) {
        /// Of a chunk: eight digits, and two line ends.
        const AROUND: usize = 12;
        let room = if self.answer == Answer::Chunked { out.len().saturating_sub(AROUND) } else { out.len() };
        let room = match self.answer {
            Answer::Counted(left) => room.min(usize::try_from(left).unwrap_or(usize::MAX)),
            Answer::Chunked => room.min(u32::MAX as usize),
            Answer::UntilClose => room,
            Answer::Nothing | Answer::Complete => 0,
        };
        let Some(data) = data.get(..data.len().min(room)).filter(|data| !data.is_empty()) else {
            return (0, 0);
        };
        let mut text = Text { out, written: 0 };
        if self.answer == Answer::Chunked && write!(text, "{:x}\r\n", data.len()).is_err() {
            return (0, 0);
        }
        let Some(place) = text.out.get_mut(text.written..text.written + data.len()) else { return (0, 0) };
        place.copy_from_slice(data);
        text.written += data.len();
        if self.answer == Answer::Chunked && text.write_str("\r\n").is_err() {
            return (0, 0);
        }
        let written = text.written;
        if let Answer::Counted(left) = self.answer {
            let left = left.saturating_sub(data.len() as u64);
            self.answer = if left == 0 { Answer::Complete } else { Answer::Counted(left) };
        }
        self.turn(now);
        (data.len(), written)
    }

    /// Ends a body of unknown length; returns how many bytes that takes. A body of which less came than was announced ends the
    /// connection.
    ///
    /// # Errors
    /// There is no room for it; nothing changed.
    pub fn finish(&mut self, now: Instant, out: &mut [u8]) -> Result<usize, NoRoom> {
        const LAST: &[u8] = b"0\r\n\r\n";
        let mut written = 0;
        match self.answer {
            Answer::Complete | Answer::Nothing => return Ok(0),
            Answer::Chunked => {
                let got = out.len();
                out.get_mut(..LAST.len()).ok_or(NoRoom { needed: LAST.len(), got })?.copy_from_slice(LAST);
                written = LAST.len();
            }
            Answer::Counted(_) | Answer::UntilClose => self.asked.keep = false,
        }
        self.answer = Answer::Complete;
        self.turn(now);
        Ok(written)
    }

    /// Goes to the next request when this one came whole and was answered whole.
    fn turn(&mut self, now: Instant) {
        match (self.state, self.answer) {
            (State::Responding, Answer::Complete) if self.asked.keep => {
                (self.state, self.answer) = (State::Head(0), Answer::Nothing);
                self.due = now.checked_add_duration(self.limits.head);
            }
            // A body that nobody reads after the answer is not skipped for ever: the connection ends.
            (State::Responding, Answer::Complete) => self.close(),
            (State::Body(body), Answer::Complete) if !self.asked.keep && !body.is_over() => self.close(),
            _ => {}
        }
    }

    /// Whether the connection is to be closed once everything that was written went out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
            && !matches!(self.answer, Answer::Counted(_) | Answer::Chunked | Answer::UntilClose)
    }

    /// Whether a response is awaited.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, State::Responding | State::Body(_))
    }
}
