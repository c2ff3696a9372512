//! An address from a server: [`DhcpClient`].
//!
//! | state | sends | until |
//! |---|---|---|
//! | init-reboot, rebooting | REQUEST for the address it had | an answer, or silence: init |
//! | init, selecting | DISCOVER to all | the first offer that makes sense |
//! | requesting | REQUEST to that server | ACK: bound; NAK, or silence for a minute: init |
//! | bound | nothing | T1 |
//! | renewing | REQUEST to the server, each time after half of what is left to T2, 60 s at least | ACK, or T2 |
//! | rebinding | REQUEST to all, in the same way | ACK, or the end: the address is gone, init |
//!
//! Whatever goes unanswered is sent again after 4, 8, 16, 32, 64 s, one second more or less by chance. Times that contradict
//! each other are repaired: T1 is before T2, and T2 before the end. Whoever answers must know the transaction, which nobody
//! foresees, and the client's link address; and be the server that was chosen, unless any was asked.
//!
//! Source: RFC 2131 sections 3, 4.1, 4.4; RFC 3442 (routes in place of routers).

mod client;
mod lease;
mod message;

pub use client::{DhcpClient, DhcpConfig, DhcpDrop, DhcpError, DhcpState};
pub use lease::{Lease, LeaseTimes, MAX_ROUTES, MAX_SERVERS};
pub use message::DhcpTransmit;

/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;
/// Where servers listen.
pub const SERVER_PORT: u16 = 67;

#[cfg(test)]
mod tests;
