//! Open files: `openat`, `close`, `read`, `write` and their like, `lseek`, `fsync`, `ftruncate`, `fcntl`, `ioctl`, `poll`.
//!
//! Descriptors 0, 1 and 2 are nothing to be read and what the program says; files have those from 3 on, also where one of the three
//! is closed.

use core::sync::atomic::Ordering::Relaxed;

use kos_paging::VirtAddr;
use kos_vfs::fs::SyncMode;
use kos_vfs::{At, Errno, Fd, FileType, How, OpenFlags, ResolveFlags, SeekFrom};

use super::numbers::{fd, int, low};
use super::{Answer, Running, names};
use crate::platform::Platform;
use crate::process::calls::pieces;
use crate::shell::File;

/// The first descriptor of a file.
const FIRST: Fd = 3;
/// Descriptors of one program.
pub(super) const FILES: u32 = 64;
/// Bytes that are copied at a time.
const PIECE: usize = 512;
/// Pieces of memory that one call reads or writes.
const VECTORS: u64 = 1024;

/// What a descriptor is of.
pub(super) enum Opened<P: Platform> {
    /// Nothing to be read.
    Nothing,
    /// What the program says.
    Said,
    /// A file.
    File(File<'static, P>),
}

/// What a descriptor is of. The file is held open as long as the call takes, whoever closes it.
pub(super) fn opened<P: Platform>(running: &Running<P>, word: u64) -> Result<Opened<P>, Errno> {
    let number = fd(word)?;
    if number < FIRST {
        let closed = running.program.closed.load(Relaxed) >> number & 1 == 1;
        return match number {
            _ if closed => Err(Errno::EBADF),
            0 => Ok(Opened::Nothing),
            _ => Ok(Opened::Said),
        };
    }
    running.program.files.lock().get(number).cloned().map(Opened::File)
}

/// The file of a descriptor; `otherwise` where it is of something else.
pub(super) fn file<P: Platform>(
    running: &Running<P>,
    word: u64,
    otherwise: Errno,
) -> Result<File<'static, P>, Errno> {
    match opened(running, word)? {
        Opened::File(file) => Ok(file),
        Opened::Nothing | Opened::Said => Err(otherwise),
    }
}

pub(super) fn openat<P: Platform>(
    running: &mut Running<P>,
    [dir, path, flags, mode, ..]: [u64; 6],
) -> Answer {
    let flags = OpenFlags::from_bits_truncate(low(flags));
    let mode = names::permissions(mode);
    let how = How { flags, mode, resolve: ResolveFlags::empty() };
    let file = names::with_path(running, dir, path, |call, at: At<'_, '_, _>, path| {
        call.open(at, path, &how).map_err(|error| error.errno())
    })?;
    running.program.files.lock().insert(file, FIRST, FILES).map(u64::from)
}

pub(super) fn close<P: Platform>(running: &mut Running<P>, [word, ..]: [u64; 6]) -> Answer {
    let number = fd(word)?;
    if number < FIRST {
        let bit = 1 << number;
        let before = running.program.closed.fetch_or(bit, Relaxed);
        return if before & bit == 0 { Ok(0) } else { Err(Errno::EBADF) };
    }
    running.program.files.lock().close(number).map(|()| 0)
}

pub(super) fn read<P: Platform>(running: &mut Running<P>, [word, to, length, ..]: [u64; 6]) -> Answer {
    match opened(running, word)? {
        Opened::Nothing => Ok(0),
        Opened::Said => Err(Errno::EBADF),
        Opened::File(file) => {
            let before = file.seek(SeekFrom::Current(0)).ok();
            let answer =
                fill(running, to, length, |piece, _| file.read(piece).map_err(|error| error.errno()));
            let after = before.and_then(|before| before.checked_add(answer.unwrap_or(0)));
            if let Some(after) = after {
                // What was read and could not be handed over is read again.
                let _ = file.seek(SeekFrom::Start(after));
            }
            answer
        }
    }
}

pub(super) fn pread<P: Platform>(
    running: &mut Running<P>,
    [word, to, length, offset, ..]: [u64; 6],
) -> Answer {
    let (file, offset) = (file(running, word, Errno::ESPIPE)?, place(offset)?);
    fill(running, to, length, |piece, done| {
        file.pread(piece, offset.saturating_add(done)).map_err(|error| error.errno())
    })
}

