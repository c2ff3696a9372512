//! The one notion of time: nanoseconds as `fugit` types. Time is an argument of every operation that needs it.

/// A point in time; what zero is, the integrator chooses. It never wraps: 64 bits of nanoseconds last 584 years.
pub type Instant = fugit::MonotonicTimerInstantU64<1_000_000_000>;

/// A length of time in nanoseconds.
pub type Duration = fugit::NanosDurationU64;
