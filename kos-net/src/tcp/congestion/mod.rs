//! How much may be in flight: the policy [`CongestionControl`] and the ones that come with it.
//!
//! A policy counts bytes and knows nothing of segments, timers or what is lost; the loss recovery of the connection tells it.
//! Source: RFC 5681.

mod cubic;
mod fixed;
mod hystart;
mod new_reno;

pub use cubic::Cubic;
pub use fixed::Fixed;
pub use new_reno::NewReno;

use crate::time::{Duration, Instant};

/// A policy that says how many bytes may be in flight. One value belongs to one connection.
///
/// A wrong one sends too much or too little; it cannot make a connection lose or mix up bytes.
pub trait CongestionControl: Default {
    /// The connection stands: segments carry up to `mss` bytes, and `window` bytes may go out at first (RFC 6928).
    /// Called once more if a smaller path MTU lessens `mss` (RFC 1191), with the window that is then open.
    fn start(&mut self, mss: u32, window: u32);

    /// New data was acknowledged while nothing is being repaired, or while a time-out is.
    fn on_ack(&mut self, ack: &AckSample);

    /// Loss was seen without a time-out: once an episode. From now on [`cwnd`](Self::cwnd) is the target to come down to.
    fn on_loss(&mut self, loss: &LossEvent);

    /// The retransmission timer ran out: the window is one segment now.
    fn on_rto(&mut self, loss: &LossEvent);

    /// The last loss or time-out was none: all that was repaired had arrived. The window from before it comes back.
    fn on_undo(&mut self);

    /// Nothing was in flight for `idle`, longer than a retransmission timeout, and `initial` bytes was the window at first
    /// (RFC 5681 section 4.1).
    fn on_idle(&mut self, idle: Duration, initial: u32);

    /// Bytes that may be in flight. At least one segment.
    fn cwnd(&self) -> u32;

    /// Where slow start ends, in bytes.
    fn ssthresh(&self) -> u32;
}

/// What an acknowledgement says about the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSample {
    /// When it came.
    pub now: Instant,
    /// Bytes it acknowledged for the first time, in order or by SACK.
    pub acked: u32,
    /// The first byte not acknowledged yet, as a place in the stream.
    pub una: u64,
    /// The first byte not sent yet.
    pub nxt: u64,
    /// The round trip it measured, if it measured one.
    pub rtt: Option<Duration>,
    /// The smoothed round trip time.
    pub smoothed_rtt: Duration,
    /// Whether the window was what held the sender back. A window that was not used does not grow.
    pub limited: bool,
}

/// What is known when something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossEvent {
    /// When it was seen.
    pub now: Instant,
    /// Bytes in flight just before.
    pub flight: u32,
    /// The same data was lost before: the threshold stays (RFC 5681 section 3.1).
    pub again: bool,
}
