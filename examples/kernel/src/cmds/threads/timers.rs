//! `timers`: what the timer of each CPU is to come for, and who sleeps until when.

use core::fmt::Write;

use kos_sched::CpuSet;

use super::words::millis;
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::Text;
use crate::time::Instant;

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let sched = kernel.threads.runtime().scheduler();
    let now = kernel.threads.runtime().now();
    let ahead = |at: Instant| {
        let wait = at.checked_duration_since(now).map_or(0, |wait| wait.as_ticks());
        Text::new(format_args!("in {}", millis(wait)))
    };
    writeln!(out, "{:>6} {:>16}  event", "cpu", "next")?;
    let (mut armed, mut quiet) = (0, 0);
    for cpu in sched.online_cpus().iter() {
        let Some(at) = sched.next_event(cpu) else {
            quiet += 1;
            continue;
        };
        armed += 1;
        writeln!(
            out,
            "{cpu:>6} {:>16}  {}",
            ahead(at),
            if sched.running_on(cpu).is_some() { "slice, budget or sleeper" } else { "sleeper" }
        )?;
    }
    writeln!(out, "{armed} armed; {quiet} CPUs sleep without a timer until they are called")?;
    writeln!(out, "{:>6} {:<16} {:>16}  cpu", "id", "sleeper", "until")?;
    for view in kernel.threads.views() {
        if let Some((at, cpu)) = sched.sleeps_until(view.task) {
            writeln!(
                out,
                "{:>6} {:<16} {:>16}  {cpu}",
                Text::new(format_args!("{}", view.task)),
                view.name,
                ahead(at)
            )?;
        }
    }
    Ok(Next::Continue)
}
