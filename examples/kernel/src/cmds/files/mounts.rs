//! `mount`, `umount`, `df`, `sync`: file systems as a whole.

use alloc::vec::Vec;
use core::fmt::Write;

use kos_vfs::fs::SyncMode;
use kos_vfs::{At, AtFlags, Errno, FsError, How, Mode, MountEntry, MountFlags, OpenFlags};

use super::names::Shown;
use super::{each, failed, options, some, usage};
use crate::Kernel;
use crate::cmds::no_arguments;
use crate::files::Files;
use crate::files::root::{Kind, Part};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::{Bytes, Grouped, Text};

/// Options of `mount -o`, by name.
const OPTIONS: [(&str, MountFlags); 5] = [
    ("ro", MountFlags::READ_ONLY),
    ("nosuid", MountFlags::NO_SUID),
    ("nodev", MountFlags::NO_DEVICES),
    ("noexec", MountFlags::NO_EXEC),
    ("noatime", MountFlags::NO_ACCESS_TIMES),
];

pub(in super::super) fn mount<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (mut kind, mut flags, mut rest) = ("", MountFlags::empty(), arguments);
    let (mut bind, mut again, mut moves) = (false, false, false);
    while let [option @ ("-t" | "-o"), value, behind @ ..] = rest {
        rest = behind;
        if *option == "-t" {
            kind = value;
            continue;
        }
        for word in value.split(',') {
            match OPTIONS.iter().find(|(name, _)| *name == word) {
                Some((_, flag)) => flags |= *flag,
                None if word == "bind" => bind = true,
                None if word == "remount" => again = true,
                None if word == "move" => moves = true,
                None if word == "rw" => {}
                None => {
                    return Err(usage(format_args!(
                        "no option '{word}': ro rw nosuid nodev noexec noatime bind move remount"
                    )));
                }
            }
        }
    }
    match rest {
        [] if arguments.is_empty() => return list(session, streams),
        [dir] if again => session.call()?.remount(At::Cwd, dir.as_bytes(), flags)?,
        [source, dir] if bind => {
            let call = session.call()?;
            let source = call.resolve(At::Cwd, source.as_bytes(), AtFlags::empty())?;
            call.bind(&source, At::Cwd, dir.as_bytes(), flags)?;
        }
        [old, dir] if moves => {
            session.call()?.move_mount(At::Cwd, old.as_bytes(), At::Cwd, dir.as_bytes())?;
        }
        [_, dir] if kind == "tmpfs" => {
            let free = session.kernel.frames().stats().free;
            let fs = files(session)?.tmpfs(free, Mode::of(0o1777))?;
            session.call()?.mount(fs, At::Cwd, dir.as_bytes(), flags)?;
        }
        [source, dir] => {
            let only = Kind::named(kind);
            if only.is_none() && !kind.is_empty() {
                return Err(failed(format_args!("'{kind}' is no kind of file system here: kosfs fat tmpfs")));
            }
            let part = part(session, source)?;
            let volume =
                part.mount(only, flags.contains(MountFlags::READ_ONLY)).map_err(CommandError::Failed)?;
            let volume =
                volume.ok_or_else(|| failed(format_args!("{source} holds no file system that is known")))?;
            session.call()?.mount(volume.fs, At::Cwd, dir.as_bytes(), flags)?;
        }
        _ => return Err(usage(format_args!("a source and a directory are needed"))),
    }
    Ok(Next::Continue)
}

fn files<'k, P: Platform>(session: &Session<'k, P>) -> Result<&'k Files<P>, CommandError> {
    session.kernel.files().ok_or_else(|| failed(format_args!("there are no files here")))
}

/// The part of the disk of this name: `vda`, `vda1`, also behind `/dev/`.
fn part<P: Platform>(session: &Session<'_, P>, source: &str) -> Result<Part<P>, CommandError> {
    let name = source.strip_prefix("/dev/").unwrap_or(source);
    let part = files(session)?.parts()?.into_iter().find(|part| part.name().as_str() == name);
    part.ok_or_else(|| failed(format_args!("{source}: {}", Errno::ENODEV.meaning())))
}

/// What is mounted.
fn list<'k, P: Platform>(session: &mut Session<'k, P>, streams: &mut Streams<'_, 'k, P>) -> CommandResult {
    for MountEntry { path, kind, flags, whole, .. } in session.view()?.mounts()? {
        write!(streams, "{kind:<7} on {:<16} (", Shown(&path).text())?;
        write!(streams, "{}", if flags.contains(MountFlags::READ_ONLY) { "ro" } else { "rw" })?;
        for (name, _) in OPTIONS.iter().skip(1).filter(|(_, flag)| flags.contains(*flag)) {
            write!(streams, ",{name}")?;
        }
        writeln!(streams, "{})", if whole { "" } else { ",bind" })?;
    }
    Ok(Next::Continue)
}

