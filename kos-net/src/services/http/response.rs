//! What is answered: [`Status`], [`Response`].

use super::head::Version;
use crate::wire::NoRoom;
use core::fmt::{self, Write as _};

/// How a request was answered (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal $phrase:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// In words.
            #[must_use]
            pub const fn phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    /// Send the body.
    CONTINUE = 100 "Continue";
    /// Here it is.
    OK = 200 "OK";
    /// It was made.
    CREATED = 201 "Created";
    /// Done; there is nothing to show.
    NO_CONTENT = 204 "No Content";
    /// It is elsewhere.
    MOVED_PERMANENTLY = 301 "Moved Permanently";
    /// It is as it was.
    NOT_MODIFIED = 304 "Not Modified";
    /// Malformed.
    BAD_REQUEST = 400 "Bad Request";
    /// Not for who does not say who he is.
    UNAUTHORIZED = 401 "Unauthorized";
    /// Not for who asks.
    FORBIDDEN = 403 "Forbidden";
    /// There is none.
    NOT_FOUND = 404 "Not Found";
    /// Not so.
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed";
    /// Too slow.
    REQUEST_TIMEOUT = 408 "Request Timeout";
    /// Not as it is now.
    CONFLICT = 409 "Conflict";
    /// The body is too long.
    CONTENT_TOO_LARGE = 413 "Content Too Large";
    /// What was expected is not done here.
    EXPECTATION_FAILED = 417 "Expectation Failed";
    /// The head is too long.
    HEADERS_TOO_LARGE = 431 "Request Header Fields Too Large";
    /// Our fault.
    INTERNAL_ERROR = 500 "Internal Server Error";
    /// Not known here.
    NOT_IMPLEMENTED = 501 "Not Implemented";
    /// Not now.
    UNAVAILABLE = 503 "Service Unavailable";
    /// Not this HTTP.
    VERSION_NOT_SUPPORTED = 505 "HTTP Version Not Supported";
}

impl Status {
    /// Whether there can be a body.
    pub(super) const fn has_body(self) -> bool {
        !matches!(self.0, 100..200 | 204 | 304)
    }
}

/// How long the body of a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// Unknown: it goes in chunks, or for an old client until the connection ends.
    Unknown,
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// How it was answered.
    pub status: Status,
    /// What the body is; empty if it is not to be said.
    pub content_type: &'a str,
    /// How long the body is.
    pub length: Length,
    /// Other headers. Those with a line end in them are left out.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Response<'a> {
    /// A response with a body of `length` bytes.
    #[must_use]
    pub const fn new(status: Status, content_type: &'a str, length: u64) -> Self {
        Self { status, content_type, length: Length::Known(length), headers: &[] }
    }

    /// Writes the head for a client of `version`.
    pub(super) fn write(&self, version: Version, keep: bool, out: &mut [u8]) -> Result<usize, NoRoom> {
        let mut text = Text { out, written: 0 };
        // Without a body fmt::Error can only mean that the room ended.
        let written = self.format(version, keep, &mut text);
        let (needed, got) = (text.written.saturating_add(1), text.out.len());
        written.map(|()| text.written).map_err(|fmt::Error| NoRoom { needed, got })
    }

    fn format(&self, version: Version, keep: bool, text: &mut Text<'_>) -> fmt::Result {
        write!(text, "HTTP/1.1 {} {}\r\n", self.status.0, self.status.phrase())?;
        if !self.content_type.is_empty() {
            write!(text, "content-type: {}\r\n", self.content_type)?;
        }
        match self.length {
            _ if !self.status.has_body() => {}
            Length::Known(length) => write!(text, "content-length: {length}\r\n")?,
            Length::Unknown if version == Version::Http11 => {
                text.write_str("transfer-encoding: chunked\r\n")?;
            }
            Length::Unknown => {}
        }
        for (name, value) in self.headers {
            if !name.contains(['\r', '\n', ':']) && !value.contains(['\r', '\n']) {
                write!(text, "{name}: {value}\r\n")?;
            }
        }
        match (version, keep) {
            (Version::Http10, true) => text.write_str("connection: keep-alive\r\n")?,
            (Version::Http11, false) => text.write_str("connection: close\r\n")?,
            _ => {}
        }
        text.write_str("\r\n")
    }
}

/// Room for text.
pub(super) struct Text<'a> {
    pub(super) out: &'a mut [u8],
    pub(super) written: usize,
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.written.checked_add(text.len()).ok_or(fmt::Error)?;
        self.out.get_mut(self.written..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.written = end;
        Ok(())
    }
}
