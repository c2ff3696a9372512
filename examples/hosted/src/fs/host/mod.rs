//! [`HostBackend`]: calls carried out by Linux, below a directory.
//!
//! The thread that makes one gets its own root and working directory and chroots into the directory; user changes are the
//! thread's alone, too. So it needs root, and must be used on the thread that made it, whose root it stays. Descriptors are
//! numbered here, lowest first, as the host's own numbers are partly taken.
//!
//! Not carried out: the clock, mounts with flags, and any where the host allows no mounts of one's own.

mod lock;
mod process;
mod stat;
mod xattr;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use kos_vfs::Errno;
use kos_vfs::attr::Mode;
use kos_vfs::testing::script::{Answer, Backend, Op, quoted};
use process::Process;
use rustix::fs::{AtFlags, CWD, Gid, OFlags, StatxFlags, Uid};
use rustix::io::Errno as HostErrno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_move, unmount,
};
use rustix::process::{chdir, chroot, fchdir, pivot_root, umask};
use rustix::{fs, thread};

/// Why there is no backend.
#[derive(Debug)]
pub struct HostError(HostErrno);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host refuses (scripts on host: need root): {}", self.0)
    }
}

impl core::error::Error for HostError {}

/// Processes on the host's file system.
pub struct HostBackend {
    sleeping: BTreeMap<Vec<u8>, Process>,
    name: Vec<u8>,
    process: Process,
    /// Whether it has mounts of its own.
    mounts: bool,
    /// The directory that shows this thread's namespaces.
    namespaces: Rc<OwnedFd>,
}

impl fmt::Debug for HostBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBackend").field("process", &quoted(&self.name)).finish_non_exhaustive()
    }
}

type Done = Result<Answer, HostErrno>;

fn number(value: impl ToString) -> Done {
    Ok(Answer::Value(value.to_string()))
}

/// Gives this thread root and working directories, a umask and, where the host allows it, mounts of its own; whether it does.
fn own_directories() -> Result<bool, HostErrno> {
    own(thread::UnshareFlags::FS)?;
    // What is mounted here shall not be seen outside.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(own_mounts().and_then(|()| mount_change("/", private)).is_ok())
}

fn own_mounts() -> Result<(), HostErrno> {
    own(thread::UnshareFlags::NEWNS)
}

/// Gives this thread something of its own: directories or mounts.
#[expect(unsafe_code, reason = "unshare: unsafe for the sake of FILES, which is not asked for")]
fn own(what: thread::UnshareFlags) -> Result<(), HostErrno> {
    // SAFETY: the table of descriptors, whose ownership other code relies on, stays shared: no caller names it.
    unsafe { thread::unshare_unsafe(what) }
}

/// A directory to stand in, as a handle.
fn directory(path: &[u8]) -> Result<Rc<OwnedFd>, HostErrno> {
    Ok(Rc::new(fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY, fs::Mode::empty())?))
}

/// This thread's namespace of mounts.
fn namespace(namespaces: &OwnedFd) -> Result<OwnedFd, HostErrno> {
    fs::openat(namespaces, "mnt", OFlags::RDONLY, fs::Mode::empty())
}

/// Which directory, seen through which mount.
fn identity(directory: &OwnedFd) -> Result<(u64, u64), HostErrno> {
    let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
    let found = fs::statx(directory, "", AtFlags::EMPTY_PATH, wanted)?;
    Ok((found.stx_mnt_id, found.stx_ino))
}

fn host_mode(mode: Mode) -> fs::Mode {
    fs::Mode::from_raw_mode(u32::from(mode.bits()))
}

impl HostBackend {
    /// Shuts this thread into `dir`.
    ///
    /// # Errors
    /// The host refuses.
    pub fn new(dir: &Path) -> Result<Self, HostError> {
        Self::enter(dir).map_err(HostError)
    }

    fn enter(dir: &Path) -> Result<Self, HostErrno> {
        let mounts = own_directories()?;
        let namespaces = directory(b"/proc/thread-self/ns")?;
        let namespace = Rc::new(namespace(&namespaces)?);
        chdir(dir)?;
        chroot(".")?;
        let root = directory(b"/")?;
        umask(fs::Mode::from_raw_mode(0o022));
        let process = Process {
            namespace,
            cwd: Rc::clone(&root),
            root,
            fds: Vec::new(),
            uid: 0,
            groups: vec![0],
            umask: 0o022,
        };
        Ok(Self { sleeping: BTreeMap::new(), name: b"main".to_vec(), process, mounts, namespaces })
    }

