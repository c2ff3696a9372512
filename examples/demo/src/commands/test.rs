//! `cargo demo test [FILTER]`: the results go to stdout as they come; passed means that nothing is missing.

use std::time::Instant;

use super::Session;
use crate::error::Error;
use crate::guest::{Event, Guest, Next, Run};
use crate::ktap::{self, Summary};
use crate::report::Report;
use crate::status::Status;
use crate::verdict::{self, Exit, Trouble};

/// Shows the report as it comes, line by line, without the boot log before it.
#[derive(Default)]
struct Results {
    line: Vec<u8>,
    begun: bool,
}

pub(super) fn execute(session: &mut Session<'_>) -> Result<Status, Error> {
    let boot = session.boot()?;
    let (interrupt, report) = (session.interrupt, &mut session.report);
    let (mut results, started) = (Results::default(), Instant::now());
    let run = Guest::start(&boot)?.listen(interrupt, &mut |event| match event {
        Event::Log(bytes) => results.take(bytes, report),
        Event::Records(_) => Ok(Next::Continue),
        Event::Idle => {
            report.tick("the tests are running", started);
            Ok(Next::Continue)
        }
    })?;
    let (verdict, failed) = match judge(&run) {
        Ok((exit, summary)) => {
            session.report.say(&words(&summary, &run));
            (Ok(exit), summary.failed)
        }
        Err(trouble) => (Err(trouble), Vec::new()),
    };
    Ok(session.conclude(&run, verdict, &failed))
}

impl Results {
    fn take(&mut self, bytes: &[u8], report: &mut Report) -> Result<Next, Error> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if !self.line.ends_with(b"\n") {
                continue;
            }
            let line = core::mem::take(&mut self.line);
            self.begun |= line.starts_with(ktap::HEADER.as_bytes());
            if self.begun {
                report.output(&line).map_err(Error::io("write to stdout"))?;
            } else if report.verbose() {
                report.raw(&line);
            }
        }
        Ok(if self.begun { Next::Ready } else { Next::Continue })
    }
}

/// Complete plan, agreeing exit status, no panic.
fn judge(run: &Run) -> Result<(Exit, Summary), Trouble> {
    let exit = verdict::exit(run)?;
    let summary = ktap::judge(&run.log.text()).map_err(Trouble::Tests)?;
    let reported = if summary.failed.is_empty() { Exit::Success } else { Exit::Failed };
    Ok((verdict::agree(exit, reported)?, summary))
}

fn words(summary: &Summary, run: &Run) -> String {
    let Summary { passed, skipped, failed } = summary;
    let mut words = format!("{passed} passed, {} failed, {} skipped", failed.len(), skipped.len());
    for skip in skipped {
        words += &format!("; {skip}");
    }
    words + &format!(" ({} ms)", run.took.as_millis())
}
