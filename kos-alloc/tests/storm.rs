//! A storm of signals on one thread that uses the heap: the thread plays a CPU, the signals its interrupts, and they use the
//! same heap. What no test of chosen moments finds, a handler that comes at any instruction may.
//!
//! `KOS_STORM_OPS` is the number of operations of each storm (200 000 unless told).

#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[path = "storm/host.rs"]
mod host;

#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[path = "storm/story.rs"]
mod story;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
#[test]
#[ignore = "needs 64-bit Linux: its timers send signals to a thread"]
fn storm() {}
