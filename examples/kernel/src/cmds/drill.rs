//! `smp-demo`, `fpu-demo`: threads and CPUs under load, everything counted, and a verdict.

use core::fmt::{self, Write};

use kos_sched::CpuSet;

use crate::Kernel;
use crate::drill::registers::{self, THREADS};
use crate::drill::{Tally, rally, wander};
use crate::platform::{CpuState, Platform};
use crate::selftest::smp;
use crate::shell::{CommandError, CommandResult, Next, size};
use crate::text::{Grouped, Text};
use crate::time::Duration;

/// Moves without an argument, and so many moves come on one wake.
const MOVES: usize = 100_000;
const MOVES_PER_WAKE: u64 = 10;
/// How often every CPU maps and unmaps its pages.
const STORMS: u64 = 4;
/// Seconds without an argument.
const SECONDS: usize = 2;

pub(super) fn smp<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let (arguments, lose) = match arguments {
        [before @ .., "lose-wake"] => (before, true),
        all => (all, false),
    };
    let moves = number(arguments, MOVES)?.max(1);
    introduce(kernel, out)?;
    let others = kernel.running_cpus().count().saturating_sub(1);
    if others == 0 {
        return Err(CommandError::Failed(Text::new(format_args!("one CPU: nothing can move (--cpus N)"))));
    }
    let before = kernel.threads.runtime().scheduler().stats();
    let moved = wander::run(kernel, moves)?;
    let words = Text::new(format_args!("{} on a wrong cpu", moved.faults));
    line(out, "moves", moved.done, "of threads between cpus", moved.took_ns, &words)?;

    let started = kernel.platform().now();
    let shot = (0..STORMS).try_fold(0, |sum, _| Ok(sum + smp::storm(kernel)?));
    let shot = shot.map_err(|failure: crate::selftest::Failure| {
        CommandError::Failed(Text::new(format_args!("{failure}")))
    })?;
    let took = kernel.platform().now().checked_duration_since(started).map_or(0, |took| took.as_nanos());
    let words = Text::new(format_args!("each to {others}; 0 stale translations used"));
    line(out, "shootdowns", shot, "of translations", took, &words)?;

    let woken = rally::run(kernel, (moves / MOVES_PER_WAKE).max(1), lose)?;
    let words =
        Text::new(format_args!("{} answered; {} lost or unasked", Grouped(woken.answered), woken.faults));
    line(out, "wakes", woken.done, "of sleepers on another cpu", woken.took_ns, &words)?;
    let after = kernel.threads.runtime().scheduler().stats();
    writeln!(
        out,
        "scheduler     {} switches, {} migrations, {} steals; {} interrupts sent, {} saved, {} failed",
        Grouped(after.switches.wrapping_sub(before.switches)),
        Grouped(after.migrations.wrapping_sub(before.migrations)),
        Grouped(after.steals.wrapping_sub(before.steals)),
        Grouped(after.ipis_sent.wrapping_sub(before.ipis_sent)),
        Grouped(after.ipis_saved.wrapping_sub(before.ipis_saved)),
        after.ipis_failed.wrapping_sub(before.ipis_failed),
    )?;
    verdict(kernel, out, moved, woken, moves)
}

/// Who is there, and who was left out.
fn introduce<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let listed = kernel.platform().cpus().count();
    write!(out, "{:<14}{} of {listed} online", "cpus", kernel.online().count())?;
    let left_out = kernel.platform().cpus().filter(|cpu| matches!(cpu.state, CpuState::LeftOut(_)));
    for cpu in left_out {
        write!(out, "; left out: cpu {} (apic {}), {}", cpu.number.0, cpu.id, cpu.state)?;
    }
    writeln!(out)
}

/// A count, how long it took, and how many that is a second.
fn line(out: &mut dyn Write, name: &str, count: u64, of: &str, took_ns: u64, words: &Text) -> fmt::Result {
    let millis = took_ns / 1_000_000;
    let rate = u128::from(count) * 1_000_000_000 / u128::from(took_ns.max(1));
    let rate = Grouped(u64::try_from(rate).unwrap_or(u64::MAX));
    let seconds = Text::new(format_args!("{}.{:03} s", millis / 1000, millis % 1000));
    writeln!(out, "{name:<14}{:>9} {of} in {seconds} ({rate}/s): {words}", Grouped(count))
}

fn verdict<P: Platform>(
    kernel: &Kernel<P>,
    out: &mut dyn Write,
    moved: Tally,
    woken: Tally,
    moves: u64,
) -> CommandResult {
    kernel.threads.runtime().scheduler().check()?;
    kernel.check()?;
    let arrived = moved.done == moves && moved.faults == 0;
    let answered = woken.done == woken.answered && woken.faults == 0;
    if !arrived || !answered {
        return Err(CommandError::Failed(Text::new(format_args!("a thread got lost, or a wake"))));
    }
    writeln!(out, "passed        every move arrived, every wake ended one sleep, every invariant holds")?;
    Ok(Next::Continue)
}

pub(super) fn fpu<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let seconds = number(arguments, SECONDS)?;
    if kernel.platform().hold_registers(0).is_none() {
        return Err(CommandError::Failed(Text::new(format_args!("this machine cannot hold registers"))));
    }
    let ways = kernel.running_cpus().count().min(2);
    let each = Duration::from_millis(seconds.saturating_mul(1000) / u64::from(ways));
    let has_avx = kernel.platform().features().any(|(name, present)| name == "avx" && present);
    let wide = if has_avx { "x87, SSE and AVX" } else { "x87 and SSE" };
    writeln!(out, "{THREADS} threads hold values of their own in every register of {wide}")?;
    let mut broken = 0;
    for moved in [false, true].into_iter().take(ways as usize) {
        let report = registers::run(kernel, each, moved)?;
        let place = if moved { "on all cpus" } else { "on one cpu" };
        let rate = report.switches * 1_000_000_000 / report.tally.took_ns.max(1);
        writeln!(
            out,
            "{place:<14}{} ms: {} switches ({}/s), {} moves; {} rounds held, {} broken",
            report.tally.took_ns / 1_000_000,
            Grouped(report.switches),
            Grouped(rate),
            Grouped(report.moves),
            Grouped(report.tally.done),
            report.tally.faults
        )?;
        broken += report.tally.faults;
    }
    match broken {
        0 => Ok(Next::Continue),
        _ => Err(CommandError::Failed(Text::new(format_args!("registers changed under a thread")))),
    }
}

fn number(arguments: &[&str], usual: usize) -> Result<u64, CommandError> {
    match arguments {
        [] => Ok(usual as u64),
        [word] => Ok(size(word).map_err(CommandError::Usage)? as u64),
        [_, extra, ..] => Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    }
}
