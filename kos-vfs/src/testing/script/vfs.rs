//! [`VfsBackend`]: calls carried out by a [`Vfs`](crate::Vfs), as a kernel would for its processes.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::op::{DirFd, Op, Seconds, Target, Whence};
use super::{Answer, Backend, quoted};
use crate::attr::{FileType, Mode, Timestamp};
use crate::call::{At, AtFlags, AttrError, Call, Ctx, DirError, Limits, MountError, SetTime, Stat};
use crate::cred::{CapSet, Cred};
use crate::errno::Errno;
use crate::file::{FdTable, FileError, How, OpenFile, SeekFrom};
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::fs::{Allocate, SyncMode};
use crate::testing::{HostEnv, TestClock};
use crate::tree::place::{Place, View};
use crate::walk::ResolveError;

macro_rules! to_errno {
    ($($error:ty),*) => {
        $(impl From<$error> for Errno {
            fn from(error: $error) -> Self {
                error.errno()
            }
        })*
    };
}
to_errno!(ResolveError, DirError, AttrError, FileError, MountError);

/// One process.
struct Process<'v> {
    view: View<'v, HostEnv>,
    fds: FdTable<'v, HostEnv>,
    uid: u32,
    groups: Vec<u32>,
    umask: Mode,
}

impl Process<'_> {
    fn fork(&self) -> Result<Self, Errno> {
        Ok(Self {
            view: self.view.clone(),
            fds: self.fds.fork()?,
            uid: self.uid,
            groups: self.groups.clone(),
            umask: self.umask,
        })
    }
}

/// Processes on a [`Vfs`](crate::Vfs).
pub struct VfsBackend<'v> {
    clock: TestClock,
    /// The others, by name.
    sleeping: BTreeMap<Vec<u8>, Process<'v>>,
    name: Vec<u8>,
    process: Process<'v>,
    limits: Limits,
}

impl core::fmt::Debug for VfsBackend<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VfsBackend").field("current", &quoted(&self.name)).finish_non_exhaustive()
    }
}

type Done = Result<Answer, Errno>;

fn number(value: impl ToString) -> Done {
    Ok(Answer::Value(value.to_string()))
}

impl<'v> VfsBackend<'v> {
    /// One process, user 0 with umask 022, that stands at `view`. `clock` is that of the [`Vfs`](crate::Vfs).
    pub fn new(view: View<'v, HostEnv>, clock: TestClock) -> Self {
        let umask = Mode::GROUP_WRITE | Mode::OTHER_WRITE;
        let process = Process { view, fds: FdTable::new(), uid: 0, groups: vec![0], umask };
        Self { clock, sleeping: BTreeMap::new(), name: b"main".to_vec(), process, limits: Limits::default() }
    }

    /// Bounds of all processes.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    fn try_run(&mut self, op: &Op) -> Done {
        match op {
            Op::As { uid, groups } => {
                let process = &mut self.process;
                (process.uid, process.groups) = (*uid, groups.clone());
                Ok(Answer::Done)
            }
            Op::Umask(umask) => {
                let old = core::mem::replace(&mut self.process.umask, *umask & Mode::ALL_ACCESS);
                Ok(Answer::Value(format!("{:o}", old.bits())))
            }
            Op::Time(nanos) => {
                self.clock.set(*nanos);
                Ok(Answer::Done)
            }
            Op::Proc(name) => {
                if *name != self.name {
                    let next = self.sleeping.remove(name).map_or_else(|| self.process.fork(), Ok)?;
                    let last = core::mem::replace(&mut self.process, next);
                    self.sleeping.insert(core::mem::replace(&mut self.name, name.clone()), last);
                }
                Ok(Answer::Done)
            }
            _ => {
                let limits = self.limits;
                let process = &mut self.process;
                let (gid, groups) =
                    process.groups.split_first().map_or((0, [].as_slice()), |(gid, rest)| (*gid, rest));
                let mut groups = groups.to_vec();
                groups.sort_unstable();
                let caps = if process.uid == 0 { CapSet::all() } else { CapSet::empty() };
                let cred = Cred { uid: process.uid, gid, groups: &groups, caps };
                let ctx = Ctx { cred, umask: process.umask, limits };
                let view = process.view.clone();
                Run { call: view.call(&ctx), view: &mut process.view, fds: &mut process.fds, limits }.run(op)
            }
        }
    }
}

impl Backend for VfsBackend<'_> {
    fn run(&mut self, op: &Op) -> Answer {
        self.try_run(op).unwrap_or_else(Answer::Failed)
    }
}

/// One call of one process.
struct Run<'a, 'v> {
    call: Call<'a, 'v, HostEnv>,
    view: &'a mut View<'v, HostEnv>,
    fds: &'a mut FdTable<'v, HostEnv>,
    limits: Limits,
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

    fn run(&mut self, op: &Op) -> Done {
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
            Op::Mount { .. } | Op::Bind { .. } | Op::Remount { .. } | Op::Unmount { .. } => self.mounts(op),
            Op::Stat(..)
            | Op::Chmod(..)
            | Op::Chown(..)
            | Op::Utimens(..)
            | Op::Access(..)
            | Op::Statfs(_) => self.attrs(op),
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

    fn mounts(&self, op: &Op) -> Done {
        let call = &self.call;
        Ok(match op {
            Op::Mount { path, flags } => {
                let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).map_err(|error| error.errno())?;
                call.mount(Arc::new(fs), At::Cwd, path, *flags).into()
            }
            Op::Bind { old, path, flags } => {
                let source = call.resolve(At::Cwd, old, AtFlags::empty())?;
                call.bind(&source, At::Cwd, path, *flags).into()
            }
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
