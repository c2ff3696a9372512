//! Threads that move themselves from CPU to CPU.

use core::sync::atomic::Ordering::Relaxed;

use kos_sched::{CpuSet, Park};

use super::{LANES, Plan, Tally, random, step};
use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, ThreadError};

/// Threads for each CPU, so that some wait in queues and some CPUs idle.
const PER_CPU: usize = 2;
/// The farthest move, in CPUs.
const FARTHEST: u64 = 7;

/// Lets threads make `moves` moves together: each tells the scheduler that it may run on one other CPU only, leaves, and looks
/// where it is. `faults` counts those that were elsewhere.
///
/// # Errors
/// There are no threads to be had.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>, moves: u64) -> Result<Tally, ThreadError> {
    let lanes = (kernel.running_cpus().count() as usize * PER_CPU).min(LANES);
    let plan = Plan { lanes, work: moves, main: wander::<P>, meanwhile: || () };
    kernel.drill(plan, |_| How::new("wander"))
}

fn wander<P: Platform>(kernel: &Kernel<P>, lane: usize) {
    let Some(counters) = kernel.enter(lane) else { return };
    let (runtime, mut state) = (kernel.threads.runtime(), lane as u64);
    let (cpus, own) = (kernel.running_cpus(), runtime.current());
    let mut here = kernel.threads.this_cpu();
    while kernel.drill.take_one() {
        let far = u32::try_from(1 + random(&mut state) % FARTHEST).unwrap_or(1);
        here = step(&cpus, here, 1 + far % cpus.count().saturating_sub(1).max(1));
        let moved = runtime.scheduler().set_affinity(own, &CpuSet::only(here), runtime.now());
        runtime.yield_now();
        let arrived = moved.is_ok() && kernel.threads.this_cpu() == here;
        let counter = if arrived { &counters.done } else { &counters.faults };
        counter.fetch_add(1, Relaxed);
    }
}
