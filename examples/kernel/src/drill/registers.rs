//! Threads that hold values of their own in every floating-point and vector register.

use core::sync::atomic::Ordering::Relaxed;

use kos_sched::{CpuId, CpuSet, Nice, Policy};

use super::{Plan, Tally, random, step};
use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, ThreadError};
use crate::time::Duration;

/// Threads, on as few CPUs as there are.
pub(crate) const THREADS: usize = 4;
/// How long a thread runs before the next one does: as 10 kHz.
const TURN: Duration = Duration::from_micros(100);
/// How often a thread is moved.
const MOVE: Duration = Duration::from_millis(1);

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// `done`: rounds; `faults`: rounds in which a register changed.
    pub(crate) tally: Tally,
    /// Switches of the whole machine.
    pub(crate) switches: u64,
    /// Moves of a thread to another CPU.
    pub(crate) moves: u64,
}

/// Lets the threads hold their values for `length`, all on the calling CPU, or moved about over all of them.
///
/// # Errors
/// There are no threads to be had.
pub(crate) fn run<P: Platform>(
    kernel: &Kernel<P>,
    length: Duration,
    moved: bool,
) -> Result<Report, ThreadError> {
    let sched = kernel.threads.runtime().scheduler();
    let (before, here) = (sched.stats(), kernel.threads.this_cpu());
    let meanwhile = || {
        let until = kernel.platform().now().checked_add_duration(length);
        if moved {
            move_about(kernel, until);
        } else {
            let _ = kernel.threads.sleep_until(until);
        }
        kernel.drill.over.store(true, Relaxed);
    };
    let plan = Plan { lanes: THREADS, work: 0, main: hold::<P>, meanwhile };
    let policy = Policy::Fair { nice: Nice::default(), slice: TURN };
    let tally = kernel.drill(plan, |_| How::new("registers").policy(policy).on(here))?;
    let after = sched.stats();
    let [switches, moves] = [(after.switches, before.switches), (after.migrations, before.migrations)]
        .map(|(a, b)| a.wrapping_sub(b));
    Ok(Report { tally, switches, moves })
}

/// Moves one of the threads after the other to some CPU, whatever it does there.
fn move_about<P: Platform>(kernel: &Kernel<P>, until: Option<crate::time::Instant>) {
    let (sched, cpus) = (kernel.threads.runtime().scheduler(), kernel.running_cpus());
    let mut state = 0;
    let lanes = kernel.drill.lanes.iter().take(THREADS).cycle();
    for lane in lanes.take_while(|_| until.is_some_and(|until| kernel.platform().now() < until)) {
        let steps = u32::try_from(random(&mut state) % u64::from(cpus.count().max(1))).unwrap_or(0);
        let target = step(&cpus, CpuId::new(0), steps);
        // It may have failed to start; then there is nothing to move.
        let _ = sched.set_affinity(lane.task(), &CpuSet::only(target), kernel.platform().now());
        let _ = kernel.threads.sleep(MOVE);
    }
}

fn hold<P: Platform>(kernel: &Kernel<P>, lane: usize) {
    let Some(counters) = kernel.enter(lane) else { return };
    let seeds = (lane as u64..).step_by(THREADS);
    for seed in seeds.take_while(|_| !kernel.drill.is_over()) {
        match kernel.platform().hold_registers(seed) {
            Some(true) => drop(counters.done.fetch_add(1, Relaxed)),
            Some(false) => drop(counters.faults.fetch_add(1, Relaxed)),
            None => return,
        }
    }
}
