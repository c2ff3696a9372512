//! Requests: [`Request`], read whole by [`parse`].

use super::body::{self, Framing};
use super::response::Status;

/// The most headers of a message.
pub const MAX_HEADERS: usize = 64;

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// To see it.
    Get,
    /// To see all but the body.
    Head,
    /// To let it take the body.
    Post,
    /// To put the body in its place.
    Put,
    /// To delete it.
    Delete,
    /// To know what can be done with it.
    Options,
    /// To change a part of it.
    Patch,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete, Self::Options, Self::Patch];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
        }
    }
}

/// Which HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// One request a connection, unless it is told otherwise.
    Http10,
    /// Many requests a connection, unless it is told otherwise.
    Http11,
}

/// A request whose head was read and believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// With what: begins with `/`, or is `*`. Not decoded.
    pub path: &'a str,
    /// What stands behind the question mark. Not decoded.
    pub query: &'a str,
    /// Which HTTP.
    pub version: Version,
    /// What follows the head.
    pub framing: Framing,
    /// Whether the client waits for leave to send the body: see [`ServerConnection::leave`](super::ServerConnection::leave).
    pub waits: bool,
    /// Whether the client wants the connection kept.
    pub keep: bool,
    head: &'a [u8],
}

impl<'a> Request<'a> {
    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        lines(self.head).skip(1).filter_map(|line| {
            let at = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at_checked(at)?;
            Some((core::str::from_utf8(name).ok()?, value.get(1..)?.trim_ascii()))
        })
    }

    /// The first header of this name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The lines of a head, without their ends.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

/// Whether each line of `head` ends in CR LF, none goes on in the next, and no name has a space behind it.
pub(super) fn is_well_formed(head: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in head {
        if (byte == b'\n') != (previous == b'\r') {
            return false;
        }
        previous = byte;
    }
    lines(head).skip(1).all(|line| {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        name.len() < line.len() && !name.is_empty() && !name.iter().any(u8::is_ascii_whitespace)
    })
}

/// Whether the list in `value` has `word`, in whatever case.
pub(super) fn lists(value: &[u8], word: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word))
}

/// What the headers say of body and connection.
#[derive(Default)]
pub(super) struct Said {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep: bool,
    waits: bool,
    hosts: u32,
}

impl Said {
    pub(super) fn of(headers: &[httparse::Header<'_>], version: Version) -> Result<Self, Status> {
        let mut said = Self::default();
        for header in headers {
            let is = |name| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                if said.length.is_some() {
                    return Err(Status::BAD_REQUEST);
                }
                said.length = Some(body::length(header.value)?);
            } else if is("transfer-encoding") {
                said.coding(header.value, version)?;
            } else if is("connection") {
                said.close |= lists(header.value, b"close");
                said.keep |= lists(header.value, b"keep-alive");
            } else if is("expect") {
                if !header.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Status::EXPECTATION_FAILED);
                }
                said.waits = version == Version::Http11;
            } else if is("host") {
                said.hosts += 1;
            }
        }
        if said.chunked && said.length.is_some() {
            return Err(Status::BAD_REQUEST);
        }
        Ok(said)
    }

    /// Only `chunked`, once, and only where both sides know it.
    fn coding(&mut self, value: &[u8], version: Version) -> Result<(), Status> {
        if self.chunked || version == Version::Http10 {
            return Err(Status::BAD_REQUEST);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            let known = value.windows(7).any(|word| word.eq_ignore_ascii_case(b"chunked"));
            return Err(if known { Status::BAD_REQUEST } else { Status::NOT_IMPLEMENTED });
        }
        self.chunked = true;
        Ok(())
    }

    pub(super) fn framing(&self) -> Framing {
        match self.length {
            _ if self.chunked => Framing::Chunked,
            Some(0) | None => Framing::None,
            Some(length) => Framing::Length(length),
        }
    }
}

/// Path and query of a target: one that begins with `/`, `*` for OPTIONS, or what follows `http://host`.
fn target(target: &str, method: Method) -> Option<(&str, &str)> {
    if target == "*" {
        return (method == Method::Options).then_some(("*", ""));
    }
    let origin = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/"))
        }
        _ => target,
    };
    let origin = origin.split_once('#').map_or(origin, |(before, _)| before);
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    path.starts_with('/').then_some((path, query))
}

/// Reads a whole head, the empty line at its end included.
///
/// # Errors
/// What to answer instead.
pub(super) fn parse(head: &[u8]) -> Result<Request<'_>, Status> {
    if !is_well_formed(head) {
        return Err(Status::BAD_REQUEST);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HEADERS_TOO_LARGE),
        Err(httparse::Error::Version) => return Err(Status::VERSION_NOT_SUPPORTED),
        Ok(_) | Err(_) => return Err(Status::BAD_REQUEST),
    }
    let version = if parsed.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let said = Said::of(parsed.headers, version)?;
    if said.hosts > 1 || said.hosts == 0 && version == Version::Http11 {
        return Err(Status::BAD_REQUEST);
    }
    let name = parsed.method.unwrap_or_default();
    let method =
        Method::ALL.into_iter().find(|method| method.name() == name).ok_or(Status::NOT_IMPLEMENTED)?;
    let (path, query) = target(parsed.path.unwrap_or_default(), method).ok_or(Status::BAD_REQUEST)?;
    Ok(Request {
        method,
        path,
        query,
        version,
        framing: said.framing(),
        waits: said.waits && said.framing() != Framing::None,
        keep: !said.close && (version == Version::Http11 || said.keep),
        head,
    })
}
