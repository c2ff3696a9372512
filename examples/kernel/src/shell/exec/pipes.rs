//! Commands at the same time, with pipes between them.

use alloc::vec::Vec;

use kos_sched::TaskId;
use lock_api::Mutex;

use super::super::lang::{Command, MAX_STAGES};
use super::super::streams::Terminal;
use super::super::{CommandError, Next, Session, Status};
use super::{Ends, stage};
use crate::glue::sleep_lock::SleepLock;
use crate::ipc::ByteStream;
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::{How, Member, command_stack};

/// Who runs a command, and the pipes that it has.
type Parts<'a, 'k, P> = (Session<'k, P>, Ends<'a, P>);

/// A command that waits for its thread, with all that it takes along.
struct Waiting<'a, 'k, P: Platform> {
    command: &'a Command<'a>,
    terminal: &'a dyn Terminal,
    parts: Mutex<SleepLock<P>, Option<Parts<'a, 'k, P>>>,
}

impl<P: Platform> Waiting<'_, '_, P> {
    /// Its pipes close when it ends: those beside it learn that.
    fn run(&self) {
        let parts = self.parts.lock().take();
        let Some((mut session, ends)) = parts else { return };
        // The status of a pipeline is that of its last command.
        let _ = stage::run(&mut session, self.command, ends, self.terminal);
    }
}

/// Runs a pipeline.
///
/// Never inlined: a single command, which may run others, must not pay for it with its stack.
#[inline(never)]
pub(super) fn run<P: Platform>(
    session: &mut Session<'_, P>,
    commands: &[Command<'_>],
    terminal: &dyn Terminal,
) -> (Status, Next) {
    try_run(session, commands, terminal).unwrap_or_else(|why| {
        // Who cannot be told is not told.
        let _ = terminal.complain(format_args!("no pipeline: {why}\n"));
        (Status::FAILED, Next::Continue)
    })
}

fn try_run<P: Platform>(
    session: &mut Session<'_, P>,
    commands: &[Command<'_>],
    terminal: &dyn Terminal,
) -> Result<(Status, Next), CommandError> {
    let Some((last, others)) = commands.split_last() else { return Ok((Status::SUCCESS, Next::Continue)) };
    let (kernel, none) = (session.kernel, || CommandError::Failed(Text::new(format_args!("no memory"))));
    let ipc = kernel.ipc()?;
    let mut pipes = heapless::Vec::<_, MAX_STAGES>::new();
    for _ in others {
        let pipe = ByteStream::<P>::new(ipc.next_id()).ok_or_else(none)?;
        pipes.push(pipe).map_err(|_| none())?;
    }
    // On the heap: eight sessions are more than a stack has room for.
    let mut waiting = Vec::new();
    waiting.try_reserve_exact(others.len()).map_err(|_| none())?;
    for (index, command) in others.iter().enumerate() {
        let input = index.checked_sub(1).and_then(|before| pipes.get(before)).map(|pipe| pipe.reader());
        let ends = Ends { input, output: pipes.get(index).map(|pipe| pipe.writer()) };
        let parts = Mutex::new(Some((session.fork()?, ends)));
        let one = Waiting { command, terminal, parts };
        waiting.push(one);
    }
    let ends = Ends { input: pipes.last().map(|pipe| pipe.reader()), output: None };
    let work: heapless::Vec<_, MAX_STAGES> = waiting.iter().map(|one| || one.run()).collect();
    let how = How::new("pipe").stack(command_stack::<P>()).of(session.ctx().cred.uid);
    let members: heapless::Vec<_, MAX_STAGES> = work.iter().map(|work| Member::new(how, work)).collect();
    let result = kernel.with_team(&members, |tasks| {
        let result = stage::run(session, last, ends, terminal);
        await_all(session, tasks);
        result
    })?;
    Ok(result)
}

/// Waits until the threads have ended, or the calling one is told to end: then the team is ended, too.
fn await_all<P: Platform>(session: &Session<'_, P>, tasks: &[TaskId]) {
    for &task in tasks {
        if session.kernel.join(task).is_err() {
            return;
        }
    }
}