pub(super) fn write<P: Platform>(running: &mut Running<P>, [word, from, length, ..]: [u64; 6]) -> Answer {
    match opened(running, word)? {
        Opened::Nothing => Err(Errno::EBADF),
        Opened::Said => {
            let (kernel, job) = (running.thread.kernel, &running.thread.process.job);
            drain(running, from, length, |piece, _| job.say(kernel, piece))
        }
        Opened::File(file) => {
            let view = running.program.view.lock().clone();
            let call = view.call(&running.program.ctx);
            drain(running, from, length, |piece, _| call.write(&file, piece).map_err(|error| error.errno()))
        }
    }
}

pub(super) fn pwrite<P: Platform>(
    running: &mut Running<P>,
    [word, from, length, offset, ..]: [u64; 6],
) -> Answer {
    let (file, offset) = (file(running, word, Errno::ESPIPE)?, place(offset)?);
    let view = running.program.view.lock().clone();
    let call = view.call(&running.program.ctx);
    drain(running, from, length, |piece, done| {
        call.pwrite(&file, piece, offset.saturating_add(done)).map_err(|error| error.errno())
    })
}

pub(super) fn readv<P: Platform>(running: &mut Running<P>, [word, list, count, ..]: [u64; 6]) -> Answer {
    each_vector(running, list, count, |running, at, bytes| read(running, [word, at, bytes, 0, 0, 0]))
}

pub(super) fn writev<P: Platform>(running: &mut Running<P>, [word, list, count, ..]: [u64; 6]) -> Answer {
    each_vector(running, list, count, |running, at, bytes| write(running, [word, at, bytes, 0, 0, 0]))
}

