//! `top`: what each process, each thread and each CPU got while one watched.

use core::fmt::Write;

use kos_sched::{CpuId, CpuSet, TaskId};

use super::processes;
use super::words::{millis, percent, places, policy, state, usage};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Grouped, Text};
use crate::threads::{Accounts, View};
use crate::time::Duration;

/// How long one watches, unless told otherwise, and at most; milliseconds.
const WATCH: u64 = 500;
const LONGEST: u64 = 60_000;
/// How often one looks at most.
const MOST: u32 = 1000;
/// Threads that are shown.
const SHOWN: usize = 20;
/// CPUs that are shown each.
const CPUS: usize = 8;

/// A thread and its CPU time when one began to watch.
type Start = heapless::Vec<(TaskId, u64), 256>;

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let (looks, length) = wanted(arguments)?;
    for look in 0..looks {
        if look > 0 {
            writeln!(out)?;
        }
        watch(kernel, length, out)?;
        if kernel.is_told_to_end() {
            return Err(CommandError::Quiet);
        }
    }
    Ok(Next::Continue)
}

/// One look.
fn watch<P: Platform>(kernel: &Kernel<P>, length: Duration, out: &mut dyn Write) -> Result<(), CommandError> {
    kernel.tidy();
    let sched = kernel.threads.runtime().scheduler();
    let online = sched.online_cpus();
    let (stats, total) = (sched.stats(), kernel.threads.accounts());
    let each: heapless::Vec<(CpuId, Accounts), CPUS> =
        online.iter().take(CPUS).map(|cpu| (cpu, kernel.threads.account(cpu))).collect();
    let start: Start =
        kernel.threads.views().take(256).map(|view| (view.task, view.ran.as_ticks())).collect();
    let processes = processes::Shares::begin(kernel);
    let _ = kernel.threads.sleep(length);
    let mut rows = heapless::Vec::<(View, u64), SHOWN>::new();
    for view in kernel.threads.views() {
        let before = start.iter().find(|(task, _)| *task == view.task).map_or(0, |&(_, ran)| ran);
        insert(&mut rows, view.ran.as_ticks().saturating_sub(before), view);
    }
    let passed = kernel.threads.accounts().since(total);
    for &(cpu, before) in &each {
        let passed = kernel.threads.account(cpu).since(before);
        let [busy, idle] = [passed.busy, passed.idle].map(|part| percent(passed.per_mille(part)));
        writeln!(out, "cpu {cpu:<3} busy {busy:>8}  idle {idle:>8}")?;
    }
    if online.count() as usize > CPUS {
        writeln!(out, "all {:<3} busy {:>8}", online.count(), percent(passed.per_mille(passed.busy)))?;
    }
    let after = sched.stats();
    writeln!(
        out,
        "{} = busy {} + idle {}, {} ns apart; {} switches, {} migrations, {} throttles",
        millis(passed.wall),
        millis(passed.busy),
        millis(passed.idle),
        Grouped(passed.error()),
        Grouped(after.switches.wrapping_sub(stats.switches)),
        Grouped(after.migrations.wrapping_sub(stats.migrations)),
        Grouped(after.throttles.wrapping_sub(stats.throttles)),
    )?;
    processes.show(kernel, passed.busy, length, out)?;
    table(kernel, &rows, length, &online, out)?;
    Ok(())
}

/// How often one looks, and how long each time.
fn wanted(arguments: &[&str]) -> Result<(u32, Duration), CommandError> {
    let (looks, rest) = match arguments {
        ["-n", count, rest @ ..] => (count.parse().ok(), rest),
        ["-n"] => (None, arguments),
        rest => (Some(1), rest),
    };
    let looks = looks.filter(|looks| (1..=MOST).contains(looks));
    let looks = looks.ok_or_else(|| usage(format_args!("-n 1 to {MOST} looks")))?;
    let millis = match rest {
        [] => Some(WATCH),
        [word] => word.parse().ok(),
        [_, extra, ..] => return Err(usage(format_args!("unexpected '{extra}'"))),
    };
    let millis = millis.filter(|millis| (1..=LONGEST).contains(millis));
    let length = millis.map(Duration::from_millis);
    Ok((looks, length.ok_or_else(|| usage(format_args!("1 to {LONGEST} milliseconds")))?))
}

/// Keeps those that got most, the first first.
fn insert(rows: &mut heapless::Vec<(View, u64), SHOWN>, got: u64, view: View) {
    let place = rows.iter().position(|(_, other)| *other < got).unwrap_or(rows.len());
    if place < SHOWN {
        rows.truncate(SHOWN - 1);
        // There is room for one.
        let _ = rows.insert(place, (view, got));
    }
}

/// Shares of one CPU.
fn table<P: Platform>(
    kernel: &Kernel<P>,
    rows: &[(View, u64)],
    length: Duration,
    online: &P::Cpus,
    out: &mut dyn Write,
) -> core::fmt::Result {
    writeln!(
        out,
        "{:>6} {:<16} {:<15} {:>4} {:<8} {:>8}  state",
        "id", "name", "class", "cpu", "on", "of a cpu"
    )?;
    for (view, got) in rows {
        let share = got.saturating_mul(1000).checked_div(length.as_ticks()).unwrap_or(0);
        writeln!(
            out,
            "{:>6} {:<16} {:<15} {:>4} {:<8} {:>8}  {}",
            Text::new(format_args!("{}", view.task)),
            view.name,
            policy(view.policy),
            view.cpu,
            places(kernel, view, online),
            percent(share),
            state(view.state, view.reason),
        )?;
    }
    Ok(())
}
