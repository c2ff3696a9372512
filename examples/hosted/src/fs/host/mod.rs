//! [`HostBackend`]: calls carried out by Linux, below a directory.
//!
//! The thread that makes one gets its own root and working directory and chroots into the directory; user changes are the
//! thread's alone, too. So it needs root, and must be used on the thread that made it, whose root it stays. Descriptors are
//! numbered here, lowest first, as the host's own numbers are partly taken.
//!
//! Not carried out: mounts but binds (which need mounts of its own), and the clock.

mod lock;
mod process;
mod stat;
mod xattr;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;

use kos_vfs::Errno;
use kos_vfs::attr::Mode;
use kos_vfs::testing::script::{Answer, Backend, Op, quoted};
use process::Process;
use rustix::fs::{CWD, Gid, OFlags, Uid};
use rustix::io::Errno as HostErrno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};
use rustix::process::{chdir, chroot, fchdir, umask};
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
#[expect(unsafe_code, reason = "unshare: unsafe for the sake of FILES, which is not asked for")]
fn own_directories() -> Result<bool, HostErrno> {
    let (dirs, mounts) = (thread::UnshareFlags::FS, thread::UnshareFlags::NEWNS);
    // SAFETY: the table of descriptors, whose ownership other code relies on, stays shared.
    if unsafe { thread::unshare_unsafe(dirs | mounts) }.is_ok() {
        // What is mounted here shall not be seen outside.
        return Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).is_ok());
    }
    // SAFETY: as above.
    unsafe { thread::unshare_unsafe(dirs) }.map(|()| false)
}

/// A directory to stand in, as a handle.
fn directory(path: &[u8]) -> Result<Rc<OwnedFd>, HostErrno> {
    Ok(Rc::new(fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY, fs::Mode::empty())?))
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
        chdir(dir)?;
        chroot(".")?;
        let root = directory(b"/")?;
        umask(fs::Mode::from_raw_mode(0o022));
        let process =
            Process { cwd: Rc::clone(&root), root, fds: Vec::new(), uid: 0, groups: vec![0], umask: 0o022 };
        Ok(Self { sleeping: BTreeMap::new(), name: b"main".to_vec(), process, mounts })
    }

    /// Makes this thread stand where the current process does.
    fn stand(&self) -> Result<(), HostErrno> {
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
            Op::Mount { .. } | Op::Bind { .. } | Op::Remount { .. } | Op::Unmount { .. } => {
                return Ok(Answer::Skipped);
            }
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
