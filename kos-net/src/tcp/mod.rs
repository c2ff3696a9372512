//! The Transmission Control Protocol: each connection a pure machine, segments and time in, segments out.
//!
//! `fsm` says what an event means to a state; `tcb` is a connection, with `input`, `plan`, `output`, `timers` and
//! `user` for what happens to it; `sender` and `receiver` know the windows, `loss` what is in flight, [`congestion`] how
//! much of it may be. Inside, a place in a stream is a `u64` that counts from the SYN; 32 bits are on the wire only.
//! Source: RFC 9293; the others are named where they are used.

mod ack_policy;
mod arrived;
pub(crate) mod challenge;
pub(crate) mod clock;
mod config;
pub mod congestion;
mod error;
pub(crate) mod fsm;
mod info;
pub(crate) mod input;
pub(crate) mod isn;
pub(crate) mod listener;
pub(crate) mod loss;
pub(crate) mod origin;
pub(crate) mod output;
mod plan;
pub(crate) mod receiver;
pub(crate) mod ring;
mod sender;
pub(crate) mod tcb;
#[cfg(test)]
mod tests;
pub(crate) mod time_wait;
mod timers;
mod timestamps;
mod user;

pub use config::{KeepAlive, TcpConfig, TcpSettings};
pub use error::{TcpFailure, Unreachable};
pub use fsm::State as TcpState;
pub use info::TcpInfo;
pub use listener::SynRecord;
pub use loss::{LossConfig, Sent};
pub use receiver::{Gap, MAX_GAPS};

#[cfg(any(test, feature = "testing"))]
pub(crate) fn clock_of_wire(now: crate::time::Instant) -> u32 {
    timestamps::clock(now, 0)
}
