//! [`Run`]: one call of one process.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Done, number};
use crate::attr::{FileType, Timestamp};
use crate::call::{At, AtFlags, AttrError, Call, Limits, SetTime, Stat, XattrName};
use crate::errno::Errno;
use crate::file::{FdTable, How, LockKind, LockRange, LockRequest, LockScope, OpenFile, SeekFrom};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{Allocate, SyncMode};
use crate::testing::HostEnv;
use crate::testing::script::op::{DirFd, Op, Seconds, Target, Whence};
use crate::testing::script::{Answer, listed, quoted};
use crate::tree::place::{Place, View};

/// One call of one process.
pub(super) struct Run<'a, 'v> {
    pub(super) call: Call<'a, 'v, HostEnv>,
    pub(super) view: &'a mut View<'v, HostEnv>,
    /// Where the other processes stand.
    pub(super) others: &'a mut dyn Iterator<Item = &'a mut View<'v, HostEnv>>,
    pub(super) fds: &'a mut FdTable<'v, HostEnv>,
    pub(super) limits: Limits,
}

fn offset(value: i64) -> Result<u64, Errno> {
    u64::try_from(value).map_err(|_| Errno::EINVAL)
}

impl<'v> Run<'_, 'v> {
    fn file(&self, fd: u32) -> Result<OpenFile<'v, HostEnv>, Errno> {
        Ok(self.fds.get(fd)?.clone())
    }

    /// Gives `work` what a directory descriptor means.
    fn at<R>(
        &self,
        dir: DirFd,
        path: &[u8],
        work: impl FnOnce(At<'_, 'v, HostEnv>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        match dir {
            DirFd::Fd(fd) if path.first() != Some(&b'/') => {
                let file = self.file(fd)?;
                work(At::Place(file.place()))
            }
            _ => work(At::Cwd),
        }
    }

    fn place(&self, target: &Target) -> Result<Place<'v, HostEnv>, Errno> {
        match target {
            Target::Fd(fd) => Ok(self.file(*fd)?.place().clone()),
            Target::Path { dir, path, follow, empty } => {
                let mut flags = AtFlags::empty();
                flags.set(AtFlags::NO_FOLLOW, !follow);
                flags.set(AtFlags::EMPTY_PATH, *empty);
                self.at(*dir, path, |at| Ok(self.call.resolve(at, path, flags)?))
            }
        }
    }

    /// The file of a descriptor that is more than a name.
    fn usable(&self, target: &Target) -> Result<(), Errno> {
        match target {
            Target::Fd(fd) if self.file(*fd)?.flags().contains(crate::OpenFlags::PATH) => Err(Errno::EBADF),
            _ => Ok(()),
        }
    }

    pub(super) fn run(&mut self, op: &Op) -> Done {
        match op {
            Op::Chdir(target) => {
                *self.view = match target {
                    Target::Path { dir, path, .. } => {
                        self.at(*dir, path, |at| Ok(self.call.chdir(at, path)?))?
                    }
                    Target::Fd(fd) => {
                        let file = self.file(*fd)?;
                        self.call.chdir(At::Place(file.place()), b".")?
                    }
                };
                Ok(Answer::Done)
            }
            Op::Chroot(path) => {
                *self.view = self.call.chroot(At::Cwd, path)?;
                Ok(Answer::Done)
            }
            Op::CopyNamespace => {
                *self.view = self.call.copy_namespace()?;
                Ok(Answer::Done)
            }
            Op::PivotRoot { new, put_old } => {
                let pivot = self.call.pivot_root(new, put_old)?;
                self.view.pivoted(&pivot);
                self.others.for_each(|view| view.pivoted(&pivot));
                Ok(Answer::Done)
            }
            Op::Mount { .. }
            | Op::Bind { .. }
            | Op::MoveMount { .. }
            | Op::Remount { .. }
            | Op::Unmount { .. } => self.mounts(op),
            Op::Stat(..)
            | Op::Chmod(..)
            | Op::Chown(..)
            | Op::Utimens(..)
            | Op::Access(..)
            | Op::Statfs(_) => self.attrs(op),
            Op::GetXattr(..) | Op::SetXattr(..) | Op::ListXattr(..) | Op::RemoveXattr(..) => self.xattrs(op),
            Op::Lock(..) | Op::Flock(..) => self.locks(op),
            Op::Truncate(Target::Path { dir, path, .. }, size) => {
                let size = offset(*size)?;
                self.at(*dir, path, |at| Ok(self.call.truncate(at, path, size)?)).map(|()| Answer::Done)
            }
            Op::Open { .. } | Op::Close(_) | Op::Dup(_) | Op::Dup2(..) => self.descriptors(op),
            _ => match self.names(op)? {
                Some(answer) => Ok(answer),
                None => self.bytes(op),
            },
        }
    }

    fn descriptors(&mut self, op: &Op) -> Done {
        let limit = self.limits.files;
        match op {
            Op::Open { dir, path, flags, mode, resolve } => {
                let how = How { flags: *flags, mode: *mode, resolve: *resolve };
                let file = self.at(*dir, path, |at| Ok(self.call.open(at, path, &how)?))?;
                let on_exec = flags.contains(crate::OpenFlags::CLOSE_ON_EXEC);
                number(self.fds.insert(file, on_exec, 0, limit)?)
            }
            Op::Close(fd) => self.fds.close(*fd).map(|_| Answer::Done).map_err(Errno::from),
            Op::Dup(fd) => number(self.fds.dup(*fd, 0, false, limit)?),
            Op::Dup2(fd, to) => {
                self.fds.get(*fd)?;
                if fd != to {
                    self.fds.dup_to(*fd, *to, false, limit)?;
                }
                number(to)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn names(&self, op: &Op) -> Result<Option<Answer>, Errno> {
        let call = &self.call;
        match op {
            Op::Mkdir { dir, path, mode } => self.at(*dir, path, |at| Ok(call.mkdir(at, path, *mode)?))?,
            Op::Remove { dir, path, directory } => self.at(*dir, path, |at| {
                let removed = if *directory { call.rmdir(at, path) } else { call.unlink(at, path) };
                Ok(removed?)
            })?,
            Op::Link { from, dir, path } => {
                let file = self.place(from)?;
                self.at(*dir, path, |at| Ok(call.link_place(&file, at, path)?))?;
            }
            Op::Symlink { target, dir, path } => {
                self.at(*dir, path, |at| Ok(call.symlink(target, at, path)?))?;
            }
            Op::Readlink { dir, path } => {
                let (dir, empty) = (*dir, path.is_empty());
                let place = self.place(&Target::Path { dir, path: path.clone(), follow: false, empty })?;
                let mut target = vec![0; crate::name::PATH_MAX];
                // An empty path can only mean a symlink that was opened as a name.
                let length = call.readlink(&place, &mut target).map_err(|error| match error {
                    AttrError::Invalid if empty => Errno::ENOENT,
                    error => error.errno(),
                })?;
                return Ok(Some(Answer::Value(quoted(target.get(..length).unwrap_or_default()))));
            }
            Op::Rename { old_dir, old, dir, path, flags } => self.at(*old_dir, old, |old_at| {
                self.at(*dir, path, |at| Ok(call.rename(old_at, old, at, path, *flags)?))
            })?,
            Op::Mknod { dir, path, kind, mode, device } => {
                self.at(*dir, path, |at| Ok(call.mknod(at, path, *kind, *mode, *device)?))?;
            }
            _ => return Ok(None),
        }
        Ok(Some(Answer::Done))
    }

    fn bytes(&self, op: &Op) -> Done {
        match op {
            Op::Read(fd, length) => {
                let mut bytes = vec![0; *length];
                let count = self.file(*fd)?.read(&mut bytes)?;
                Ok(Answer::Value(quoted(bytes.get(..count).unwrap_or_default())))
            }
            Op::Pread(fd, length, at) => {
                let mut bytes = vec![0; *length];
                let at = offset(*at)?;
                let count = self.file(*fd)?.pread(&mut bytes, at)?;
                Ok(Answer::Value(quoted(bytes.get(..count).unwrap_or_default())))
            }
            Op::Write(fd, bytes) => number(self.call.write(&self.file(*fd)?, bytes)?),
            Op::Pwrite(fd, bytes, at) => {
                let at = offset(*at)?;
                number(self.call.pwrite(&self.file(*fd)?, bytes, at)?)
            }
            Op::Lseek(fd, to, whence) => {
                self.usable(&Target::Fd(*fd))?;
                let file = self.file(*fd)?;
                number(file.seek(match whence {
                    Whence::Set => SeekFrom::Start(offset(*to)?),
                    Whence::Current => SeekFrom::Current(*to),
                    Whence::End => SeekFrom::End(*to),
                    Whence::Data => SeekFrom::Data(u64::try_from(*to).unwrap_or(u64::MAX)),
                    Whence::Hole => SeekFrom::Hole(u64::try_from(*to).unwrap_or(u64::MAX)),
                })?)
            }
            Op::Truncate(Target::Fd(fd), size) => {
                let size = offset(*size)?;
                Ok(self.call.set_size(&self.file(*fd)?, size).into())
            }
            Op::Fallocate(fd, mode, at, length) => {
                self.usable(&Target::Fd(*fd))?;
                let file = self.file(*fd)?;
                let (at, length) = (offset(*at)?, offset(*length)?);
                let how = match mode {
                    0 => Allocate::Grow,
                    1 => Allocate::KeepSize,
                    3 => Allocate::PunchHole,
                    16 => Allocate::Zero,
                    17 => Allocate::ZeroKeepSize,
                    _ => return Err(Errno::EOPNOTSUPP),
                };
                Ok(self.call.allocate(&file, how, at, length).into())
            }
            Op::Fsync(fd) => Ok(self.file(*fd)?.sync(SyncMode::All).into()),
            Op::Readdir(fd) => {
                let file = self.file(*fd)?;
                file.seek(SeekFrom::Start(0))?;
                let mut names: Vec<String> = Vec::new();
                file.list(|entry| {
                    names.push(quoted(entry.name));
                    true
                })?;
                names.sort();
                Ok(Answer::Value(names.join(" ")))
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn attrs(&self, op: &Op) -> Done {
        let call = &self.call;
        match op {
            Op::Stat(target, fields) => {
                let stat = call.stat(&self.place(target)?)?;
                let values: Option<Vec<String>> = fields.iter().map(|field| field_of(&stat, field)).collect();
                values.map(|values| Answer::Value(values.join(","))).ok_or(Errno::EINVAL)
            }
            Op::Chmod(target, mode) => {
                self.usable(target)?;
                Ok(call.chmod(&self.place(target)?, *mode).into())
            }
            Op::Chown(target, uid, gid) => {
                self.usable(target)?;
                Ok(call.chown(&self.place(target)?, *uid, *gid).into())
            }
            Op::Utimens(target, accessed, modified) => {
                let time = |time: Seconds| match time {
                    Seconds::Now => Ok(SetTime::Now),
                    Seconds::Omit => Ok(SetTime::Omit),
                    Seconds::At(seconds, nanos) => {
                        Timestamp::new(seconds, nanos).map(SetTime::To).ok_or(Errno::EINVAL)
                    }
                };
                if (*accessed, *modified) == (Seconds::Omit, Seconds::Omit) {
                    return Ok(Answer::Done);
                }
                self.usable(target)?;
                let place = self.place(target)?;
                Ok(call.set_times(&place, time(*accessed)?, time(*modified)?).into())
            }
            Op::Access(target, want) => Ok(call.access(&self.place(target)?, *want).into()),
            Op::Statfs(path) => {
                let place = call.resolve(At::Cwd, path, AtFlags::empty())?;
                number(call.statfs(&place)?.blocks)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn xattrs(&self, op: &Op) -> Done {
        let place = |target: &Target| self.usable(target).and_then(|()| self.place(target));
        match op {
            Op::GetXattr(target, name, room) => {
                let name = XattrName::new(name)?;
                let mut value = vec![0; *room];
                let length = self.call.get_xattr(&place(target)?, name, &mut value)?;
                if *room == 0 {
                    return number(length);
                }
                Ok(Answer::Value(quoted(value.get(..length).unwrap_or_default())))
            }
            Op::SetXattr(target, name, value, flags) => {
                let name = XattrName::new(name)?;
                Ok(self.call.set_xattr(&place(target)?, name, value, *flags).into())
            }
            Op::ListXattr(target, room) => {
                let mut names = vec![0; *room];
                let length = self.call.list_xattrs(&place(target)?, &mut names)?;
                if *room == 0 {
                    return number(length);
                }
                Ok(Answer::Value(listed(names.get(..length).unwrap_or_default())))
            }
            Op::RemoveXattr(target, name) => {
                let name = XattrName::new(name)?;
                Ok(self.call.remove_xattr(&place(target)?, name).into())
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn locks(&mut self, op: &Op) -> Done {
        match *op {
            Op::Lock(fd, call, kind, start, length) => {
                self.usable(&Target::Fd(fd))?;
                let range = LockRange::new(start, length)?;
                let Some(kind) = kind else {
                    return Ok(self.fds.unlock(fd, call.scope, range).into());
                };
                let request = LockRequest::record(call.scope, kind, range);
                if !call.look {
                    return Ok(self.fds.try_lock(fd, &request).into());
                }
                let held = self.fds.find_lock(fd, &request)?;
                Ok(Answer::Value(held.map_or_else(
                    || "F_UNLCK".to_string(),
                    |held| {
                        let kind = if held.kind == LockKind::Shared { "F_RDLCK" } else { "F_WRLCK" };
                        format!("{kind},{},{}", held.range.start(), held.range.length())
                    },
                )))
            }
            Op::Flock(fd, Some(kind)) => Ok(self.fds.try_lock(fd, &LockRequest::flock(kind)).into()),
            Op::Flock(fd, None) => Ok(self.fds.unlock(fd, LockScope::Flock, LockRange::WHOLE).into()),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn mounts(&self, op: &Op) -> Done {
        let call = &self.call;
        Ok(match op {
            Op::Mount { path, flags } => {
                let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).map_err(|error| error.errno())?;
                call.mount(Arc::new(fs), At::Cwd, path, *flags).into()
            }
            Op::Bind { old, path, flags } => {
                // In the order of Linux.
                call.resolve(At::Cwd, path, AtFlags::empty())?;
                let source = call.resolve(At::Cwd, old, AtFlags::empty())?;
                call.bind(&source, At::Cwd, path, *flags).into()
            }
            Op::MoveMount { old, path } => call.move_mount(At::Cwd, old, At::Cwd, path).into(),
            Op::Remount { path, flags } => call.remount(At::Cwd, path, *flags).into(),
            Op::Unmount { path, lazy } => call.unmount(At::Cwd, path, *lazy).into(),
            _ => return Err(Errno::ENOSYS),
        })
    }
}

/// A field of `stat`, as answers show it.
fn field_of(stat: &Stat, field: &str) -> Option<String> {
    let attr = &stat.attr;
    let nanos =
        |time: Timestamp| (i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos())).to_string();
    Some(match field {
        "type" => match attr.kind {
            FileType::Regular => "regular",
            FileType::Directory => "dir",
            FileType::Symlink => "symlink",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::CharDevice => "char",
            FileType::BlockDevice => "block",
        }
        .to_string(),
        "mode" => format!("0{:o}", attr.mode.bits()),
        "inode" | "ino" => attr.ino.number.to_string(),
        "dev" => stat.device.to_string(),
        "nlink" => attr.links.to_string(),
        "uid" => attr.uid.to_string(),
        "gid" => attr.gid.to_string(),
        "size" => attr.size.to_string(),
        "blocks" => attr.blocks.to_string(),
        "major" => attr.device.major.to_string(),
        "minor" => attr.device.minor.to_string(),
        "atime" => attr.accessed.seconds.to_string(),
        "mtime" => attr.modified.seconds.to_string(),
        "ctime" => attr.changed.seconds.to_string(),
        "atime_ns" => nanos(attr.accessed),
        "mtime_ns" => nanos(attr.modified),
        "ctime_ns" => nanos(attr.changed),
        "birthtime_ns" => nanos(attr.born),
        _ => return None,
    })
}
