//! Clocks and sleep: `clock_gettime`, `nanosleep`, `clock_nanosleep`.
//!
//! Source: Linux, clock_gettime(2), clock_nanosleep(2).

use kos_sched::Resume;
use kos_vfs::{Errno, Timestamp};

use super::numbers::{int, nanoseconds, timespec};
use super::{Answer, Running};
use crate::Kernel;
use crate::platform::Platform;
use crate::time::{Duration, Instant};

/// The time of day.
pub(super) const REAL: i32 = 0;
/// The time since the machine started.
pub(super) const MONOTONIC: i32 = 1;
const SECOND: u64 = 1_000_000_000;

/// What a clock shows.
fn clock<P: Platform>(running: &Running<P>, number: i32) -> Result<Timestamp, Errno> {
    let kernel = running.thread.kernel;
    let threads = kernel.threads.runtime();
    match number {
        // The coarse ones are as good.
        REAL | 5 => kernel.files().map(|files| files.now()).ok_or(Errno::EINVAL),
        MONOTONIC | 4 | 6 | 7 => stamp(threads.now().duration_since_epoch().as_ticks()),
        // CPU time, of the thread alone.
        3 => {
            let usage = threads.scheduler().usage(crate::ipc::task::<P>(), threads.now());
            stamp(usage.map_or(0, |times| times.total().as_ticks()))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn stamp(nanos: u64) -> Result<Timestamp, Errno> {
    let seconds = (nanos / SECOND).cast_signed();
    let below = u32::try_from(nanos % SECOND).map_err(|_| Errno::EINVAL)?;
    Timestamp::new(seconds, below).ok_or(Errno::EINVAL)
}

pub(super) fn now<P: Platform>(running: &mut Running<P>, [number, to, ..]: [u64; 6]) -> Answer {
    let time = clock(running, int(number))?;
    running.put(to, timespec(time)).map(|()| 0)
}

/// The moment so many nanoseconds from now; [`None`] is never.
pub(super) fn after<P: Platform>(kernel: &Kernel<P>, nanos: u64) -> Option<Instant> {
    kernel.threads.runtime().now().checked_add_duration(Duration::from_ticks(nanos))
}

/// The moment at which a clock shows so many nanoseconds.
///
/// # Errors
/// EINVAL: there is no such clock.
pub(super) fn at<P: Platform>(kernel: &Kernel<P>, clock: i32, nanos: u64) -> Result<Option<Instant>, Errno> {
    match clock {
        MONOTONIC | 7 => Ok(Some(Instant::from_ticks(nanos))),
        REAL => {
            let today = kernel.files().map(|files| files.now()).ok_or(Errno::EINVAL)?;
            let today = nanoseconds(timespec(today))?;
            Ok(after(kernel, nanos.saturating_sub(today)))
        }
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn nanosleep<P: Platform>(running: &mut Running<P>, [length, rest, ..]: [u64; 6]) -> Answer {
    clock_nanosleep(running, [1, 0, length, rest, 0, 0])
}

pub(super) fn clock_nanosleep<P: Platform>(
    running: &mut Running<P>,
    [number, flags, time, ..]: [u64; 6],
) -> Answer {
    const ABSOLUTE: u64 = 1;
    let kernel = running.thread.kernel;
    let nanos = nanoseconds(running.words(time)?)?;
    let number = int(number);
    let until = if flags & ABSOLUTE != 0 {
        at(kernel, number, nanos)?
    } else {
        clock(running, number)?;
        after(kernel, nanos)
    };
    // Who is interrupted is told to end: how much was left nobody asks.
    match kernel.threads.sleep_until(until) {
        Resume::Interrupted => Err(Errno::EINTR),
        Resume::Woken | Resume::TimedOut => Ok(0),
    }
}