    /// Makes this thread stand where the current process does.
    fn stand(&self) -> Result<(), HostErrno> {
        if self.mounts {
            let kind = Some(thread::LinkNameSpaceType::Mount);
            thread::move_into_link_name_space(self.process.namespace.as_fd(), kind)?;
        }
        fchdir(&self.process.root)?;
        chroot(".")?;
        fchdir(&self.process.cwd)?;
        umask(fs::Mode::from_raw_mode(self.process.umask.into()));
        Ok(())
    }

    /// Does something as the user of the current process.
    fn as_user<R>(&mut self, work: impl FnOnce(&mut Process) -> R) -> Result<R, HostErrno> {
        let uid = self.process.uid;
        let ids: Vec<Gid> = self.process.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        let (gid, groups) = ids.split_first().map_or((Gid::ROOT, [].as_slice()), |(gid, rest)| (*gid, rest));
        thread::set_thread_groups(groups)?;
        thread::set_thread_res_gid(None, gid, None)?;
        if uid != 0 {
            thread::set_thread_res_uid(None, Uid::from_raw(uid), None)?;
        }
        let result = work(&mut self.process);
        if uid != 0 {
            thread::set_thread_res_uid(None, Uid::ROOT, None)?;
        }
        thread::set_thread_res_gid(None, Gid::ROOT, None)?;
        Ok(result)
    }

    /// Changes the root; processes that stood there stand in the new one. Linux does that for those that run.
    fn pivot(&mut self, new: &[u8], put_old: &[u8]) -> Result<(), HostErrno> {
        let from = identity(&self.process.root)?;
        pivot_root(new, put_old)?;
        let to = directory(b"/")?;
        for process in self.sleeping.values_mut().chain([&mut self.process]) {
            for place in [&mut process.root, &mut process.cwd] {
                if identity(place)? == from {
                    *place = Rc::clone(&to);
                }
            }
        }
        Ok(())
    }

    fn try_run(&mut self, op: &Op) -> Done {
        match op {
            Op::As { uid, groups } => {
                (self.process.uid, self.process.groups) = (*uid, groups.clone());
            }
            Op::Umask(mask) => {
                let old = core::mem::replace(&mut self.process.umask, mask.bits() & 0o777);
                self.stand()?;
                return Ok(Answer::Value(format!("{old:o}")));
            }
            Op::Time(_) => {}
            Op::Proc(name) => {
                if *name != self.name {
                    let next = self.sleeping.remove(name).unwrap_or_else(|| self.process.clone());
                    let last = core::mem::replace(&mut self.process, next);
                    self.sleeping.insert(core::mem::replace(&mut self.name, name.clone()), last);
                    self.stand()?;
                }
            }
            Op::Bind { old, path, flags } if self.mounts && flags.is_empty() => {
                mount_bind(old.as_slice(), path.as_slice())?;
            }
            Op::Unmount { path, lazy } if self.mounts => {
                let flags = if *lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
                unmount(path.as_slice(), flags)?;
            }
            Op::Mount { path, flags } if self.mounts && flags.is_empty() => {
                mount("kos", path.as_slice(), "tmpfs", MountFlags::empty(), c"mode=755")?;
            }
            Op::MoveMount { old, path } if self.mounts => mount_move(old.as_slice(), path.as_slice())?,
            Op::PivotRoot { new, put_old } if self.mounts => self.pivot(new, put_old)?,
            Op::CopyNamespace if self.mounts => {
                own_mounts()?;
                self.process.namespace = Rc::new(namespace(&self.namespaces)?);
                self.process.root = directory(b"/")?;
                self.process.cwd = directory(b".")?;
            }
            Op::Mount { .. }
            | Op::Bind { .. }
            | Op::Remount { .. }
            | Op::Unmount { .. }
            | Op::MoveMount { .. }
            | Op::PivotRoot { .. }
            | Op::CopyNamespace => return Ok(Answer::Skipped),
            Op::Chroot(path) => {
                self.as_user(|_| chroot(path.as_slice()))??;
                self.process.root = directory(b"/")?;
            }
            _ => return self.as_user(|process| process.run(op))?,
        }
        Ok(Answer::Done)
    }
}

impl Backend for HostBackend {
    fn run(&mut self, op: &Op) -> Answer {
        self.try_run(op).unwrap_or_else(|error| {
            let raw = error.raw_os_error();
            let known = u16::try_from(raw).ok().and_then(Errno::from_number);
            known.map_or(Answer::Unknown(raw), Answer::Failed)
        })
    }
}
