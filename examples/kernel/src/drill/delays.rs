//! How long it takes from a time that has come to the first instruction of the thread that sleeps until then, and from a thread
//! that falls asleep to the next one. For [`crate::paths`]; all on the calling CPU.
//!
//! The sleeper has the highest priority: nobody who computes beside him keeps him waiting.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use kos_sched::core::TaskState;
use kos_sched::{BlockReason, Park, Policy, Resume, RtPriority};

use super::{Lane, Plan};
use crate::Kernel;
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::How;
use crate::time::Duration;

/// What goes on beside the sleeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing: the CPU idles.
    Nothing,
    /// A thread computes.
    Computing,
}

/// Sleeps, and how long they are: each a little longer than the one before, so that the end meets every place.
const SLEEPS: u32 = 64;
const FIRST: Duration = Duration::from_nanos(20_000);
const LONGER: u64 = 53;
/// Rounds of two threads that wake each other.
const ROUNDS: u64 = 64;

/// Lets a thread sleep, again and again: the shortest delay in nanoseconds; where the clock counts instructions, in instructions.
///
/// # Errors
/// There are no threads to be had.
pub(crate) fn of_sleeps<P: Platform>(kernel: &Kernel<P>, beside: Beside) -> Result<u64, Failure> {
    let lanes = if beside == Beside::Nothing { 1 } else { 2 };
    let first = Policy::Fifo(RtPriority::new(99)?);
    let here = kernel.threads.this_cpu();
    kernel.drill(Plan { lanes, work: 0, main: sleep_beside::<P>, meanwhile: || () }, |lane| {
        let how = How::new("delays").on(here);
        if lane == 0 { how.policy(first) } else { how }
    })?;
    let lane = kernel.drill.lane(0).ok_or(Failure::new(format_args!("no lane")))?;
    Ok(lane.answered.load(Relaxed))
}

fn sleep_beside<P: Platform>(kernel: &Kernel<P>, lane: usize) {
    let Some(own) = kernel.enter(lane) else { return };
    while lane > 0 && !kernel.drill.is_over() {
        // No pause: emulators make it a long one.
        let _ = core::hint::black_box((0..64_u64).map(core::hint::black_box).sum::<u64>());
    }
    let platform = kernel.platform();
    for round in (0..SLEEPS).take_while(|_| lane == 0) {
        let length = FIRST + Duration::from_nanos(LONGER * u64::from(round));
        let Some(until) = platform.now().checked_add_duration(length) else { break };
        if kernel.threads.sleep_until(Some(until)) == Resume::Interrupted {
            break;
        }
        let delay = platform.now().checked_duration_since(until).map_or(0, |delay| delay.as_nanos());
        own.answered.store(if round == 0 { delay } else { own.answered.load(Relaxed).min(delay) }, Relaxed);
    }
    kernel.drill.over.store(true, Release);
}

/// What two threads that wake each other take, in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turns {
    /// From one's call to sleep to the other's first instruction behind his.
    pub(crate) park: u64,
    /// To wake one who sleeps, and who runs later.
    pub(crate) wake: u64,
}

/// Lets two threads of the fair class take turns; the shortest of each.
///
/// # Errors
/// There are no threads to be had.
pub(crate) fn of_turns<P: Platform>(kernel: &Kernel<P>) -> Result<Turns, Failure> {
    let here = kernel.threads.this_cpu();
    // Who computes for its batch preempts nobody when it is woken.
    let policy = Policy::Batch(kos_sched::Nice::default());
    let plan = Plan { lanes: 2, work: ROUNDS, main: take_turns::<P>, meanwhile: || () };
    kernel.drill(plan, |_| How::new("turns").on(here).policy(policy))?;
    let lanes = || kernel.drill.lanes.iter().take(2);
    let least = |counter: fn(&Lane) -> u64| lanes().map(counter).filter(|&count| count > 0).min();
    let park = least(|lane| lane.answered.load(Relaxed));
    let wake = least(|lane| lane.faults.load(Relaxed));
    let none = || Failure::new(format_args!("no thread followed another at once"));
    Ok(Turns { park: park.ok_or_else(none)?, wake: wake.ok_or_else(none)? })
}

fn take_turns<P: Platform>(kernel: &Kernel<P>, lane: usize) {
    let Some(own) = kernel.enter(lane) else { return };
    let Some(other) = kernel.drill.lane(lane ^ 1) else { return };
    let (runtime, cycles) = (kernel.threads.runtime(), || kernel.platform().cycles());
    own.done.store(1, Release);
    while other.done.load(Acquire) == 0 {
        let _ = kernel.threads.sleep(super::LOOK);
    }
    let keep = |counter: &core::sync::atomic::AtomicU64, count: u64| {
        let least = counter.load(Relaxed);
        counter.store(if least == 0 { count } else { least.min(count) }, Relaxed);
    };
    while kernel.drill.take_one() {
        let sleeps = runtime.scheduler().state(other.task()) == Some(TaskState::Blocked);
        let before = cycles();
        runtime.unpark(other.task());
        let woken = cycles();
        own.note.store(woken, Relaxed);
        // Whoever is told to end does so after his rounds.
        let _ = runtime.park(None, BlockReason::Wait);
        let behind = cycles();
        if sleeps {
            keep(&own.faults, woken.saturating_sub(before));
        }
        keep(&own.answered, behind.saturating_sub(other.note.load(Relaxed)));
    }
    runtime.unpark(other.task());
}
