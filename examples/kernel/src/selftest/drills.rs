//! Threads on many CPUs: moved, woken, preempted. The commands `smp-demo` and `fpu-demo` do the same for longer.

use super::{Failure, Test};
use crate::Kernel;
use crate::drill::{rally, registers, wander};
use crate::ensure;
use crate::platform::Platform;
use crate::time::Duration;
use kos_sched::CpuSet;

/// Moves and wakes of a test.
const MOVES: u64 = 5_000;
const WAKES: u64 = 5_000;
/// How long registers are held, on one CPU and then on all.
const HOLD: Duration = Duration::from_millis(500);
/// Times that this must take a CPU away from somebody, at the least; a machine whose host is not busy does it ten thousand times
/// a second.
const SWITCHES: u64 = 10;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "drill::a_thread_that_moves_arrives", run: moves },
        Test { name: "drill::every_wake_ends_one_sleep", run: wakes },
        Test { name: "drill::preempted_threads_keep_their_registers", run: preempted },
        Test { name: "drill::moved_threads_keep_their_registers", run: moved },
    ]
}

fn needs_cpus<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    match kernel.running_cpus().count() {
        0 | 1 => Err(Failure::skip(format_args!("one CPU"))),
        _ => Ok(()),
    }
}

fn moves<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    needs_cpus(kernel)?;
    let tally = wander::run(kernel, MOVES)?;
    ensure!(tally.faults == 0, "{} times a thread was not where it was sent", tally.faults);
    ensure!(tally.done == MOVES, "{} moves of {MOVES}", tally.done);
    Ok(())
}

fn wakes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let tally = rally::run(kernel, WAKES, false)?;
    ensure!(tally.faults == 0, "{} wakes were lost or came unasked", tally.faults);
    ensure!(tally.done >= WAKES, "{} wakes of {WAKES}", tally.done);
    ensure!(tally.answered == tally.done, "{} wakes sent, {} answered", tally.done, tally.answered);
    Ok(())
}

fn preempted<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    keep(kernel, false)
}

fn moved<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    needs_cpus(kernel)?;
    keep(kernel, true)
}

fn keep<P: Platform>(kernel: &Kernel<P>, moved: bool) -> Result<(), Failure> {
    if kernel.platform().hold_registers(0).is_none() {
        return Err(Failure::skip(format_args!("a machine that cannot hold registers")));
    }
    let registers::Report { tally, switches, moves } = registers::run(kernel, HOLD, moved)?;
    ensure!(tally.faults == 0, "registers changed {} times in {} rounds", tally.faults, tally.done);
    ensure!(tally.done > 0, "no round in {HOLD}");
    ensure!(switches >= SWITCHES || kernel.timer.is_none(), "{switches} switches in {HOLD}");
    ensure!(!moved || moves > 0, "no thread was moved");
    Ok(())
}
