//! The one notion of time: nanoseconds as `fugit` types. Time is an argument of every operation that needs it.
//!
//! The operators `+` and `-` of these types can panic; this crate uses `checked_*` only. A deadline that overflows means never.

/// A point in time; what zero is, the integrator chooses. It never wraps: 64 bits of nanoseconds last 584 years.
pub type Instant = fugit::MonotonicTimerInstantU64<1_000_000_000>;

/// A length of time in nanoseconds.
pub type Duration = fugit::NanosDurationU64;

/// The point `wait` after `now`; the end of time if it lies beyond.
pub(crate) const fn after(now: Instant, wait: Duration) -> Instant {
    match now.checked_add_duration(wait) {
        Some(at) => at,
        None => Instant::from_ticks(u64::MAX),
    }
}
