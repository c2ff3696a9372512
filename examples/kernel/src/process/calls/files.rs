//! `open`, `close`, `read`, `write`, `msync`: what a process says and its files.
//!
//! Descriptors 1 and 2 are what the process says; 0 is nothing; files have those from 3 on.

use kos_paging::VirtAddr;
use kos_user::abi;
use kos_vfs::Errno;
use kos_vfs::perm::Access;
use kos_vfs::{At, Fd, How, Mode, OpenFlags};

use super::Answer;
use crate::platform::Platform;
use crate::process::running::Running;
use crate::shell::File;

/// The first descriptor of a file.
const FIRST: Fd = 3;
/// Files of one process.
const FILES: u32 = 32;
/// Bytes of a path.
const PATH: usize = 256;
/// Bytes that are copied at a time.
const PIECE: usize = 512;

/// The file behind a descriptor.
pub(super) fn file<P: Platform>(running: &Running<P>, fd: u64) -> Result<&File<'static, P>, Errno> {
    let fd = Fd::try_from(fd).map_err(|_| Errno::EBADF)?;
    running.files.get(fd)
}

/// The path that lies there, so many bytes of it.
fn path<'p, P: Platform>(
    running: &Running<P>,
    (at, length): (u64, u64),
    place: &'p mut [u8; PATH],
) -> Result<&'p [u8], Errno> {
    let length = usize::try_from(length).ok().filter(|&length| length <= PATH).ok_or(Errno::ENAMETOOLONG)?;
    let path = place.get_mut(..length).unwrap_or_default();
    running.space.copy_in(VirtAddr::new(at), path).map_err(|_| Errno::EFAULT)?;
    Ok(path)
}

/// The file of this path, which the process may run.
pub(super) fn program<P: Platform>(running: &Running<P>, at: (u64, u64)) -> Result<File<'static, P>, Errno> {
    let mut place = [0; PATH];
    let path = path(running, at, &mut place)?;
    let call = running.view.call(&running.ctx);
    let file = call.open(At::Cwd, path, &How::flags(OpenFlags::empty())).map_err(|error| error.errno())?;
    call.access(file.place(), Access::EXEC).map_err(|error| error.errno())?;
    Ok(file)
}

pub(super) fn open<P: Platform>(running: &mut Running<P>, at: u64, length: u64, flags: u64) -> Answer {
    let mut place = [0; PATH];
    let path = path(running, (at, length), &mut place)?;
    let how = how(flags)?;
    let call = running.view.call(&running.ctx);
    let file = call.open(At::Cwd, path, &how).map_err(|error| error.errno())?;
    let fd = running.files.insert(file, FIRST, FIRST + FILES)?;
    Ok(u64::from(fd))
}

fn how(flags: u64) -> Result<How, Errno> {
    let known = abi::OPEN_WRITE | abi::OPEN_CREATE | abi::OPEN_TRUNCATE;
    if flags & !known != 0 || (flags & known != 0 && flags & abi::OPEN_WRITE == 0) {
        return Err(Errno::EINVAL);
    }
    let mut open = if flags & abi::OPEN_WRITE != 0 { OpenFlags::READ_WRITE } else { OpenFlags::empty() };
    open.set(OpenFlags::TRUNCATE, flags & abi::OPEN_TRUNCATE != 0);
    let create = flags & abi::OPEN_CREATE != 0;
    Ok(if create { How::create(open, Mode::of(0o644)) } else { How::flags(open) })
}

pub(super) fn close<P: Platform>(running: &mut Running<P>, fd: u64) -> Answer {
    let fd = Fd::try_from(fd).map_err(|_| Errno::EBADF)?;
    running.files.close(fd).map(|()| 0)
}

pub(super) fn sync<P: Platform>(running: &Running<P>, fd: u64) -> Answer {
    let (kernel, ports) = (running.kernel, running.space.env());
    let object = kernel.processes.objects.of_file(kernel, ports, file(running, fd)?)?;
    object.sync().map(|()| 0)
}

pub(super) fn read<P: Platform>(running: &Running<P>, fd: u64, to: u64, length: u64) -> Answer {
    let file = file(running, fd)?;
    pieces(to, length, |at, bytes| {
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..bytes).unwrap_or_default();
        let read = file.read(piece).map_err(|error| error.errno())?;
        let piece = piece.get(..read).unwrap_or_default();
        running.space.copy_out(at, piece).map_err(|_| Errno::EFAULT)?;
        Ok(read)
    })
}

pub(super) fn write<P: Platform>(running: &Running<P>, fd: u64, from: u64, length: u64) -> Answer {
    let file = if matches!(fd, 1 | 2) { None } else { Some(file(running, fd)?) };
    let call = running.view.call(&running.ctx);
    pieces(from, length, |at, bytes| {
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..bytes).unwrap_or_default();
        running.space.copy_in(at, piece).map_err(|_| Errno::EFAULT)?;
        match file {
            Some(file) => call.write(file, piece).map_err(|error| error.errno()),
            None => running.process.job.say(running.kernel, piece),
        }
    })
}

/// Does `work` piece by piece, with the place and the bytes of each; how many bytes it did. What was done before an error counts.
pub(in crate::process) fn pieces(
    first: u64,
    length: u64,
    mut work: impl FnMut(VirtAddr, usize) -> Result<usize, Errno>,
) -> Answer {
    let mut done = 0_u64;
    while done < length {
        let bytes = usize::try_from(length - done).unwrap_or(PIECE).min(PIECE);
        let at = VirtAddr::new(first.saturating_add(done));
        match work(at, bytes) {
            Ok(did) => {
                done += did as u64;
                if did < bytes {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}
