//! [`Op`]: one call with its arguments.

use alloc::string::String;
use alloc::vec::Vec;

use crate::attr::{DeviceNumber, FileType, Mode};
use crate::file::{LockKind, LockScope, OpenFlags};
use crate::fs::{RenameFlags, XattrFlags};
use crate::perm::Access;
use crate::tree::mount::MountFlags;
use crate::walk::ResolveFlags;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirFd {
    /// `AT_FDCWD`.
    Cwd,
    /// A descriptor.
    Fd(u32),
}

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path.
    Path {
        /// Where it starts.
        dir: DirFd,
        /// The path.
        path: Vec<u8>,
        /// Whether a symlink at its end is followed.
        follow: bool,
        /// Whether an empty path means where it starts.
        empty: bool,
    },
    /// An open file.
    Fd(u32),
}

/// `lseek`'s third argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// `SEEK_SET`
    Set,
    /// `SEEK_CUR`
    Current,
    /// `SEEK_END`
    End,
    /// `SEEK_DATA`
    Data,
    /// `SEEK_HOLE`
    Hole,
}

/// `fcntl`'s command about locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockCall {
    /// Whose lock.
    pub scope: LockScope,
    /// Whether only to look (`F_GETLK`).
    pub look: bool,
}

/// A time: seconds and nanoseconds, or `None` with one of `UTIME_NOW` and `UTIME_OMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seconds {
    /// `UTIME_NOW`
    Now,
    /// `UTIME_OMIT`
    Omit,
    /// Seconds and nanoseconds; the latter may be out of range.
    At(i64, u32),
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a system call with the arguments of its manual page")]
pub enum Op {
    As { uid: u32, groups: Vec<u32> },
    Umask(Mode),
    Proc(Vec<u8>),
    Chdir(Target),
    Chroot(Vec<u8>),
    Time(u64),
    Open { dir: DirFd, path: Vec<u8>, flags: OpenFlags, mode: Mode, resolve: ResolveFlags },
    Close(u32),
    Dup(u32),
    Dup2(u32, u32),
    Read(u32, usize),
    Write(u32, Vec<u8>),
    Pread(u32, usize, i64),
    Pwrite(u32, Vec<u8>, i64),
    Lseek(u32, i64, Whence),
    Truncate(Target, i64),
    Fallocate(u32, u32, i64, i64),
    Fsync(u32),
    Lock(u32, LockCall, Option<LockKind>, i64, i64),
    Flock(u32, Option<LockKind>),
    Readdir(u32),
    Mkdir { dir: DirFd, path: Vec<u8>, mode: Mode },
    Remove { dir: DirFd, path: Vec<u8>, directory: bool },
    Link { from: Target, dir: DirFd, path: Vec<u8> },
    Symlink { target: Vec<u8>, dir: DirFd, path: Vec<u8> },
    Readlink { dir: DirFd, path: Vec<u8> },
    Rename { old_dir: DirFd, old: Vec<u8>, dir: DirFd, path: Vec<u8>, flags: RenameFlags },
    Mknod { dir: DirFd, path: Vec<u8>, kind: FileType, mode: Mode, device: DeviceNumber },
    Stat(Target, Vec<String>),
    Chmod(Target, Mode),
    Chown(Target, Option<u32>, Option<u32>),
    Utimens(Target, Seconds, Seconds),
    Access(Target, Access),
    Statfs(Vec<u8>),
    GetXattr(Target, Vec<u8>, usize),
    SetXattr(Target, Vec<u8>, Vec<u8>, XattrFlags),
    ListXattr(Target, usize),
    RemoveXattr(Target, Vec<u8>),
    Mount { path: Vec<u8>, flags: MountFlags },
    Bind { old: Vec<u8>, path: Vec<u8>, flags: MountFlags },
    Remount { path: Vec<u8>, flags: MountFlags },
    Unmount { path: Vec<u8>, lazy: bool },
    MoveMount { old: Vec<u8>, path: Vec<u8> },
    PivotRoot { new: Vec<u8>, put_old: Vec<u8> },
    CopyNamespace,
}
