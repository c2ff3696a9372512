//! What is in flight, what is lost, when to send again and how much: [`Recovery`], one value per connection.
//!
//! It never sees bytes or packets. The connection tells it what was sent and what was acknowledged, as places in the stream;
//! it says what to send again ([`Recovery::next_resend`]), how much may go out ([`Recovery::allowance`]) and when to look
//! again ([`Recovery::deadline`]). The records of what is in flight are lent with each call, 16 bytes a segment.
//!
//! How a connection sends: while `allowance()` has room for the next segment, first what `next_resend` names, then new
//! data; a whole segment or all there is, never a part because the allowance is short. After `LossTimeout::Probe` or
//! `Rto` one segment goes out whatever the allowance says.
//!
//! [`Scoreboard`](scoreboard::Scoreboard) knows the fate of every byte; [`Rack`](rack::Rack) says what is lost, where the peer
//! has SACK, and duplicates do where it has not; [`Prr`](prr::Prr) paces a repair; [`Rtt`](rtt::Rtt) is the clock of it all.
//!
//! Source: RFC 6298 (timer), RFC 6675 (scoreboard), RFC 8985 (RACK-TLP), RFC 9937 (PRR), RFC 5682 and RFC 3522 (time-outs that
//! were none), RFC 6582 (without SACK).

#[cfg(any(test, feature = "testing"))]
pub(crate) mod model;
mod prr;
mod rack;
mod recovery;
mod ring;
mod rtt;
mod scoreboard;
mod sent;
#[cfg(test)]
mod simulation;

pub(crate) use recovery::{Ack, LossTimeout, Recovery};
pub use sent::Sent;

use crate::time::Duration;

/// Limits of the retransmission timer and the window at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossConfig {
    /// The timeout before the round trip was measured (RFC 6298 section 2.1).
    pub initial_rto: Duration,
    /// The least timeout. The RFC asks for 1 s; all stacks in use take 200 ms.
    pub min_rto: Duration,
    /// The greatest timeout, also after many doublings.
    pub max_rto: Duration,
    /// Segments that may be sent before the first acknowledgement (RFC 6928).
    pub initial_segments: u32,
}

impl Default for LossConfig {
    fn default() -> Self {
        let seconds = |count: u64| Duration::from_ticks(count * 1_000_000_000);
        Self {
            initial_rto: seconds(1),
            min_rto: Duration::from_ticks(200_000_000),
            max_rto: seconds(120),
            initial_segments: 10,
        }
    }
}
