//! `find`: walks trees of directories.

use core::fmt::Write;

use kos_vfs::FileType;

use super::names::{Names, PathBuf, Shown, last, matches};
use super::remove::DEPTH;
use super::{each, failed, known, usage};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};

/// What is looked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: Option<&'a str>,
    kind: Option<FileType>,
}

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let tests = arguments.iter().position(|word| word.starts_with('-')).unwrap_or(arguments.len());
    let (paths, tests) = arguments.split_at(tests);
    let mut wanted = Wanted { name: None, kind: None };
    for test in tests.chunks(2) {
        match *test {
            ["-name", pattern] => wanted.name = Some(pattern),
            ["-type", letter] => wanted.kind = Some(kind(letter)?),
            [word, ..] => return Err(usage(format_args!("'{word}' is no test, or lacks its value"))),
            [] => {}
        }
    }
    let paths = if paths.is_empty() { &["."] } else { paths };
    each("find", paths, streams, |path, streams| {
        walk(session, &mut PathBuf::new(path.as_bytes())?, wanted, DEPTH, streams)
    })
}

fn kind(letter: &str) -> Result<FileType, CommandError> {
    let regular = if letter == "f" { "-" } else { letter };
    let found = FileType::ALL.into_iter().find(|kind| regular.chars().eq([kind.letter()]));
    found.ok_or_else(|| usage(format_args!("'{letter}' is no kind of file: f d l p s c b")))
}

fn walk<'k, P: Platform>(
    session: &mut Session<'k, P>,
    path: &mut PathBuf,
    wanted: Wanted<'_>,
    depth: usize,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let kind = known(&session.call()?, path.bytes())?.attr.kind;
    let named = wanted.name.is_none_or(|pattern| matches(pattern.as_bytes(), last(path.bytes())));
    if named && wanted.kind.is_none_or(|wanted| wanted == kind) {
        writeln!(streams, "{}", Shown(path.bytes()))?;
    }
    if kind != FileType::Directory {
        return Ok(());
    }
    let depth =
        depth.checked_sub(1).ok_or_else(|| failed(format_args!("more than {DEPTH} directories deep")))?;
    let (names, mut all) = (Names::of(&session.call()?, path.bytes())?, true);
    for name in names.iter() {
        let length = path.push(name)?;
        match walk(session, path, wanted, depth, streams) {
            Ok(()) => {}
            Err(CommandError::Quiet) => all = false,
            Err(unheard @ CommandError::Unheard) => return Err(unheard),
            Err(error) => {
                streams.complain(format_args!("find: {}: {error}", Shown(path.bytes())))?;
                all = false;
            }
        }
        path.truncate(length);
    }
    if all { Ok(()) } else { Err(CommandError::Quiet) }
}
