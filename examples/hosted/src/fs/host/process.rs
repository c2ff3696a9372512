//! [`Process`]: one process of a script, and its calls.

use alloc::rc::Rc;
use core::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kos_vfs::testing::script::{Answer, DirFd, Op, Seconds, Target, Whence, quoted};
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Gid, OFlags, RawDir, ResolveFlags, Timespec, Timestamps, Uid,
};
use rustix::io::Errno as HostErrno;
use rustix::{fs, io, process};

use super::stat::field_of;
use super::{Done, directory, host_mode, number};

/// One process of a script.
#[derive(Clone)]
pub(super) struct Process {
    /// Of mounts.
    pub(super) namespace: Rc<OwnedFd>,
    pub(super) root: Rc<OwnedFd>,
    pub(super) cwd: Rc<OwnedFd>,
    pub(super) fds: Vec<Option<Rc<OwnedFd>>>,
    pub(super) uid: u32,
    pub(super) groups: Vec<u32>,
    pub(super) umask: u16,
}

impl Process {
    pub(super) fn fd(&self, fd: u32) -> Result<BorrowedFd<'_>, HostErrno> {
        let file = self.fds.get(fd as usize).and_then(Option::as_ref);
        file.map(|file| file.as_fd()).ok_or(HostErrno::BADF)
    }

    fn dir(&self, dir: DirFd, path: &[u8]) -> Result<BorrowedFd<'_>, HostErrno> {
        match dir {
            DirFd::Fd(fd) if path.first() != Some(&b'/') => self.fd(fd),
            _ => Ok(CWD),
        }
    }

    fn insert(&mut self, file: Rc<OwnedFd>) -> Done {
        let free = self.fds.iter().position(Option::is_none);
        let index = free.unwrap_or(self.fds.len());
        match self.fds.get_mut(index) {
            Some(slot) => *slot = Some(file),
            None => self.fds.push(Some(file)),
        }
        number(index)
    }

    pub(super) fn run(&mut self, op: &Op) -> Done {
        match op {
            Op::Chdir(target) => {
                match target {
                    Target::Path { path, .. } => process::chdir(path.as_slice())?,
                    Target::Fd(fd) => process::fchdir(self.fd(*fd)?)?,
                }
                self.cwd = directory(b".").or_else(|_| {
                    // He may stand where he may not look.
                    Ok::<_, HostErrno>(Rc::clone(&self.cwd))
                })?;
                Ok(Answer::Done)
            }
            Op::Open { .. } | Op::Close(_) | Op::Dup(_) | Op::Dup2(..) => self.descriptors(op),
            Op::Stat(..)
            | Op::Chmod(..)
            | Op::Chown(..)
            | Op::Utimens(..)
            | Op::Access(..)
            | Op::Statfs(_) => self.attrs(op),
            Op::Truncate(..)
            | Op::Read(..)
            | Op::Write(..)
            | Op::Pread(..)
            | Op::Pwrite(..)
            | Op::Lseek(..)
            | Op::Fallocate(..)
            | Op::Fsync(_)
            | Op::Readdir(_) => self.bytes(op),
            Op::Lock(..) | Op::Flock(..) => self.locks(op),
            Op::GetXattr(..) | Op::SetXattr(..) | Op::ListXattr(..) | Op::RemoveXattr(..) => self.xattrs(op),
            _ => self.names(op),
        }
    }

    fn descriptors(&mut self, op: &Op) -> Done {
        match op {
            Op::Open { dir, path, flags, mode, resolve } => {
                let flags = OFlags::from_bits_retain(flags.bits());
                let dir = self.dir(*dir, path)?;
                let file = if resolve.is_empty() {
                    fs::openat(dir, path.as_slice(), flags, host_mode(*mode))?
                } else {
                    let resolve = ResolveFlags::from_bits_retain(resolve.bits());
                    fs::openat2(dir, path.as_slice(), flags, host_mode(*mode), resolve)?
                };
                self.insert(Rc::new(file))
            }
            Op::Close(fd) => {
                let file = self.fds.get_mut(*fd as usize).and_then(Option::take);
                file.map(|_| Answer::Done).ok_or(HostErrno::BADF)
            }
            Op::Dup(fd) => {
                // Not a clone of the handle: that POSIX locks go with any descriptor is the host's to see.
                let file = io::fcntl_dupfd_cloexec(self.fd(*fd)?, 0)?;
                self.insert(Rc::new(file))
            }
            Op::Dup2(fd, to) => {
                self.fd(*fd)?;
                let to_index = *to as usize;
                if to_index >= 1024 {
                    return Err(HostErrno::BADF);
                }
                if to_index >= self.fds.len() {
                    self.fds.resize(to_index + 1, None);
                }
                let file = io::fcntl_dupfd_cloexec(self.fd(*fd)?, 0)?;
                if let Some(slot) = self.fds.get_mut(to_index).filter(|_| fd != to) {
                    *slot = Some(Rc::new(file));
                }
                number(to)
            }
            _ => Err(HostErrno::NOSYS),
        }
    }

    fn names(&self, op: &Op) -> Done {
        match op {
            Op::Mkdir { dir, path, mode } => {
                fs::mkdirat(self.dir(*dir, path)?, path.as_slice(), host_mode(*mode))?;
            }
            Op::Remove { dir, path, directory } => {
                let flags = if *directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                fs::unlinkat(self.dir(*dir, path)?, path.as_slice(), flags)?;
            }
            Op::Link { from: Target::Path { dir: old_dir, path: old, follow, empty }, dir, path } => {
                let mut flags = AtFlags::empty();
                flags.set(AtFlags::SYMLINK_FOLLOW, *follow);
                flags.set(AtFlags::EMPTY_PATH, *empty);
                let (old_dir, dir) = (self.dir(*old_dir, old)?, self.dir(*dir, path)?);
                fs::linkat(old_dir, old.as_slice(), dir, path.as_slice(), flags)?;
            }
            Op::Symlink { target, dir, path } => {
                fs::symlinkat(target.as_slice(), self.dir(*dir, path)?, path.as_slice())?;
            }
            Op::Readlink { dir, path } => {
                let target = fs::readlinkat(self.dir(*dir, path)?, path.as_slice(), Vec::new())?;
                return Ok(Answer::Value(quoted(target.as_bytes())));
            }
            Op::Rename { old_dir, old, dir, path, flags } => {
                let flags = fs::RenameFlags::from_bits_retain(flags.bits());
                let (old_dir, dir) = (self.dir(*old_dir, old)?, self.dir(*dir, path)?);
                fs::renameat_with(old_dir, old.as_slice(), dir, path.as_slice(), flags)?;
            }
            Op::Mknod { dir, path, kind, mode, device } => {
                let kind = fs::FileType::from_raw_mode(u32::from(kind.bits()));
                let device = fs::makedev(device.major, device.minor);
                fs::mknodat(self.dir(*dir, path)?, path.as_slice(), kind, host_mode(*mode), device)?;
            }
            _ => return Err(HostErrno::NOSYS),
        }
        Ok(Answer::Done)
    }

    fn bytes(&self, op: &Op) -> Done {
        match op {
            // Linux looks at these before it looks for the descriptor, which is ours to find.
            Op::Pread(_, _, ..0) | Op::Pwrite(_, _, ..0) | Op::Truncate(Target::Fd(_), ..0) => {
                Err(HostErrno::INVAL)
            }
            Op::Read(fd, length) => {
                let mut bytes = vec![0; *length];
                let count = io::read(self.fd(*fd)?, bytes.as_mut_slice())?;
                bytes.truncate(count);
                Ok(Answer::Value(quoted(&bytes)))
            }
            Op::Pread(fd, length, at) => {
                let mut bytes = vec![0; *length];
                let count = io::pread(self.fd(*fd)?, bytes.as_mut_slice(), at.cast_unsigned())?;
                bytes.truncate(count);
                Ok(Answer::Value(quoted(&bytes)))
            }
            Op::Write(fd, bytes) => number(io::write(self.fd(*fd)?, bytes)?),
            Op::Pwrite(fd, bytes, at) => number(io::pwrite(self.fd(*fd)?, bytes, at.cast_unsigned())?),
            Op::Lseek(fd, to, whence) => {
                let to = match whence {
                    Whence::Set => fs::SeekFrom::Start(to.cast_unsigned()),
                    Whence::Current => fs::SeekFrom::Current(*to),
                    Whence::End => fs::SeekFrom::End(*to),
                    Whence::Data => fs::SeekFrom::Data(to.cast_unsigned()),
                    Whence::Hole => fs::SeekFrom::Hole(to.cast_unsigned()),
                };
                number(fs::seek(self.fd(*fd)?, to)?)
            }
            Op::Truncate(Target::Fd(fd), size) => {
                fs::ftruncate(self.fd(*fd)?, size.cast_unsigned())?;
                Ok(Answer::Done)
            }
            Op::Truncate(Target::Path { path, .. }, size) => {
                super::lock::truncate(path, *size)?;
                Ok(Answer::Done)
            }
            Op::Fallocate(fd, mode, at, length) => {
                let mode = FallocateFlags::from_bits_retain(*mode);
                fs::fallocate(self.fd(*fd)?, mode, at.cast_unsigned(), length.cast_unsigned())?;
                Ok(Answer::Done)
            }
            Op::Fsync(fd) => fs::fsync(self.fd(*fd)?).map(|()| Answer::Done),
            Op::Readdir(fd) => self.list(*fd),
            _ => Err(HostErrno::NOSYS),
        }
    }

    fn list(&self, fd: u32) -> Done {
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        fs::seek(self.fd(fd)?, fs::SeekFrom::Start(0))?;
        let mut dir = RawDir::new(self.fd(fd)?, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = dir.next() {
            names.push(quoted(entry?.file_name().to_bytes()));
        }
        names.sort();
        Ok(Answer::Value(names.join(" ")))
    }

    /// Calls `by_path` or `by_fd`.
    fn on<R>(
        &self,
        target: &Target,
        by_path: impl FnOnce(BorrowedFd<'_>, &[u8], AtFlags) -> Result<R, HostErrno>,
        by_fd: impl FnOnce(BorrowedFd<'_>) -> Result<R, HostErrno>,
    ) -> Result<R, HostErrno> {
        match target {
            Target::Fd(fd) => by_fd(self.fd(*fd)?),
            Target::Path { dir, path, follow, empty } => {
                let mut flags = AtFlags::empty();
                flags.set(AtFlags::SYMLINK_NOFOLLOW, !follow);
                flags.set(AtFlags::EMPTY_PATH, *empty);
                by_path(self.dir(*dir, path)?, path, flags)
            }
        }
    }

    fn attrs(&self, op: &Op) -> Done {
        match op {
            Op::Stat(target, fields) => {
                let stat =
                    self.on(target, |dir, path, flags| fs::statat(dir, path, flags), |fd| fs::fstat(fd))?;
                let values: Option<Vec<String>> = fields.iter().map(|field| field_of(&stat, field)).collect();
                return values.map(|values| Answer::Value(values.join(","))).ok_or(HostErrno::INVAL);
            }
            Op::Chmod(target, mode) => {
                let mode = host_mode(*mode);
                self.on(
                    target,
                    |dir, path, flags| fs::chmodat(dir, path, mode, flags),
                    |fd| fs::fchmod(fd, mode),
                )?;
            }
            Op::Chown(target, uid, gid) => {
                let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
                self.on(
                    target,
                    |dir, path, flags| fs::chownat(dir, path, uid, gid, flags),
                    |fd| fs::fchown(fd, uid, gid),
                )?;
            }
            Op::Utimens(target, accessed, modified) => {
                let times =
                    Timestamps { last_access: timespec(*accessed), last_modification: timespec(*modified) };
                self.on(
                    target,
                    |dir, path, flags| fs::utimensat(dir, path, &times, flags),
                    |fd| fs::futimens(fd, &times),
                )?;
            }
            Op::Access(target, want) => {
                let want = fs::Access::from_bits_retain(u32::from(want.bits()));
                let by_path = |dir: BorrowedFd<'_>, path: &[u8], flags: AtFlags| {
                    fs::accessat(dir, path, want, flags | AtFlags::EACCESS)
                };
                self.on(target, by_path, |_| Err(HostErrno::NOSYS))?;
            }
            Op::Statfs(path) => return number(fs::statfs(path.as_slice())?.f_blocks),
            _ => return Err(HostErrno::NOSYS),
        }
        Ok(Answer::Done)
    }
}

fn timespec(time: Seconds) -> Timespec {
    match time {
        Seconds::Now => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        Seconds::Omit => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        Seconds::At(seconds, nanos) => Timespec { tv_sec: seconds, tv_nsec: nanos.into() },
    }
}
