//! [`VfsBackend`]: calls carried out by a [`Vfs`](crate::Vfs), as a kernel would for its processes.

mod run;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::op::Op;
use super::{Answer, Backend, quoted};
use crate::attr::Mode;
use crate::call::{AttrError, Ctx, DirError, Limits, MountError};
use crate::cred::{CapSet, Cred};
use crate::errno::Errno;
use crate::file::{FdTable, FileError, LockError};
use crate::testing::{HostEnv, TestClock};
use crate::tree::place::View;
use crate::walk::ResolveError;
use run::Run;

macro_rules! to_errno {
    ($($error:ty),*) => {
        $(impl From<$error> for Errno {
            fn from(error: $error) -> Self {
                error.errno()
            }
        })*
    };
}
to_errno!(ResolveError, DirError, AttrError, FileError, LockError, MountError);

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
                let others = &mut self.sleeping.values_mut().map(|process| &mut process.view);
                let call = view.call(&ctx);
                Run { call, view: &mut process.view, others, fds: &mut process.fds, limits }.run(op)
            }
        }
    }
}

impl Backend for VfsBackend<'_> {
    fn run(&mut self, op: &Op) -> Answer {
        self.try_run(op).unwrap_or_else(Answer::Failed)
    }
}
