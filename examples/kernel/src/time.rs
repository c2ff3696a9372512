//! The one notion of time: nanoseconds since entry, as `fugit` types.

/// A point in time; zero is the kernel's entry.
pub type Instant = fugit::MonotonicTimerInstantU64<1_000_000_000>;

/// A length of time in nanoseconds.
pub type Duration = fugit::NanosDurationU64;

/// So long after `start`, or the end of time.
pub(crate) fn after(start: Instant, length: Duration) -> Instant {
    start.checked_add_duration(length).unwrap_or(Instant::from_ticks(u64::MAX))
}
