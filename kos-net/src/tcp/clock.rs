//! Time without overflow: [`after`], [`since`].
//!
//! The operators of `fugit` panic; a deadline that does not fit means never.

use crate::time::{Duration, Instant};

/// A deadline that never comes.
pub(crate) const NEVER: Instant = Instant::from_ticks(u64::MAX);

/// `delay` after `now`.
pub(crate) fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add_duration(delay).unwrap_or(NEVER)
}

/// How long `now` is after `then`; nothing if it is before.
pub(crate) fn since(now: Instant, then: Instant) -> Duration {
    now.checked_duration_since(then).unwrap_or(Duration::from_ticks(0))
}

/// `delay` doubled `times` times, at most `cap`.
pub(crate) fn backed_off(delay: Duration, times: u8, cap: Duration) -> Duration {
    let factor = 1_u64.checked_shl(times.into()).unwrap_or(u64::MAX);
    Duration::from_ticks(delay.as_ticks().saturating_mul(factor)).min(cap)
}

/// The earlier of two deadlines that may not be.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
