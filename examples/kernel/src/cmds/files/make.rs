//! `touch`, `mkdir`, `ln`: new names.

use kos_vfs::{At, AtFlags, DirError, Errno, How, Mode, OpenFlags, SetTime};

use super::names::{PathBuf, Shown, last};
use super::owner::digits;
use super::{each, failed, is_directory, options, some, usage};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};

pub(in super::super) fn touch<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    each("touch", some(arguments, "file")?, streams, |path, _| {
        let call = session.call()?;
        let found = match call.resolve(At::Cwd, path.as_bytes(), AtFlags::empty()) {
            Ok(place) => return Ok(call.set_times(&place, SetTime::Now, SetTime::Now)?),
            Err(error) => error,
        };
        if found.errno() != Errno::ENOENT {
            return Err(found.into());
        }
        let how = How::create(OpenFlags::WRITE_ONLY, Mode::of(0o666));
        Ok(call.open(At::Cwd, path.as_bytes(), &how).map(drop)?)
    })
}

pub(in super::super) fn mkdir<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, mut operands) = options(arguments, "pm")?;
    let mut mode = Mode::ALL_ACCESS;
    if letters.has('m') {
        let (word, rest) = operands.split_first().ok_or_else(|| usage(format_args!("no mode given")))?;
        mode = digits(word).ok_or_else(|| usage(format_args!("'{word}' is no mode such as 755")))?;
        operands = rest;
    }
    each("mkdir", some(operands, "directory")?, streams, |path, _| {
        let call = session.call()?;
        let path = path.as_bytes();
        if !letters.has('p') {
            call.mkdir(At::Cwd, path, mode)?;
            return Ok(());
        }
        let ends = path.iter().enumerate().filter(|&(at, &byte)| at > 0 && byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let part = path.get(..end).unwrap_or_default();
            match call.mkdir(At::Cwd, part, mode) {
                Ok(()) => {}
                Err(DirError::Exists) if is_directory(&call, part) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
}

pub(in super::super) fn ln<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "s")?;
    let (target, name) = match operands {
        [target] => (target.as_bytes(), last(target.as_bytes())),
        [target, name] => (target.as_bytes(), name.as_bytes()),
        [] => return Err(usage(format_args!("no target given"))),
        [_, _, word, ..] => return Err(usage(format_args!("unexpected '{word}'"))),
    };
    let call = session.call()?;
    let mut path = PathBuf::new(name)?;
    if is_directory(&call, name) {
        path.push(last(target))?;
    }
    let made = if letters.has('s') {
        call.symlink(target, At::Cwd, path.bytes())
    } else {
        call.link(At::Cwd, target, At::Cwd, path.bytes(), false)
    };
    made.map_err(|error| failed(format_args!("{}: {}", Shown(path.bytes()), CommandError::from(error))))?;
    Ok(Next::Continue)
}
