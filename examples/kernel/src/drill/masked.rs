//! The longest piece of the kernel that nobody can interrupt, found by interrupting it everywhere. For [`crate::paths`]; all on
//! the calling CPU.
//!
//! A worker does the same work again and again. Each time, as he begins, a sleeper of the highest priority lies down for a little
//! longer than the time before; so in the end his time has come at every place of the work. He gets up late by what was left of
//! the section in which it came: interrupts masked, or preemption off. The longest delay, less that beside somebody who only
//! computes, is the longest section, short of it by less than a step if it is in each round of the work. What is not, such as a
//! cache that is filled now and then, is met somewhere: so the figure is rounded up.

use core::alloc::Layout;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use kos_alloc::FrameRequest;
use kos_sched::{BlockReason, CpuSet, Park, Policy, Resume, RtPriority};

use super::Plan;
use super::delays::{self, Beside};
use crate::Kernel;
use crate::owned::{Run, Space};
use crate::platform::Platform;
use crate::selftest::Failure;
use crate::threads::How;
use crate::time::Duration;

/// How much longer each sleep is than the one before.
const STEP: Duration = Duration::from_nanos(20);
/// What the figure is a multiple of.
const GRAIN: u64 = 256;
/// More sleeps than any work here needs.
const MOST: u64 = 100_000;

/// What the worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Memory is allocated and freed, from the heap and as frames.
    Memory,
    /// A thread is made, changed, run and buried.
    Threads,
}

/// The longest section in nanoseconds; where the clock counts instructions, in instructions. Rounded up to [`GRAIN`].
///
/// # Errors
/// There are no threads to be had, or the work is too long for its sleeps.
pub(crate) fn longest<P: Platform>(kernel: &Kernel<P>, work: Work) -> Result<u64, Failure> {
    let unmasked = delays::of_sleeps(kernel, Beside::Computing)?;
    let main = match work {
        Work::Memory => |kernel: &Kernel<P>, lane| share(kernel, lane, use_memory),
        Work::Threads => |kernel: &Kernel<P>, lane| share(kernel, lane, use_threads),
    };
    let first = Policy::Fifo(RtPriority::new(99)?);
    let here = kernel.threads.this_cpu();
    kernel.drill(Plan { lanes: 2, work: MOST, main, meanwhile: || () }, |lane| {
        let how = How::new("masked").on(here);
        if lane == 0 { how.policy(first) } else { how }
    })?;
    if kernel.drill.left.load(Relaxed) == 0 {
        return Err(Failure::new(format_args!("not every place was met in {MOST} sleeps")));
    }
    let sleeper = kernel.drill.lane(0).ok_or(Failure::new(format_args!("no lane")))?;
    Ok(sleeper.answered.load(Relaxed).saturating_sub(unmasked).next_multiple_of(GRAIN))
}

/// The first is the sleeper, the second the worker.
fn share<P: Platform>(kernel: &Kernel<P>, lane: usize, work: fn(&Kernel<P>)) {
    if lane == 0 {
        sleep_ever_longer(kernel);
    } else {
        work_on(kernel, work);
    }
    kernel.drill.over.store(true, Release);
}

fn work_on<P: Platform>(kernel: &Kernel<P>, work: fn(&Kernel<P>)) {
    let (Some(own), Some(sleeper)) = (kernel.enter(1), kernel.drill.lane(0)) else { return };
    while kernel.drill.take_one() && !kernel.drill.is_over() {
        kernel.threads.runtime().unpark(sleeper.task());
        work(kernel);
        own.done.fetch_add(1, Relaxed);
    }
    // He looks whether there is more to come.
    kernel.drill.over.store(true, Release);
    kernel.threads.runtime().unpark(sleeper.task());
}

fn sleep_ever_longer<P: Platform>(kernel: &Kernel<P>) {
    let (Some(own), Some(worker)) = (kernel.enter(0), kernel.drill.lane(1)) else { return };
    let (threads, platform) = (&kernel.threads, kernel.platform());
    let mut length = Duration::from_nanos(0);
    while threads.runtime().park(None, BlockReason::Wait) != Resume::Interrupted && !kernel.drill.is_over() {
        let (began, until) = (worker.done.load(Relaxed), platform.now().checked_add_duration(length));
        let (Some(until), Some(longer)) = (until, length.checked_add(STEP)) else { break };
        length = longer;
        if threads.sleep_until(Some(until)) == Resume::Interrupted || worker.done.load(Acquire) != began {
            // The work ends before the sleep does.
            break;
        }
        let delay = platform.now().checked_duration_since(until).map_or(0, |delay| delay.as_nanos());
        own.answered.fetch_max(delay, Relaxed);
    }
}

fn use_memory<P: Platform>(kernel: &Kernel<P>) {
    // What fails for want of memory is left out.
    for bytes in [16, 64, 1024, 4096, 64 << 10] {
        let layout = Layout::from_size_align(bytes, 16);
        drop(layout.map(|layout| Space::new(kernel.heap(), layout)));
    }
    for frames in [1, 16, 256] {
        drop(Run::new(kernel.frames(), FrameRequest::new(frames)));
    }
}

fn use_threads<P: Platform>(kernel: &Kernel<P>) {
    let (sched, now) = (kernel.threads.runtime().scheduler(), kernel.platform().now());
    // Its stack is mapped and unmapped, too. A full table is no worker's fault.
    let Ok(child) = kernel.spawn(How::new("child"), |_, _| (), 0) else { return };
    let _ = sched.set_attr(child, Policy::Idle, now);
    let _ = sched.set_attr(child, Policy::NORMAL, now);
    let _ = sched.set_affinity(child, &CpuSet::only(kernel.threads.this_cpu()), now);
    let _ = kernel.join(child);
    kernel.threads.runtime().yield_now();
}
