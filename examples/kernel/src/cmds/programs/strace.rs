//! `strace`: a program, and each system call that it and its descendants make.

use core::fmt::Write;

use super::run::{ended, named};
use crate::platform::Platform;
use crate::process::StartError;
use crate::process::job::Job;
use crate::process::trace::Trace;
use crate::shell::{CommandError, CommandResult, Output, Session, Streams};
use crate::svc::quota::Quota;

pub(in super::super) fn strace<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (kernel, words) = (session.kernel, named(arguments)?);
    // First: a machine without programs says so.
    kernel.processes.ports(kernel)?;
    let trace = Trace::new(kernel.platform().env()).ok_or(StartError::NoMemory)?;
    let begun = kernel.begin_traced_job(*session.ctx(), words.into(), &Quota::default(), Some(trace))?;
    let (job, mut counts) = (begun.job(), Counts::default());
    let mut heard = Ok(());
    let hear = |said: &[u8]| {
        if heard.is_ok() {
            heard = streams.write_bytes(said).map_err(CommandError::from);
        }
        if heard.is_ok() {
            heard = counts.show(&job, streams);
        }
    };
    let result = kernel.finish_job(begun, hear, |_| true, |_| ());
    heard?;
    counts.show(&job, streams)?;
    let lost = counts.lost + job.trace.as_ref().map_or(0, Trace::lost);
    writeln!(streams, "{} calls, {lost} of them not shown", counts.shown + lost)?;
    ended(result, streams)
}

/// How many calls were shown, and how many it was too late for.
#[derive(Default)]
struct Counts {
    shown: u64,
    lost: u64,
}

impl Counts {
    /// Shows the calls that were made since.
    fn show<P: Platform>(&mut self, job: &Job<P>, out: &mut dyn Write) -> Result<(), CommandError> {
        while let Some(record) = job.trace.as_ref().and_then(Trace::next) {
            writeln!(out, "{record}")?;
            (self.shown, self.lost) = (self.shown + 1, self.lost + record.lost());
        }
        Ok(())
    }
}
