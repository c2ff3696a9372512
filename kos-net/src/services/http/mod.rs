//! HTTP/1.1: a server's side of a connection ([`ServerConnection`]), a [`Router`], a client's side ([`ClientConnection`]).
//!
//! Bytes in, events out; responses are written to a slice. A head is kept in a lent buffer until it is complete, a body is
//! never kept. However the bytes are cut, the events are the same.
//!
//! What two servers could read differently is refused with 400 and the end of the connection, before anything of it is
//! believed: a length beside a transfer coding, two lengths, a length that is no plain number, a line that does not end in
//! CR LF, a header that goes on in the next line, a space before a colon, a chunk whose end is not where it says.
//!
//! | limit | answer |
//! |---|---|
//! | head longer than the buffer (8 KiB is usual), more than 64 headers | 431 |
//! | body longer than [`Limits::body`] | 413 |
//! | head not complete 10 s after it began, body 60 s after its head | 408 |
//!
//! Source: RFC 9112, RFC 9110. JSON, compression and files are the application's.

mod body;
mod client;
mod head;
mod response;
mod router;
mod server;
mod uri;

pub use body::Framing;
pub use client::{ClientConnection, ClientError, ClientEvent, write_request};
pub use head::{MAX_HEADERS, Method, Request, Version};
pub use response::{Length, Response, Status};
pub use router::{MAX_PARAMETERS, Matched, Parameters, Route, Router};
pub use server::{Event, Limits, ServerConnection};
pub use uri::{decode, query};

#[cfg(test)]
mod tests;
