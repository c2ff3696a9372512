//! `cargo demo run --exec COMMANDS`: stdout carries the commands' bytes, as they come, and nothing else.

use std::io;
use std::time::Instant;

use super::Session;
use crate::args::Action;
use crate::error::Error;
use crate::guest::{Boot, Event, Guest, Next, Run};
use crate::interrupt::Interrupt;
use crate::records::{Decoder, Record, RecordError};
use crate::report::Report;
use crate::status::Status;
use crate::transfer::Takings;
use crate::verdict::{self, Exit, Trouble};

/// Takes what commands print.
pub(super) type Output<'o> = dyn FnMut(&[u8], &mut Report) -> io::Result<()> + 'o;

/// What the records said so far.
#[derive(Default)]
struct Channel {
    decoder: Decoder,
    /// The first departure from the format.
    broken: Option<RecordError>,
    /// Commands that failed, with their statuses.
    failed: Vec<String>,
    /// Files that come out of the guest.
    takings: Takings,
}

/// A run of commands that has ended.
pub(super) struct Ended {
    pub(super) run: Run,
    pub(super) verdict: Result<Exit, Trouble>,
    /// The commands that failed.
    pub(super) failed: Vec<String>,
    /// Files that came out of the guest.
    pub(super) takings: Takings,
}

pub(super) fn execute(session: &mut Session<'_>) -> Result<Status, Error> {
    let boot = session.boot()?;
    let output = &mut |bytes: &[u8], report: &mut Report| report.output(bytes);
    let ended = listen(session.interrupt, &mut session.report, &boot, output)?;
    if let (Some(Action::Run { get, .. }), Ok(_)) = (&session.args.action, &ended.verdict) {
        ended.takings.keep(get).map_err(|(path, cause)| Error::Get(path, cause))?;
    }
    Ok(session.conclude(&ended.run, ended.verdict, &ended.failed))
}

/// What the status line says while a run goes on.
pub(super) struct Progress<'p> {
    pub(super) what: &'p str,
    pub(super) since: Instant,
}

impl Progress<'_> {
    /// Of a run that stands for itself.
    fn new() -> Self {
        Self { what: "the kernel is running", since: Instant::now() }
    }
}

/// Boots, and hands on what the commands print, as it comes.
pub(super) fn listen(
    interrupt: &Interrupt,
    report: &mut Report,
    boot: &Boot,
    output: &mut Output<'_>,
) -> Result<Ended, Error> {
    listen_as(&Progress::new(), interrupt, report, boot, output)
}

/// The same as a part of something greater.
pub(super) fn listen_as(
    progress: &Progress<'_>,
    interrupt: &Interrupt,
    report: &mut Report,
    boot: &Boot,
    output: &mut Output<'_>,
) -> Result<Ended, Error> {
    let mut channel = Channel::default();
    let run = Guest::start(boot)?.listen(interrupt, &mut |event| match event {
        Event::Records(bytes) => channel.take(bytes, &mut |bytes| output(bytes, report)),
        Event::Log(bytes) if report.verbose() => {
            report.raw(bytes);
            Ok(Next::Continue)
        }
        Event::Log(_) | Event::Idle => {
            report.tick(progress.what, progress.since);
            Ok(Next::Continue)
        }
    })?;
    let verdict = channel.judge(&run);
    Ok(Ended { run, verdict, failed: channel.failed, takings: channel.takings })
}

impl Channel {
    fn take(&mut self, bytes: &[u8], output: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<Next, Error> {
        let mut written = Ok(());
        let fed = self.decoder.feed(bytes, &mut |record| match record {
            Record::Output(bytes) if written.is_ok() && !self.takings.output(&bytes) => {
                written = output(&bytes);
            }
            Record::Status { code, command } => {
                self.takings.ended(&command, code);
                self.failed.extend((code > 0).then_some(command));
            }
            Record::Output(_) | Record::End { .. } => {}
        });
        written.map_err(Error::io("write to stdout"))?;
        self.broken = fed.err();
        Ok(if self.broken.is_some() { Next::Stop } else { Next::Ready })
    }

    /// The records count if they are complete; then the exit status must say the same.
    fn judge(&mut self, run: &Run) -> Result<Exit, Trouble> {
        if let Some(broken) = self.broken.take() {
            return Err(Trouble::Records(broken));
        }
        let exit = verdict::exit(run)?;
        self.decoder.finish().map_err(Trouble::Records)?;
        let reported = if self.failed.is_empty() { Exit::Success } else { Exit::Failed };
        verdict::agree(exit, reported)
    }
}
