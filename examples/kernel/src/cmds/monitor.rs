//! `metrics` and `pressure`: figures for who gathers them, and how much somebody had to wait.

use core::fmt::{self, Write};

use super::no_arguments;
use crate::Kernel;
use crate::metrics;
use crate::platform::Platform;
use crate::pressure::average::Percent;
use crate::pressure::{self, Resource};
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::Text;

pub(super) fn metrics<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    kernel.watch_pressure()?;
    let no_memory = |_| CommandError::Failed(Text::new(format_args!("no memory for the page")));
    out.write_str(&metrics::gather(kernel).map_err(no_memory)?)?;
    Ok(Next::Continue)
}

/// Shows the shares, or sets the limit of one.
pub(super) fn pressure<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    match *arguments {
        [] => {
            kernel.watch_pressure()?;
            pressure::show(kernel, out)?;
        }
        ["limits"] => {
            for (resource, ppm) in Resource::ALL.into_iter().zip(kernel.pressure.limits()) {
                writeln!(out, "{:<6} {} %", resource.words().0, Percent(ppm))?;
            }
        }
        ["limit", name, percent] => {
            let (resource, percent) = limit(name, percent)?;
            kernel.watch_pressure()?;
            kernel.pressure.set_limit(resource, percent * 10_000);
        }
        _ => return Err(usage(format_args!("[limits | limit cpu|io|memory PERCENT]"))),
    }
    Ok(Next::Continue)
}

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

fn limit(name: &str, percent: &str) -> Result<(Resource, u32), CommandError> {
    let resource = Resource::ALL.into_iter().find(|resource| resource.words().0 == name);
    let resource = resource.ok_or_else(|| usage(format_args!("'{name}' is none of cpu, io, memory")))?;
    let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
    Ok((resource, percent.ok_or_else(|| usage(format_args!("a limit is 1 to 100 percent")))?))
}
