//! One command: its words, its streams, its end.

use kos_vfs::{How, Mode, OpenFlags};

use super::super::lang::expand::{self, Scratch};
use super::super::lang::{Command, Redirection, Stream};
use super::super::streams::{Fault, Input, Sink, Streams, Target, Terminal};
use super::super::{CommandError, CommandResult, Next, Session, Status};
use super::Ends;
use crate::cmds::{self, Run};
use crate::platform::Platform;
use crate::text::Text;

/// What became of a command.
pub(super) type Done = (Status, Next);

const fn done(status: Status) -> Done {
    (status, Next::Continue)
}

/// Runs a command whose ends may be in pipes.
pub(super) fn run<'o, 'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &Command<'_>,
    ends: Ends<'o, P>,
    terminal: &'o dyn Terminal,
) -> Done {
    if command.assignments.is_empty() {
        return with_words(session, command, ends, terminal);
    }
    if command.words.is_empty() {
        return match assign(session, command, false) {
            Ok(()) => with_words(session, command, ends, terminal),
            Err(why) => refused(terminal, &why),
        };
    }
    let before = match session.environment.fork() {
        Ok(before) => before,
        Err(why) => return refused(terminal, &why.into()),
    };
    let result = match assign(session, command, true) {
        Ok(()) => with_words(session, command, ends, terminal),
        Err(why) => refused(terminal, &why),
    };
    session.environment = before;
    result
}

fn refused(terminal: &dyn Terminal, why: &CommandError) -> Done {
    // Who cannot be told is not told.
    let _ = terminal.complain(format_args!("{why}\n"));
    done(Status::FAILED)
}

fn assign<P: Platform>(
    session: &mut Session<'_, P>,
    command: &Command<'_>,
    export: bool,
) -> Result<(), CommandError> {
    for set in &command.assignments {
        let mut value = Scratch::new();
        expand::word(&set.value, &session.environment, &mut value)?;
        let result = session.environment.set(set.name, &value, export);
        result.map_err(|why| CommandError::Failed(Text::new(format_args!("{}: {why}", set.name))))?;
    }
    Ok(())
}

fn with_words<'o, 'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &Command<'_>,
    ends: Ends<'o, P>,
    terminal: &'o dyn Terminal,
) -> Done {
    let mut scratch = Scratch::new();
    let words = match expand::words(&command.words, &session.environment, &mut scratch) {
        Ok(words) => words,
        Err(why) => return refused(terminal, &why.into()),
    };
    let name = words.first().copied().unwrap_or("");
    let Ends { input, output } = ends;
    let mut streams = Streams {
        kernel: session.kernel,
        terminal,
        input: input.map(Input::Pipe),
        output: output.map(|writer| Sink::new(Target::Pipe(writer))),
        errors: None,
    };
    for redirection in &command.redirections {
        if let Err(why) = redirect(session, redirection, &mut streams) {
            let gap = if name.is_empty() { "" } else { ": " };
            let _ = streams.complain(format_args!("{name}{gap}{why}"));
            return done(Status::FAILED);
        }
    }
    let Some((name, arguments)) = words.split_first() else { return done(Status::SUCCESS) };
    let Some(found) = cmds::find::<P>(name) else {
        let _ = streams.complain(format_args!("{name}: no such command; 'help' lists them"));
        streams.finish();
        return done(Status::UNKNOWN);
    };
    let result = call(session, found, arguments, &mut streams);
    finish(result, found, &mut streams)
}

/// Leads a stream of `streams` where it is told. Never inlined: its path would stay on the stack while the command runs.
#[inline(never)]
fn redirect<'k, P: Platform>(
    session: &mut Session<'k, P>,
    redirection: &Redirection<'_>,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let mut path = Scratch::new();
    expand::word(&redirection.target, &session.environment, &mut path)?;
    let behind = if redirection.append { OpenFlags::APPEND } else { OpenFlags::TRUNCATE };
    let how = match redirection.stream {
        Stream::Input => How::flags(OpenFlags::empty()),
        _ => How::create(OpenFlags::WRITE_ONLY | behind, Mode::of(0o666)),
    };
    let opened = session.open(&path, &how);
    let named = |why| CommandError::Failed(Text::new(format_args!("{}: {why}", path.as_str())));
    let (file, view, ctx) = opened.map_err(named)?;
    match redirection.stream {
        Stream::Input => streams.input = Some(Input::File(file)),
        Stream::Output => streams.output = Some(Sink::new(Target::File { file, view, ctx })),
        Stream::Errors => streams.errors = Some(Sink::new(Target::File { file, view, ctx })),
    }
    Ok(())
}

/// Runs a command to the end of its output.
fn call<'k, P: Platform>(
    session: &mut Session<'k, P>,
    command: &cmds::Command<P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match command.run {
        Run::Kernel(_) if matches!(streams.input, Some(Input::File(_))) => {
            Err(CommandError::Usage(Text::new(format_args!("it reads nothing"))))
        }
        _ => cmds::invoke(session, command, arguments, streams),
    }
}

/// Says what went wrong, if anything, and makes a status of it. Never inlined, as [`redirect`].
#[inline(never)]
fn finish<P: Platform>(
    result: CommandResult,
    command: &cmds::Command<P>,
    streams: &mut Streams<'_, '_, P>,
) -> Done {
    let fault = streams.finish();
    let name = command.name;
    let (status, said) = match (result, fault) {
        // Who is told to end has not failed.
        (Err(_), _) if streams.kernel.is_told_to_end() => (Status::INTERRUPTED, Ok(())),
        (_, Some(Fault::Interrupted)) => (Status::INTERRUPTED, Ok(())),
        (_, Some(Fault::Broken)) => (Status::BROKEN_PIPE, Ok(())),
        (_, Some(Fault::File(why))) => {
            (Status::FAILED, streams.complain(format_args!("{name}: cannot write: {why}")))
        }
        (Ok(next), None) => return (Status::SUCCESS, next),
        (Err(CommandError::Quiet), None) => (Status::FAILED, Ok(())),
        (Err(CommandError::Status(status)), None) => (status, Ok(())),
        (Err(why @ CommandError::Refused(_)), None) => {
            (Status::REFUSED, streams.complain(format_args!("{name}: {why}")))
        }
        (Err(why @ (CommandError::Failed(_) | CommandError::Unheard)), None) => {
            (Status::FAILED, streams.complain(format_args!("{name}: {why}")))
        }
        (Err(CommandError::Usage(text)), None) => {
            let usage = command.arguments;
            (Status::USAGE, streams.complain(format_args!("{name}: {text}\nusage: {name} {usage}")))
        }
    };
    // Who cannot be told is not told.
    let _ = said;
    streams.finish();
    done(status)
}
