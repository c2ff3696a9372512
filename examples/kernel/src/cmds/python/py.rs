//! `py`: runs a program of Python, from a file, from the line or from what it reads; at a terminal, lines one by one.

use alloc::vec::Vec;

use super::{failed, variable};
use crate::platform::Platform;
use crate::python::program::{self, MEMORY, Program, Quota};
use crate::python::prompt;
use crate::shell::{CommandError, CommandResult, Next, Session, Status, Streams, size};
use crate::text::{Bytes, Text};

/// Fuel of a run, unless `PYTHONFUEL` says another: some 700,000 turns of a loop that counts.
const FUEL: u64 = 40_000_000_000;
/// Most bytes of a program.
const SOURCE: u64 = 256 << 10;

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let at_prompt = arguments.is_empty() && !streams.reads() && streams.is_terminal();
    let (source, words): (Vec<u8>, _) = match arguments {
        [] if at_prompt => (Vec::new(), None),
        [] | ["-"] if streams.reads() => (all(streams)?, None),
        [] | ["-" | "-c"] => return Err(CommandError::Usage(Text::new(format_args!("which program?")))),
        ["-c", code, ..] => (Vec::from(code.as_bytes()), arguments.get(1..)),
        [path, ..] => {
            let text = program::read(session, path.as_bytes(), SOURCE).map_err(|why| why.of(path))?;
            (text, Some(arguments))
        }
    };
    let quota = quota(session)?;
    let root = program::absolute(session, variable(session, "VIRTUAL_ENV").as_deref().unwrap_or("."))?;
    let modules = modules(session);
    let words = words.unwrap_or(&[""]);
    let program = Program { source: &source, words, root, modules, quota };
    let run = if at_prompt { prompt::run } else { program::run };
    match run(session, &program, streams)? {
        0 => Ok(Next::Continue),
        status => Err(CommandError::Status(Status(status))),
    }
}

/// All that the command reads.
fn all<P: Platform>(streams: &mut Streams<'_, '_, P>) -> Result<Vec<u8>, CommandError> {
    let (mut text, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let count = streams.read(&mut piece)?;
        if count == 0 {
            return Ok(text);
        }
        if (text.len() + count) as u64 > SOURCE || text.try_reserve(count).is_err() {
            return Err(failed(format_args!("the program has more than {}", Bytes(SOURCE))));
        }
        text.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

/// The quotas: variables, else what is usual.
fn quota<P: Platform>(session: &Session<'_, P>) -> Result<Quota, CommandError> {
    let fuel = match variable(session, "PYTHONFUEL") {
        None => FUEL,
        Some(text) => text.parse().map_err(|why| failed(format_args!("PYTHONFUEL: {why}")))?,
    };
    let memory = match variable(session, "PYTHONMEMORY") {
        None => MEMORY,
        Some(text) => size(&text).map_err(|why| failed(format_args!("PYTHONMEMORY: {why}")))?.max(MEMORY),
    };
    Ok(Quota { fuel, memory })
}

/// Where modules come from, besides where the program stands.
fn modules<P: Platform>(session: &Session<'_, P>) -> Vec<Vec<u8>> {
    let below = |name: &str, rest: &str| {
        variable(session, name).map(|base| alloc::format!("{base}/{rest}").into_bytes())
    };
    [
        below("VIRTUAL_ENV", "lib/python/site-packages"),
        Some(b"/usr/lib/python/site-packages".to_vec()),
        Some(b"/usr/local/lib/python".to_vec()),
        below("HOME", ".local/lib/python"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
