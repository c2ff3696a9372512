//! `cp`, `mv`: files that are elsewhere afterwards, too or only.

use alloc::vec::Vec;

use kos_vfs::fs::RenameFlags;
use kos_vfs::{At, AtFlags, DirError, Errno, FileError, FileType, FsError, How, Mode, OpenFlags, Stat};

use super::names::{Names, PathBuf, Shown, last};
use super::remove::DEPTH;
use super::{each, failed, is_directory, known, options, usage};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};

/// Bytes that are read at a time.
const CHUNK: usize = 16 << 10;

/// Sources and target; whether the target is a directory, into which the sources go.
fn ends<'a, P: Platform>(
    session: &mut Session<'_, P>,
    operands: &'a [&'a str],
) -> Result<(&'a [&'a str], &'a [u8], bool), CommandError> {
    let (target, sources) = operands.split_last().ok_or_else(|| usage(format_args!("no source given")))?;
    if sources.is_empty() {
        return Err(usage(format_args!("no target given")));
    }
    let into = is_directory(&session.call()?, target.as_bytes());
    if sources.len() > 1 && !into {
        return Err(failed(format_args!("{target}: {}", Errno::ENOTDIR.meaning())));
    }
    Ok((sources, target.as_bytes(), into))
}

/// Where a source goes.
fn goal(target: &[u8], into: bool, source: &str) -> Result<PathBuf, FsError> {
    let mut path = PathBuf::new(target)?;
    if into {
        path.push(last(source.as_bytes()))?;
    }
    Ok(path)
}

pub(in super::super) fn mv<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (_, operands) = options(arguments, "f")?;
    let (sources, target, into) = ends(session, operands)?;
    each("mv", sources, streams, |source, _| {
        let mut to = goal(target, into, source)?;
        let from = source.as_bytes();
        let flags = RenameFlags::empty();
        match session.call()?.rename(At::Cwd, from, At::Cwd, to.bytes(), flags) {
            Err(DirError::OtherMount) => {}
            moved => return Ok(moved?),
        }
        if known(&session.call()?, from)?.attr.kind == FileType::Directory {
            return Err(failed(format_args!("on another mount; 'cp -r' and 'rm -r' move a directory there")));
        }
        copy(session, &mut PathBuf::new(from)?, &mut to, DEPTH)?;
        Ok(session.call()?.unlink(At::Cwd, from)?)
    })
}

pub(in super::super) fn cp<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "rR")?;
    let deep = letters.has('r') || letters.has('R');
    let (sources, target, into) = ends(session, operands)?;
    each("cp", sources, streams, |source, _| {
        let from = source.as_bytes();
        let mut to = goal(target, into, source)?;
        if !deep {
            // POSIX cp: of a symlink its target is copied, unless trees are.
            let stat = session.call()?.stat_at(At::Cwd, from, AtFlags::empty())?;
            return match stat.attr.kind {
                FileType::Directory => Err(failed(format_args!("a directory; -r copies it with all in it"))),
                _ => leaf(session, from, to.bytes(), &stat),
            };
        }
        if known(&session.call()?, from)?.attr.kind == FileType::Directory
            && lies_within(session, to.bytes(), from)?
        {
            return Err(failed(format_args!("it would come into itself")));
        }
        copy(session, &mut PathBuf::new(from)?, &mut to, DEPTH)
    })
}

/// Whether `path`, the end of which need not be there, is `dir` or below it.
fn lies_within<P: Platform>(
    session: &mut Session<'_, P>,
    path: &[u8],
    dir: &[u8],
) -> Result<bool, CommandError> {
    let dir = known(&session.call()?, dir)?;
    let mut at = PathBuf::new(path)?;
    if !is_directory(&session.call()?, path) {
        let parent = path.len() - last(path).len();
        at.truncate(parent.min(path.len()));
        if at.bytes().is_empty() {
            at.push(b".")?;
        }
    }
    for _ in 0..=DEPTH {
        let here = known(&session.call()?, at.bytes())?;
        if (here.device, here.attr.ino) == (dir.device, dir.attr.ino) {
            return Ok(true);
        }
        at.push(b"..")?;
        let above = known(&session.call()?, at.bytes())?;
        if (above.device, above.attr.ino) == (here.device, here.attr.ino) {
            return Ok(false);
        }
    }
    Ok(false)
}

