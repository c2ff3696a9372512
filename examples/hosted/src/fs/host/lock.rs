//! File locks, and what else has no safe call of its own.

use alloc::ffi::CString;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use kos_vfs::testing::script::{Answer, Op};
use kos_vfs::{LockKind, LockScope};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno as HostErrno;

use super::Done;
use super::process::Process;

impl Process {
    pub(super) fn locks(&self, op: &Op) -> Done {
        match *op {
            Op::Lock(fd, call, kind, start, length) => {
                let mut lock = Record { kind: host_kind(kind), start, length };
                let command = match (call.scope, call.look) {
                    (LockScope::Process, false) => libc::F_SETLK,
                    (LockScope::Process, true) => libc::F_GETLK,
                    (_, false) => libc::F_OFD_SETLK,
                    (_, true) => libc::F_OFD_GETLK,
                };
                record_lock(self.fd(fd)?, command, &mut lock)?;
                if !call.look {
                    return Ok(Answer::Done);
                }
                let shown = |name: &str| format!("{name},{},{}", lock.start, lock.length);
                Ok(Answer::Value(match i32::from(lock.kind) {
                    libc::F_UNLCK => "F_UNLCK".to_string(),
                    libc::F_RDLCK => shown("F_RDLCK"),
                    _ => shown("F_WRLCK"),
                }))
            }
            Op::Flock(fd, kind) => {
                let operation = match kind {
                    Some(LockKind::Shared) => FlockOperation::NonBlockingLockShared,
                    Some(LockKind::Exclusive) => FlockOperation::NonBlockingLockExclusive,
                    None => FlockOperation::Unlock,
                };
                flock(self.fd(fd)?, operation)?;
                Ok(Answer::Done)
            }
            _ => Err(HostErrno::NOSYS),
        }
    }
}

/// The part of `struct flock` that scripts know; offsets count from the start.
struct Record {
    kind: i16,
    start: i64,
    length: i64,
}

fn host_kind(kind: Option<LockKind>) -> i16 {
    let kind = match kind {
        Some(LockKind::Shared) => libc::F_RDLCK,
        Some(LockKind::Exclusive) => libc::F_WRLCK,
        None => libc::F_UNLCK,
    };
    i16::try_from(kind).unwrap_or(i16::MAX)
}

fn last_error() -> HostErrno {
    HostErrno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(HostErrno::IO)
}

#[expect(unsafe_code, reason = "fcntl with a record lock has no safe wrapper")]
fn record_lock(fd: BorrowedFd<'_>, command: i32, record: &mut Record) -> Result<(), HostErrno> {
    let whence = i16::try_from(libc::SEEK_SET).unwrap_or(0);
    let mut lock = libc::flock {
        l_type: record.kind,
        l_whence: whence,
        l_start: record.start,
        l_len: record.length,
        l_pid: 0,
    };
    // SAFETY: the descriptor is borrowed, so open; `command` is one of the four that take a `struct flock`, which lives and is
    // this call's alone.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw mut lock) };
    if result == -1 {
        return Err(last_error());
    }
    (record.kind, record.start, record.length) = (lock.l_type, lock.l_start, lock.l_len);
    Ok(())
}

/// Sets the size by path: to open and close the file would take the process's locks.
#[expect(unsafe_code, reason = "truncate has no safe wrapper")]
pub(super) fn truncate(path: &[u8], size: i64) -> Result<(), HostErrno> {
    let path = CString::new(path).map_err(|_| HostErrno::INVAL)?;
    // SAFETY: the path is a string with a NUL at its end that lives through the call, which keeps nothing.
    let result = unsafe { libc::truncate(path.as_ptr(), size) };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}
