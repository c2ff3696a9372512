//! What runs over sockets: an address from a server ([`dhcp`]), names ([`dns`]), pages ([`http`]).
//!
//! All of it is sans-IO like the rest: bytes and time in, bytes and a deadline out. Who has sockets of another stack can use it.

pub mod dhcp;
pub mod dns;
pub mod http;