/// Copies what is at `from`, a directory with all in it.
fn copy<P: Platform>(
    session: &mut Session<'_, P>,
    from: &mut PathBuf,
    to: &mut PathBuf,
    depth: usize,
) -> Result<(), CommandError> {
    let call = session.call()?;
    let stat = known(&call, from.bytes())?;
    match stat.attr.kind {
        FileType::Symlink => {
            let place = call.resolve(At::Cwd, from.bytes(), AtFlags::NO_FOLLOW)?;
            let mut target = buffer(4096)?;
            let length = call.readlink(&place, &mut target)?;
            Ok(call.symlink(target.get(..length).unwrap_or_default(), At::Cwd, to.bytes())?)
        }
        FileType::Directory => {
            let made = call.mkdir(At::Cwd, to.bytes(), stat.attr.mode | Mode::of(0o700));
            match made {
                Err(DirError::Exists) if is_directory(&call, to.bytes()) => {}
                made => made?,
            }
            directory(session, from, to, depth)
        }
        _ => leaf(session, from.bytes(), to.bytes(), &stat),
    }
}

/// Copies a file, or makes a device or the like again.
fn leaf<P: Platform>(
    session: &mut Session<'_, P>,
    from: &[u8],
    to: &[u8],
    stat: &Stat,
) -> Result<(), CommandError> {
    match stat.attr.kind {
        FileType::Regular => file(session, from, to, stat.attr.mode),
        kind => Ok(session.call()?.mknod(At::Cwd, to, kind, stat.attr.mode, stat.attr.device)?),
    }
}

fn directory<P: Platform>(
    session: &mut Session<'_, P>,
    from: &mut PathBuf,
    to: &mut PathBuf,
    depth: usize,
) -> Result<(), CommandError> {
    let depth =
        depth.checked_sub(1).ok_or_else(|| failed(format_args!("more than {DEPTH} directories deep")))?;
    let names = Names::of(&session.call()?, from.bytes())?;
    for name in names.iter() {
        let lengths = (from.push(name)?, to.push(name)?);
        copy(session, from, to, depth).map_err(|error| match error {
            CommandError::Failed(text) => failed(format_args!("{}: {text}", Shown(name))),
            other => other,
        })?;
        from.truncate(lengths.0);
        to.truncate(lengths.1);
    }
    Ok(())
}

/// Copies the bytes of a file into another, which is made or cut.
fn file<P: Platform>(
    session: &mut Session<'_, P>,
    from: &[u8],
    to: &[u8],
    mode: Mode,
) -> Result<(), CommandError> {
    let call = session.call()?;
    let source = call.open(At::Cwd, from, &How::flags(OpenFlags::empty()))?;
    let target = call.open(At::Cwd, to, &How::create(OpenFlags::WRITE_ONLY, mode & Mode::ALL_ACCESS))?;
    let [old, new] = [call.stat(source.place())?, call.stat(target.place())?];
    if (old.device, old.attr.ino) == (new.device, new.attr.ino) {
        return Err(failed(format_args!("it would be copied onto itself")));
    }
    if new.attr.kind == FileType::Regular {
        call.set_size(&target, 0)?;
    }
    let mut bytes = buffer(CHUNK)?;
    loop {
        let count = source.read(&mut bytes)?;
        let mut rest = bytes.get(..count).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            match call.write(&target, rest)? {
                0 => return Err(FileError::Fs(FsError::NoSpace).into()),
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
    }
}

fn buffer(length: usize) -> Result<Vec<u8>, FsError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(length)?;
    buffer.resize(length, 0);
    Ok(buffer)
}