/// Does the pieces of a list one after the other, until one is not done whole.
fn each_vector<P: Platform>(
    running: &mut Running<P>,
    list: u64,
    count: u64,
    mut work: impl FnMut(&mut Running<P>, u64, u64) -> Answer,
) -> Answer {
    if count > VECTORS {
        return Err(Errno::EINVAL);
    }
    let mut done = 0_u64;
    for index in 0..count {
        let [at, bytes] = running.words(list.saturating_add(index * 16))?;
        match work(running, at, bytes) {
            Ok(did) => {
                done += did;
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

/// An offset in a file.
fn place(word: u64) -> Result<u64, Errno> {
    if word.cast_signed() < 0 { Err(Errno::EINVAL) } else { Ok(word) }
}

/// Fills memory of the program by `source`, which gets room and how many bytes came before.
fn fill<P: Platform>(
    running: &Running<P>,
    to: u64,
    length: u64,
    mut source: impl FnMut(&mut [u8], u64) -> Result<usize, Errno>,
) -> Answer {
    let mut done = 0;
    pieces(to, length, |at, bytes| {
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..bytes.min(PIECE)).unwrap_or_default();
        let read = source(piece, done)?;
        let piece = piece.get(..read).unwrap_or_default();
        running.thread.space.copy_out(at, piece).map_err(|_| Errno::EFAULT)?;
        done += read as u64;
        Ok(read)
    })
}

/// Gives memory of the program to `sink`, likewise.
fn drain<P: Platform>(
    running: &Running<P>,
    from: u64,
    length: u64,
    mut sink: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> Answer {
    let mut done = 0;
    pieces(from, length, |at, bytes| {
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..bytes.min(PIECE)).unwrap_or_default();
        running.thread.space.copy_in(at, piece).map_err(|_| Errno::EFAULT)?;
        let wrote = sink(piece, done)?;
        done += wrote as u64;
        Ok(wrote)
    })
}

pub(super) fn lseek<P: Platform>(running: &mut Running<P>, [word, offset, whence, ..]: [u64; 6]) -> Answer {
    let file = file(running, word, Errno::ESPIPE)?;
    let to = match whence {
        0 => SeekFrom::Start(place(offset)?),
        1 => SeekFrom::Current(offset.cast_signed()),
        2 => SeekFrom::End(offset.cast_signed()),
        3 => SeekFrom::Data(offset),
        4 => SeekFrom::Hole(offset),
        _ => return Err(Errno::EINVAL),
    };
    file.seek(to).map_err(|error| error.errno())
}

pub(super) fn fsync<P: Platform>(running: &mut Running<P>, [word, ..]: [u64; 6]) -> Answer {
    sync(running, word, SyncMode::All)
}

pub(super) fn fdatasync<P: Platform>(running: &mut Running<P>, [word, ..]: [u64; 6]) -> Answer {
    sync(running, word, SyncMode::Data)
}

fn sync<P: Platform>(running: &Running<P>, word: u64, mode: SyncMode) -> Answer {
    file(running, word, Errno::EINVAL)?.sync(mode).map(|()| 0).map_err(|error| error.errno())
}

pub(super) fn ftruncate<P: Platform>(running: &mut Running<P>, [word, size, ..]: [u64; 6]) -> Answer {
    let (file, size) = (file(running, word, Errno::EINVAL)?, place(size)?);
    let view = running.program.view.lock().clone();
    let call = view.call(&running.program.ctx);
    call.set_size(&file, size).map(|()| 0).map_err(|error| error.errno())
}

/// Of its commands: another descriptor, flags of a descriptor and of an open file.
pub(super) fn fcntl<P: Platform>(
    running: &mut Running<P>,
    [word, command, argument, ..]: [u64; 6],
) -> Answer {
    const DUPLICATE: i32 = 0;
    const GET_DESCRIPTOR: i32 = 1;
    const SET_DESCRIPTOR: i32 = 2;
    const GET_STATUS: i32 = 3;
    const SET_STATUS: i32 = 4;
    const DUPLICATE_CLOSED: i32 = 1030;
    let what = opened(running, word)?;
    match (int(command), what) {
        (DUPLICATE | DUPLICATE_CLOSED, Opened::File(file)) => {
            let first = fd(argument).ok().filter(|&first| first < FILES).ok_or(Errno::EINVAL)?;
            running.program.files.lock().insert(file, first.max(FIRST), FILES).map(u64::from)
        }
        // Nothing is run in the place of the program: that all are closed then is as good as that none is.
        (GET_DESCRIPTOR, _) => Ok(1),
        (SET_DESCRIPTOR, _) => Ok(0),
        (GET_STATUS, Opened::File(file)) => Ok(file.flags().bits().into()),
        (GET_STATUS, Opened::Nothing) => Ok(0),
        (GET_STATUS, Opened::Said) => Ok(OpenFlags::WRITE_ONLY.bits().into()),
        (SET_STATUS, Opened::File(file)) => {
            file.set_flags(OpenFlags::from_bits_truncate(low(argument)));
            Ok(0)
        }
        (SET_STATUS, _) => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// Nothing is a terminal, or another device that takes orders.
pub(super) fn ioctl<P: Platform>(running: &mut Running<P>, [word, ..]: [u64; 6]) -> Answer {
    opened(running, word).and(Err(Errno::ENOTTY))
}

/// What is open can be read and written at once. Waits for nothing: all is ready, or no descriptor.
pub(super) fn poll<P: Platform>(running: &mut Running<P>, [list, count, ..]: [u64; 6]) -> Answer {
    const READY: u16 = 0b101;
    const NONE: u16 = 0x20;
    if count > FILES.into() {
        return Err(Errno::EINVAL);
    }
    let mut ready = 0;
    for index in 0..count {
        let at = VirtAddr::new(list.saturating_add(index * 8));
        let mut entry = [0; 8];
        running.thread.space.copy_in(at, &mut entry).map_err(|_| Errno::EFAULT)?;
        let [a, b, c, d, wanted, more, ..] = entry;
        let (number, wanted) = (i32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([wanted, more]));
        let answer = match opened(running, number.cast_unsigned().into()) {
            _ if number < 0 => 0,
            Ok(_) => wanted & READY,
            Err(_) => NONE,
        };
        ready += u64::from(answer != 0);
        let [low, high] = answer.to_le_bytes();
        let at = VirtAddr::new(at.get().saturating_add(6));
        running.thread.space.copy_out(at, &[low, high]).map_err(|_| Errno::EFAULT)?;
    }
    Ok(ready)
}

/// The kind of what is not a file.
pub(super) const STREAM: FileType = FileType::Fifo;
