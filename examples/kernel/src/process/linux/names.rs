//! Paths: `getcwd`, `chdir`, `rename`, `mkdir`, `unlink`, `rmdir`, `readlink`, `chmod`, relative to a directory or not.

use alloc::vec::Vec;

use kos_paging::VirtAddr;
use kos_vfs::fs::RenameFlags;
use kos_vfs::{At, AtFlags, Call, Errno, Mode};

use super::files::{Opened, opened};
use super::numbers::{AT_FDCWD, AT_REMOVEDIR, int, low};
use super::{Answer, Running};
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// Bytes of a path, its end included.
const PATH: usize = 4096;
/// What is relative to the working directory, as a register has it.
const HERE: u64 = AT_FDCWD.cast_unsigned() as u64;

/// A path that a program gave.
pub(super) fn path<P: Platform>(running: &Running<P>, at: u64) -> Result<Vec<u8>, Errno> {
    // Most are short: they take little, and a long one takes what it needs.
    let mut room = 64;
    loop {
        let mut path = zeros(room)?;
        let copied = running.thread.space.copy_string(VirtAddr::new(at), &mut path);
        match copied {
            Ok(length) => {
                path.truncate(length);
                return Ok(path);
            }
            Err(error) if error.done < room => return Err(Errno::EFAULT),
            Err(_) if room >= PATH => return Err(Errno::ENAMETOOLONG),
            Err(_) => room *= 8,
        }
    }
}

/// Room for so many bytes.
pub(super) fn zeros(bytes: usize) -> Result<Vec<u8>, Errno> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).map_err(|_| Errno::ENOMEM)?;
    room.resize(bytes, 0);
    Ok(room)
}

/// Does `work` with the operations of the program, where a path begins, and the path at `place`.
pub(super) fn with_path<P: Platform, R>(
    running: &Running<P>,
    dir: u64,
    place: u64,
    work: impl FnOnce(Call<'_, 'static, FilesEnv<P>>, At<'_, 'static, FilesEnv<P>>, &[u8]) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let path = path(running, place)?;
    let view = running.program.view.lock().clone();
    let call = view.call(&running.program.ctx);
    if int(dir) == AT_FDCWD || path.starts_with(b"/") {
        return work(call, At::Cwd, &path);
    }
    match opened(running, dir)? {
        Opened::File(file) => work(call, At::Place(file.place()), &path),
        Opened::Nothing | Opened::Said => Err(Errno::ENOTDIR),
    }
}

pub(super) fn getcwd<P: Platform>(running: &mut Running<P>, [to, length, ..]: [u64; 6]) -> Answer {
    let view = running.program.view.lock().clone();
    let mut path = view.path(view.cwd()).map_err(|error| error.errno())?;
    path.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
    path.push(0);
    if path.len() as u64 > length {
        return Err(Errno::ERANGE);
    }
    running.thread.space.copy_out(VirtAddr::new(to), &path).map_err(|_| Errno::EFAULT)?;
    Ok(path.len() as u64)
}

pub(super) fn chdir<P: Platform>(running: &mut Running<P>, [path, ..]: [u64; 6]) -> Answer {
    let view =
        with_path(running, HERE, path, |call, at, path| call.chdir(at, path).map_err(|error| error.errno()))?;
    let before = core::mem::replace(&mut *running.program.view.lock(), view);
    drop(before);
    Ok(0)
}

pub(super) fn rename<P: Platform>(running: &mut Running<P>, [old, new, ..]: [u64; 6]) -> Answer {
    renameat2(running, [HERE, old, HERE, new, 0, 0])
}

pub(super) fn renameat<P: Platform>(running: &mut Running<P>, [a, b, c, d, ..]: [u64; 6]) -> Answer {
    renameat2(running, [a, b, c, d, 0, 0])
}

pub(super) fn renameat2<P: Platform>(
    running: &mut Running<P>,
    [old_dir, old, new_dir, new, flags, _]: [u64; 6],
) -> Answer {
    let flags = RenameFlags::from_bits(low(flags)).ok_or(Errno::EINVAL)?;
    with_path(running, old_dir, old, |call, old_at, old| {
        with_path(running, new_dir, new, |_, new_at, new| {
            call.rename(old_at, old, new_at, new, flags).map(|()| 0).map_err(|error| error.errno())
        })
    })
}

pub(super) fn mkdir<P: Platform>(running: &mut Running<P>, [path, mode, ..]: [u64; 6]) -> Answer {
    mkdirat(running, [HERE, path, mode, 0, 0, 0])
}

pub(super) fn mkdirat<P: Platform>(running: &mut Running<P>, [dir, path, mode, ..]: [u64; 6]) -> Answer {
    let mode = permissions(mode);
    with_path(running, dir, path, |call, at, path| {
        call.mkdir(at, path, mode).map(|()| 0).map_err(|error| error.errno())
    })
}

pub(super) fn rmdir<P: Platform>(running: &mut Running<P>, [path, ..]: [u64; 6]) -> Answer {
    unlinkat(running, [HERE, path, AT_REMOVEDIR, 0, 0, 0])
}

pub(super) fn unlink<P: Platform>(running: &mut Running<P>, [path, ..]: [u64; 6]) -> Answer {
    unlinkat(running, [HERE, path, 0, 0, 0, 0])
}

pub(super) fn unlinkat<P: Platform>(running: &mut Running<P>, [dir, path, flags, ..]: [u64; 6]) -> Answer {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    with_path(running, dir, path, |call, at, path| {
        let removed = if flags == 0 { call.unlink(at, path) } else { call.rmdir(at, path) };
        removed.map(|()| 0).map_err(|error| error.errno())
    })
}

pub(super) fn chmod<P: Platform>(running: &mut Running<P>, [path, mode, ..]: [u64; 6]) -> Answer {
    let mode = permissions(mode);
    with_path(running, HERE, path, |call, at, path| {
        call.chmod_at(at, path, mode).map(|()| 0).map_err(|error| error.errno())
    })
}

pub(super) fn fchmod<P: Platform>(running: &mut Running<P>, [word, mode, ..]: [u64; 6]) -> Answer {
    // What is said is nobody's to permit.
    let (file, mode) = (super::files::file(running, word, Errno::EPERM)?, permissions(mode));
    let view = running.program.view.lock().clone();
    let call = view.call(&running.program.ctx);
    call.chmod(file.place(), mode).map(|()| 0).map_err(|error| error.errno())
}

pub(super) fn readlink<P: Platform>(running: &mut Running<P>, [path, to, length, ..]: [u64; 6]) -> Answer {
    readlinkat(running, [HERE, path, to, length, 0, 0])
}

pub(super) fn readlinkat<P: Platform>(
    running: &mut Running<P>,
    [dir, path, to, length, ..]: [u64; 6],
) -> Answer {
    let length = usize::try_from(length).ok().filter(|&length| length > 0).ok_or(Errno::EINVAL)?;
    let mut target = zeros(length.min(PATH))?;
    let read = with_path(running, dir, path, |call, at, path| {
        let place = call.resolve(at, path, AtFlags::NO_FOLLOW).map_err(|error| error.errno())?;
        call.readlink(&place, &mut target).map_err(|error| error.errno())
    })?;
    let target = target.get(..read).unwrap_or_default();
    running.thread.space.copy_out(VirtAddr::new(to), target).map_err(|_| Errno::EFAULT)?;
    Ok(read as u64)
}

/// Permission bits of a mode.
pub(super) const fn permissions(word: u64) -> Mode {
    Mode::of((word & 0o7777) as u16)
}
