//! Names: [`DnsClient`] asks name servers, believes only who answers what was asked, and remembers.
//!
//! An answer is believed if it comes from the server that was asked, to the port it was asked from, with the identifier, and
//! repeats the question in the very case of its letters; ports, identifiers and case are random, so that who does not see the
//! question has to guess about 16 + 14 bits and one for each letter. Of its records only those count whose owner is the name
//! that was asked for, or what that is an alias of; what else a server likes to tell is not read. That there is nothing is
//! remembered as long as the zone says, if the zone is one of the name.
//!
//! Each server is asked twice, for 5 s each time, in turn. An answer that was cut is asked for again over TCP.
//!
//! Bounds: queries and remembered answers are const generics; a full cache forgets what was not used for longest.
//!
//! Source: RFC 1035, RFC 2308 (negative answers), RFC 5452 (forgery), RFC 6891 (EDNS), draft-vixie-dnsext-dns0x20.

mod answer;
mod cache;
mod client;
mod query;

pub use answer::{Answer, MAX_ANSWER};
pub use client::DnsClient;
pub use query::{DnsDrop, DnsError, DnsTransmit, Over, QueryId, ResolveError};

/// Where servers usually listen.
pub const SERVER_PORT: u16 = 53;
/// The most servers.
pub const MAX_SERVERS: usize = 3;
/// The largest answer over UDP that is asked for: it never comes in fragments.
pub const MAX_UDP: u16 = 1232;

#[cfg(test)]
mod tests;
