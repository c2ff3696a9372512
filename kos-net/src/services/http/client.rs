//! A client's side of a connection, one exchange: [`write_request`], [`ClientConnection`].

use core::fmt::{self, Write as _};

use super::body::{Body, Framing, Piece};
use super::head::{MAX_HEADERS, Method, Said, Version, is_well_formed};
use super::response::{Status, Text};
use crate::wire::NoRoom;

/// Writes a request, with the body if there is one; returns how many bytes it has. The connection ends with the response.
///
/// # Errors
/// There is no room for it.
pub fn write_request(
    method: Method,
    host: &str,
    target: &str,
    body: &[u8],
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    let got = out.len();
    let mut text = Text { out, written: 0 };
    let head = write!(text, "{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", method.name())
        .and_then(
            |()| if body.is_empty() { Ok(()) } else { write!(text, "content-length: {}\r\n", body.len()) },
        )
        .and_then(|()| text.write_str("\r\n"));
    let end = text.written.saturating_add(body.len());
    let no_room = NoRoom { needed: end.max(got.saturating_add(1)), got };
    head.map_err(|fmt::Error| no_room)?;
    text.out.get_mut(text.written..end).ok_or(no_room)?.copy_from_slice(body);
    Ok(end)
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent<'a> {
    /// Nothing yet.
    More,
    /// The head: how it was answered, and how the body ends.
    Head(Status, Framing),
    /// A piece of the body.
    Body(&'a [u8]),
    /// The response is complete.
    End,
}

/// Why the response cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The head is longer than the buffer, or has more than 64 headers.
    HeadTooLong,
    /// It is no HTTP, or can be read in two ways.
    Malformed,
    /// The body is longer than the limit.
    BodyTooLong,
    /// The connection ended before the response did.
    Cut,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeadTooLong => "the head is too long",
            Self::Malformed => "this is no response of HTTP",
            Self::BodyTooLong => "the body is too long",
            Self::Cut => "the connection ended in the response",
        })
    }
}

impl core::error::Error for ClientError {}

/// The response to one request.
#[derive(Debug)]
pub struct ClientConnection<'b> {
    head: &'b mut [u8],
    read: usize,
    limit: u64,
    asked: Method,
    body: Option<Body>,
}

impl<'b> ClientConnection<'b> {
    /// Awaits the response to a request with `method`; its head is at most as long as `head`, its body as `limit`.
    #[must_use]
    pub const fn new(method: Method, head: &'b mut [u8], limit: u64) -> Self {
        Self { head, read: 0, limit, asked: method, body: None }
    }

    /// Takes bytes that came; returns how many, and what they are. Call it again with the rest until it takes none.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub fn on_bytes<'a>(&mut self, input: &'a [u8]) -> Result<(usize, ClientEvent<'a>), ClientError> {
        let Some(body) = &mut self.body else { return self.on_head(input) };
        if body.is_over() || input.is_empty() {
            return Ok((0, if body.is_over() { ClientEvent::End } else { ClientEvent::More }));
        }
        match body.next(input) {
            Ok(Piece::Data(count)) => Ok((count, ClientEvent::Body(input.get(..count).unwrap_or_default()))),
            Ok(Piece::Skip(count)) => Ok((count, ClientEvent::More)),
            Ok(Piece::End) => Ok((0, ClientEvent::End)),
            Err(Status::CONTENT_TOO_LARGE) => Err(ClientError::BodyTooLong),
            Err(_) => Err(ClientError::Malformed),
        }
    }

    /// The server closed its side.
    ///
    /// # Errors
    /// The response is not complete.
    pub fn on_close(&self) -> Result<(), ClientError> {
        self.body.filter(Body::may_close).map(drop).ok_or(ClientError::Cut)
    }

    fn on_head<'a>(&mut self, input: &'a [u8]) -> Result<(usize, ClientEvent<'a>), ClientError> {
        for (index, &byte) in input.iter().enumerate() {
            *self.head.get_mut(self.read).ok_or(ClientError::HeadTooLong)? = byte;
            self.read += 1;
            let read = self.head.get(..self.read).unwrap_or_default();
            if byte == b'\n' && !read.ends_with(b"\r\n") {
                return Err(ClientError::Malformed);
            }
            if read.ends_with(b"\r\n\r\n") {
                let (status, framing) = parse(read, self.asked)?;
                self.read = 0;
                if matches!(status.0, 100..200) {
                    return Ok((index + 1, ClientEvent::More));
                }
                self.body = Some(Body::new(framing, self.limit).map_err(|_| ClientError::BodyTooLong)?);
                return Ok((index + 1, ClientEvent::Head(status, framing)));
            }
        }
        Ok((input.len(), ClientEvent::More))
    }
}

fn parse(head: &[u8], asked: Method) -> Result<(Status, Framing), ClientError> {
    if !is_well_formed(head) {
        return Err(ClientError::Malformed);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(ClientError::HeadTooLong),
        Ok(_) | Err(_) => return Err(ClientError::Malformed),
    }
    let version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let status = Status(parsed.code.unwrap_or_default());
    let said = Said::of(parsed.headers, version).map_err(|_| ClientError::Malformed)?;
    let framing = match said.framing() {
        _ if asked == Method::Head || !status.has_body() => Framing::None,
        Framing::None if said.length.is_none() => Framing::UntilClose,
        framing => framing,
    };
    Ok((status, framing))
}
