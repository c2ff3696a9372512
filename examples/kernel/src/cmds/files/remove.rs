//! `rm`, `rmdir`: names that go.

use kos_vfs::{At, AtFlags, Errno, FileType};

use super::names::{Names, PathBuf, Shown, last};
use super::{each, failed, known, options, some};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};

/// Directories that are entered one below the other: each takes some of the stack.
pub(super) const DEPTH: usize = 64;

pub(in super::super) fn rmdir<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    each("rmdir", some(arguments, "directory")?, streams, |path, _| {
        Ok(session.call()?.rmdir(At::Cwd, path.as_bytes())?)
    })
}

pub(in super::super) fn rm<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "rRf")?;
    let (deep, force) = (letters.has('r') || letters.has('R'), letters.has('f'));
    if operands.is_empty() && force {
        return Ok(Next::Continue);
    }
    each("rm", some(operands, "file")?, streams, |operand, streams| {
        let path = operand.as_bytes();
        if matches!(last(path), b"" | b"." | b"..") {
            return Err(failed(format_args!("'.', '..' and '/' stay")));
        }
        let stat = match session.call()?.resolve(At::Cwd, path, AtFlags::NO_FOLLOW) {
            Err(error) if force && error.errno() == Errno::ENOENT => return Ok(()),
            _ => known(&session.call()?, path)?,
        };
        if stat.attr.kind == FileType::Directory && deep {
            return tree(session, &mut PathBuf::new(path)?, DEPTH, streams);
        }
        Ok(session.call()?.unlink(At::Cwd, path)?)
    })
}

/// Removes a directory and all in it. What cannot go stays, and is named.
fn tree<'k, P: Platform>(
    session: &mut Session<'k, P>,
    path: &mut PathBuf,
    depth: usize,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let depth =
        depth.checked_sub(1).ok_or_else(|| failed(format_args!("more than {DEPTH} directories deep")))?;
    let (names, mut all) = (Names::of(&session.call()?, path.bytes())?, true);
    for name in names.iter() {
        let length = path.push(name)?;
        let removed = match known(&session.call()?, path.bytes())?.attr.kind {
            FileType::Directory => tree(session, path, depth, streams),
            _ => session.call()?.unlink(At::Cwd, path.bytes()).map_err(CommandError::from),
        };
        match removed {
            Ok(()) => {}
            Err(CommandError::Quiet) => all = false,
            Err(unheard @ CommandError::Unheard) => return Err(unheard),
            Err(error) => {
                streams.complain(format_args!("rm: {}: {error}", Shown(path.bytes())))?;
                all = false;
            }
        }
        path.truncate(length);
    }
    if !all {
        return Err(CommandError::Quiet);
    }
    Ok(session.call()?.rmdir(At::Cwd, path.bytes())?)
}
