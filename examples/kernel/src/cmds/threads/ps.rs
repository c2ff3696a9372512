//! `ps`: the threads, and where the time of the CPUs went.

use core::fmt::Write;

use super::words::{millis, percent, places, policy, state};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::{Grouped, Text};

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    kernel.tidy();
    let all = kernel.threads.runtime().scheduler().online_cpus();
    writeln!(
        out,
        "{:>6} {:<16} {:<15} {:>4} {:<8} {:>12}  state",
        "id", "name", "class", "cpu", "on", "time us"
    )?;
    for thread in kernel.threads.views() {
        writeln!(
            out,
            "{:>6} {:<16} {:<15} {:>4} {:<8} {:>12}  {}",
            Text::new(format_args!("{}", thread.task)),
            thread.name,
            policy(thread.policy),
            thread.cpu,
            places(kernel, &thread, &all),
            Grouped(thread.ran.as_micros()),
            state(thread.state, thread.reason),
        )?;
    }
    let times = kernel.threads.accounts();
    let plural = if times.cpus == 1 { "" } else { "s" };
    writeln!(
        out,
        "{} on {} CPU{plural} = threads {} + idle {} ({}); {} ns apart",
        millis(times.wall),
        times.cpus,
        millis(times.busy),
        millis(times.idle),
        percent(times.per_mille(times.idle)),
        Grouped(times.error()),
    )?;
    Ok(Next::Continue)
}
