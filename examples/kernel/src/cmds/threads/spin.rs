//! `spin`: threads that compute until they are told to end, for `top`, `nice`, `taskset` and `kill` to work on.

use core::fmt::Write;

use kos_sched::{Nice, Policy};

use super::words::usage;
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next, Session, Streams};
use crate::threads::{How, Role};

/// Most threads at a time.
const MOST: u32 = 64;

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    out: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (count, nice) = match arguments {
        [] => ("1", "0"),
        [count] => (*count, "0"),
        [count, nice] => (*count, *nice),
        [_, _, extra, ..] => return Err(usage(format_args!("unexpected '{extra}'"))),
    };
    let count = count.parse().ok().filter(|count| (1..=MOST).contains(count));
    let count = count.ok_or_else(|| usage(format_args!("1 to {MOST} threads")))?;
    let nice = nice.parse::<i8>().map_err(|_| usage(format_args!("'{nice}' is no nice value")))?;
    let policy = Policy::Fair { nice: Nice::new(nice)?, slice: Policy::SLICE };
    for _ in 0..count {
        let how = How::new("spin").policy(policy).role(Role::Background).of(session.ctx().cred.uid);
        let task = session.kernel.spawn(how, compute, 0)?;
        writeln!(out, "{task}")?;
    }
    Ok(Next::Continue)
}

/// Computes until it is told to end.
pub(crate) fn compute<P: Platform>(kernel: &Kernel<P>, _: usize) {
    while !kernel.is_told_to_end() {
        kernel.threads.breathe();
    }
}
