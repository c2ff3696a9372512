//! Timers: a wheel for time-outs, which are many and seldom fire, and a heap for sleeps and budgets, which must fire in time.
//!
//! | item | what it is | arm, cancel | late |
//! |---|---|---|---|
//! | [`TimerWheel`] | shared, behind a lock; each [`Timer`] is its owner's memory, so that arming never fails | O(1) | by at most a tick or 1/8 of the delay |
//! | [`PreciseQueue`] | for one CPU, under its owner's lock; timers are numbers, over lent storage | O(log n) | not at all |
//!
//! Neither fires early. Both are driven by `expire(now, ..)`, which the timer interrupt calls, and tell by `next_event` when
//! that should be. Time that goes backwards fires nothing and breaks nothing.

mod precise;
#[cfg(test)]
mod tests;
mod wheel;

pub use precise::{PreciseQueue, PreciseSlot};
pub use wheel::{Fired, Timer, TimerWheel};

/// One arming of one timer: its number and how often it was armed. So a late cancel never hits the next arming (up to 2^32
/// of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    /// The timer's number.
    pub index: u32,
    /// Which arming of it.
    pub generation: u32,
}

/// What a cancel found. Cancel and expiry exclude each other, so exactly one of them has the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Cancel {
    /// It was armed and is no more: that arming never fires.
    Cancelled,
    /// It fired: whoever called `expire` was told, or is just about to be.
    Fired,
    /// Nothing to cancel: never armed, cancelled before, or this arming was replaced by a newer one.
    Stale,
}

/// What one call of `expire` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Expiry {
    /// Timers that fired.
    pub fired: usize,
    /// Whether the limit ended the call while more timers were due: call again soon.
    pub more: bool,
}
