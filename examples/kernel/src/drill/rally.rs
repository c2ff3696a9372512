//! Pairs of threads on two CPUs that wake each other in turn: each wake is answered by one end of a sleep, and nothing else ends
//! one.
//!
//! Whoever has the ball hits it: he counts the hit, wakes the other and sleeps. The ball is a number; even, it is the first one's.
//! He who is awake without having the ball was woken unasked. He who sleeps with the ball for longer than anything takes, and again,
//! was not woken at all.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use kos_sched::{BlockReason, CpuId, CpuSet, Park, Resume};

use super::{LANES, LOOK, Lane, Plan, Tally, step};
use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, ThreadError};
use crate::time::Duration;

/// Longer than any wake takes, also where many CPUs are emulated on few.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets pairs hit their balls `wakes` times altogether. `done` are wakes sent, `answered` those that ended a sleep; `faults` are
/// wakes that were lost or came unasked. `lose` loses one, to prove that it is found.
///
/// # Errors
/// There are no threads to be had.
pub(crate) fn run<P: Platform>(kernel: &Kernel<P>, wakes: u64, lose: bool) -> Result<Tally, ThreadError> {
    let cpus = kernel.running_cpus();
    let lanes = (cpus.count() as usize).clamp(2, LANES) & !1;
    let goal = wakes.div_ceil(lanes as u64 / 2);
    let plan = Plan { lanes, work: goal, main: play::<P>, meanwhile: || () };
    kernel.drill.unwoken.store(if lose { goal.div_ceil(2) } else { 0 }, Relaxed);
    let first = cpus.first().unwrap_or(CpuId::new(0));
    kernel.drill(plan, |lane| {
        let cpu = step(&cpus, first, u32::try_from(lane).unwrap_or(0));
        How::new("rally").on(cpu)
    })
}

fn play<P: Platform>(kernel: &Kernel<P>, lane: usize) {
    let Some(own) = kernel.enter(lane) else { return };
    let (Some(court), Some(other)) = (kernel.drill.lane(lane & !1), kernel.drill.lane(lane ^ 1)) else {
        return;
    };
    let (runtime, goal) = (kernel.threads.runtime(), kernel.drill.left.load(Relaxed));
    let side = lane as u64 & 1;
    if side == 0 {
        // A wake before the other is there would end the sleep in which he waits for the drill.
        while other.note.load(Acquire) == 0 {
            let _ = kernel.threads.sleep(LOOK);
        }
    } else {
        own.note.store(1, Release);
        if !receive(kernel, own, court, side) {
            return;
        }
    }
    loop {
        let ball = court.note.load(Acquire);
        if ball >= goal {
            return;
        }
        court.note.store(ball + 1, Release);
        own.done.fetch_add(1, Relaxed);
        let is_left_out = lane < 2 && ball + 1 == kernel.drill.unwoken.load(Relaxed);
        if !is_left_out {
            runtime.unpark(other.task());
        }
        // The last hit is not returned.
        if ball + 1 >= goal || !receive(kernel, own, court, side) {
            return;
        }
    }
}

/// Sleeps until the ball comes; false if the thread is to end.
fn receive<P: Platform>(kernel: &Kernel<P>, own: &Lane, court: &Lane, side: u64) -> bool {
    let runtime = kernel.threads.runtime();
    let mut overdue = false;
    loop {
        let until = runtime.now().checked_add_duration(PATIENCE);
        let resume = runtime.park(until, BlockReason::Wait);
        let has_ball = court.note.load(Acquire) % 2 == side;
        match resume {
            Resume::Interrupted => return false,
            Resume::Woken if has_ball => {
                own.answered.fetch_add(1, Relaxed);
                return true;
            }
            // Unasked.
            Resume::Woken => drop(own.faults.fetch_add(1, Relaxed)),
            Resume::TimedOut if has_ball && overdue => {
                // Lost: nobody will come any more.
                own.faults.fetch_add(1, Relaxed);
                return true;
            }
            Resume::TimedOut => overdue = has_ball,
        }
    }
}
