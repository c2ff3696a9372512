//! What runs a script: lists one after the other, the commands of a pipeline at the same time.
//!
//! | part | idea |
//! |---|---|
//! | [`stage`] | one command, in the thread that calls |
//! | [`pipes`] | pipelines: a thread for each command but the last, kos-ipc's pipes between them |
//!
//! The last command of a pipeline runs in the thread of its shell, so that `... | cd` would move it; the others get sessions of
//! their own. A pipeline has ended when all of its commands have; its status is that of the last.

mod pipes;
mod stage;

use core::fmt::{self, Write};

use kos_ipc::posix::pipe::{PipeReader, PipeWriter};

use super::lang::{Join, List, Pipeline};
use super::streams::Terminal;
use super::{Next, Session, Status};
use crate::cmds::inject::Witness;
use crate::glue::ipc::IpcEnv;
use crate::platform::Platform;

/// The pipes that a command has at its ends.
pub(super) struct Ends<'o, P: Platform> {
    input: Option<PipeReader<'o, 'static, IpcEnv<P>>>,
    output: Option<PipeWriter<'o, 'static, IpcEnv<P>>>,
}

/// Runs a list to its end.
pub(super) fn list<P: Platform>(
    session: &mut Session<'_, P>,
    list: &List<'_>,
    terminal: &dyn Terminal,
) -> (Status, Next) {
    if list.background {
        let status = session.start_job(list.text, terminal);
        session.environment.status = status;
        return (status, Next::Continue);
    }
    let mut status = Status::SUCCESS;
    for (index, (join, each)) in list.pipelines.iter().enumerate() {
        let wanted = status == Status::SUCCESS;
        if index > 0 && wanted != (*join == Join::And) {
            continue;
        }
        let (ended, next) = pipeline(session, each, terminal);
        (status, session.environment.status) = (ended, ended);
        if next != Next::Continue || ended == Status::INTERRUPTED {
            return (ended, next);
        }
    }
    session.jobs.show(terminal, false);
    (status, Next::Continue)
}

fn pipeline<P: Platform>(
    session: &mut Session<'_, P>,
    pipeline: &Pipeline<'_>,
    terminal: &dyn Terminal,
) -> (Status, Next) {
    let witness = Witness::call(session);
    let (status, next) = match pipeline.commands.as_slice() {
        [only] => stage::run(session, only, Ends { input: None, output: None }, terminal),
        several => pipes::run(session, several, terminal),
    };
    let Some(witness) = witness else { return (status, next) };
    let kernel = session.kernel;
    (witness.testify(kernel, status, &mut Plain(terminal)).unwrap_or(Status::FAILED), next)
}

/// What is said straight to a terminal.
struct Plain<'t>(&'t dyn Terminal);

impl Write for Plain<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.write(part.as_bytes())
    }
}
