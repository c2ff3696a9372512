//! `Env`, `IrqGuard`, `Park`, `Policy` and `CallerMemory` of kos-ipc: this kernel's threads, its rules, its programs' memory.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_ipc::policy::{Audit, AuditEvent, AuditFull, AuditLog, Decision, ObjectMeta, Op, TypeTable};
use kos_ipc::{BlockReason, CallerMemory, Env, Fault, IrqGuard, Park, Policy, Resume};
use kos_paging::VirtAddr;
use kos_sched::{CriticalSection, Park as _, TaskId};
use lock_api::Mutex;

use super::sleep_lock::{Ambient, SleepLock};
use crate::platform::Platform;
use crate::process::space::UserSpace;
use crate::time::Instant;

/// What kos-ipc is built over.
#[derive(Debug)]
pub struct IpcEnv<P>(PhantomData<fn() -> P>);

impl<P: Platform> Env for IpcEnv<P> {
    type Lock = <P::Env as kos_alloc::Env>::Lock;
    type Irq = Masked<P>;
    type Park = Sleeper<P>;
    type Policy = Rules;
}

/// Interrupts are masked while it lives.
pub struct Masked<P: Platform>(Irq<P>);

impl<P: Platform> fmt::Debug for Masked<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Masked").field(&self.0.is_some()).finish()
    }
}

type Irq<P> = <Ambient<P> as CriticalSection>::Irq;

impl<P: Platform> IrqGuard for Masked<P> {
    fn save() -> Self {
        Self(Ambient::<P>::new().irq_save())
    }
}

/// The threads of the kernel that calls.
#[derive(Debug)]
pub struct Sleeper<P>(PhantomData<fn() -> P>);

impl<P> Sleeper<P> {
    /// All are alike.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> Default for Sleeper<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Clone for Sleeper<P> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

const fn resumed(resume: kos_sched::Resume) -> Resume {
    match resume {
        kos_sched::Resume::Woken => Resume::Woken,
        kos_sched::Resume::TimedOut => Resume::TimedOut,
        kos_sched::Resume::Interrupted => Resume::Interrupted,
    }
}

/// Not in the order of urgency, and nothing is lent: the demo's threads are fair ones.
impl<P: Platform> Park for Sleeper<P> {
    type Token = TaskId;

    fn park(&self, _: &TaskId, until: Option<Instant>, _: BlockReason) -> Resume {
        resumed(Ambient::<P>::new().park(until, kos_sched::BlockReason::Wait))
    }

    fn unpark(&self, thread: &TaskId) {
        Ambient::<P>::new().unpark(*thread);
    }

    /// To be told of a signal is to be told to end: a thread that goes on
    /// [takes note](kos_sched::core::Scheduler::take_interrupt).
    fn interrupt(&self, thread: &TaskId) {
        P::with_kernel(|kernel| kernel.end_task(*thread)).unwrap_or_default();
    }

    fn hand_off(&self, _: &TaskId, to: &TaskId, until: Option<Instant>, _: BlockReason) -> Resume {
        resumed(Ambient::<P>::new().hand_off(*to, until, kos_sched::BlockReason::Wait))
    }
}

/// Who acts, as the rules see him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// What he is.
    pub domain: u16,
    /// Which process; 0 is the kernel.
    pub process: u32,
}

/// A table of domains and types, and the record of what was refused; or of everything.
#[derive(Debug)]
pub struct Rules {
    pub(crate) table: TypeTable<'static, ()>,
    pub(crate) log: AuditLog<'static, Who>,
    /// Whether everything is recorded.
    pub(crate) all: AtomicBool,
}

impl Policy for Rules {
    type Subject = Who;

    fn check(&self, who: Who, op: Op, object: &ObjectMeta) -> Decision {
        self.table.check(who.domain, op, object)
    }

    fn audit(&self, event: &AuditEvent<Who>) -> Result<(), AuditFull> {
        let recorded = event.decision == Decision::Deny || self.all.load(Relaxed);
        if recorded { self.log.record(event) } else { Ok(()) }
    }
}

/// Bytes that the kernel lends at a time.
pub const WINDOW: usize = 4096;

/// Memory of the kernel that a server may read and write, as far as it is lent.
pub type Window<P> = Mutex<SleepLock<P>, [u8; WINDOW]>;

/// The memory of who calls.
pub(crate) enum Memory<P: Platform> {
    /// A program's.
    Program(Arc<UserSpace<P>>),
    /// The kernel's: addresses are places in it.
    Kernel(Arc<Window<P>>),
}

impl<P: Platform> Clone for Memory<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Program(space) => Self::Program(Arc::clone(space)),
            Self::Kernel(window) => Self::Kernel(Arc::clone(window)),
        }
    }
}

impl<P: Platform> CallerMemory for Memory<P> {
    fn copy_in(&self, at: usize, to: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Program(space) => space.copy_in(VirtAddr::new(at as u64), to).map_err(|_| Fault { at }),
            Self::Kernel(window) => {
                let window = window.lock();
                let end = at.saturating_add(to.len());
                to.copy_from_slice(window.get(at..end).ok_or(Fault { at })?);
                Ok(())
            }
        }
    }

    fn copy_out(&self, at: usize, from: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Program(space) => space.copy_out(VirtAddr::new(at as u64), from).map_err(|_| Fault { at }),
            Self::Kernel(window) => {
                let mut window = window.lock();
                let end = at.saturating_add(from.len());
                window.get_mut(at..end).ok_or(Fault { at })?.copy_from_slice(from);
                Ok(())
            }
        }
    }
}

impl<P: Platform> fmt::Debug for Memory<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Program(_)) { "Program" } else { "Kernel" })
    }
}