pub(in super::super) fn umount<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "l")?;
    each("umount", some(operands, "directory")?, streams, |path, _| {
        Ok(session.call()?.unmount(At::Cwd, path.as_bytes(), letters.has('l'))?)
    })
}

pub(in super::super) fn pivot_root<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let [new, put_old] = arguments else { return Err(usage(format_args!("two directories are needed"))) };
    session.pivot(new, put_old)?;
    Ok(Next::Continue)
}

pub(in super::super) fn unshare<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    _: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    no_arguments(arguments)?;
    session.unshare()?;
    Ok(Next::Continue)
}

pub(in super::super) fn df<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (letters, operands) = options(arguments, "h")?;
    let (units, head) = (letters.has('h'), if letters.has('h') { "size" } else { "KiB" });
    writeln!(streams, "{:<8}{head:>14}{:>14}{:>14}{:>6}  mounted on", "type", "used", "free", "use")?;
    if !operands.is_empty() {
        return each("df", operands, streams, |path, streams| full(session, path.as_bytes(), units, streams));
    }
    for MountEntry { path, .. } in session.view()?.mounts()? {
        full(session, &path, units, streams)?;
    }
    Ok(Next::Continue)
}

/// How full the file system at a place is.
fn full<'k, P: Platform>(
    session: &mut Session<'k, P>,
    path: &[u8],
    units: bool,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    let call = session.call()?;
    let place = call.resolve(At::Cwd, path, AtFlags::empty())?;
    let (device, stat, fs) = (call.stat(&place)?.device, call.stat(&place)?, call.statfs(&place)?);
    let mounts = session.view()?.mounts()?;
    let kind = mounts.iter().find(|mount| mount.device == device).map_or("?", |mount| mount.kind);
    let bytes = |blocks: u64| blocks.saturating_mul(stat.block_size.into());
    let used = fs.blocks.saturating_sub(fs.free);
    let shown = |blocks: u64| match units {
        true => Text::new(format_args!("{}", Bytes(bytes(blocks)))),
        false => Text::new(format_args!("{}", Grouped(bytes(blocks) / 1024))),
    };
    let share = used.saturating_mul(100).checked_div(used.saturating_add(fs.available)).unwrap_or(0);
    write!(streams, "{kind:<8}{:>14}{:>14}{:>14}", shown(fs.blocks), shown(used), shown(fs.available))?;
    writeln!(streams, "{share:>5}%  {}", Shown(path))?;
    Ok(())
}

/// The page cache in figures.
pub(in super::super) fn cachestat<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let files = kernel.files().ok_or_else(|| failed(format_args!("there are no files here")))?;
    let cache = files.vfs().stats().cache;
    let busy = cache.uninit + cache.writeback;
    writeln!(
        out,
        "pages: {} clean, {} dirty of {} files, {busy} busy",
        cache.clean, cache.dirty, cache.dirty_files
    )?;
    let (hits, asked) = (cache.hits, cache.hits + cache.misses);
    let share = hits.saturating_mul(100).checked_div(asked).unwrap_or(0);
    writeln!(
        out,
        "reads: {} of {} pages found ({share} %), {} read ahead",
        Grouped(hits),
        Grouped(asked),
        Grouped(cache.ahead)
    )?;
    writeln!(
        out,
        "since the start: {} written back, {} gone for room, {} requests past the cache, {} failures",
        Grouped(cache.written),
        Grouped(cache.evictions),
        Grouped(cache.streamed),
        Grouped(cache.failed)
    )?;
    Ok(Next::Continue)
}

/// Looks at volumes as they are on the disk, when all is written.
pub(in super::super) fn fsck<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (mut parts, mut good) = (Vec::new(), true);
    match arguments {
        [] => parts = files(session)?.parts()?,
        names => {
            parts.try_reserve_exact(names.len()).map_err(FsError::from)?;
            for name in names {
                parts.push(part(session, name)?);
            }
        }
    }
    files(session)?.vfs().sync()?;
    for part in parts {
        let mut problems = 0;
        let checked = part.check(&mut |problem| {
            problems += 1;
            // Where output ends, the count is still right.
            let _ = writeln!(streams, "{}: {problem}", part.name());
        });
        match checked.map_err(CommandError::Failed)? {
            Some(kind) if problems == 0 => writeln!(streams, "{}: {kind}, clean", part.name())?,
            Some(kind) => writeln!(streams, "{}: {kind}, {problems} problems", part.name())?,
            None => writeln!(streams, "{}: no file system that is known", part.name())?,
        }
        good &= problems == 0;
    }
    if good { Ok(Next::Continue) } else { Err(CommandError::Quiet) }
}

pub(in super::super) fn sync<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    if arguments.is_empty() {
        files(session)?.vfs().sync()?;
        return Ok(Next::Continue);
    }
    each("sync", arguments, streams, |path, _| {
        let file = session.call()?.open(At::Cwd, path.as_bytes(), &How::flags(OpenFlags::empty()))?;
        Ok(file.sync(SyncMode::All)?)
    })
}
