//! What a process has of kos-ipc: [`Caps`].

use alloc::sync::Arc;
use core::fmt;

use kos_ipc::cap::{CapError, CapId, CapSlot, CapSpace, Rights};
use kos_ipc::quota::Limits;
use kos_ipc::wait::Progress;
use kos_net::Entropy;
use kos_vfs::Errno;
use lock_api::Mutex;

use super::lent::Lent;
use super::{Handle, Ipc, Port};
use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::glue::ipc::{IpcEnv, Who};
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;

/// Capabilities of one process.
const SLOTS: usize = 64;
/// What it may have of each.
const LIMITS: Limits = Limits { slots: SLOTS, cells: 16, ..Limits::UNLIMITED };
/// Capabilities that are closed in one step at its end.
const STEP: u32 = 16;
/// Endpoints that it serves, and names that it gave, each.
const SERVED: usize = 8;

type Space<P> = CapSpace<'static, IpcEnv<P>, Handle<P>>;
/// A name that the process gave.
pub(crate) type Name = heapless::Vec<u8, { kos_ipc::cap::MAX_NAME }>;

/// The capabilities of one process, and what goes when it ends.
pub(crate) struct Caps<P: Platform> {
    space: Lent<Space<P>, CapSlot<Handle<P>>>,
    /// The number of its capability to the directory of names.
    pub(crate) names: CapId,
    pub(crate) who: Who,
    served: Mutex<SleepLock<P>, heapless::Vec<Arc<Port<P>>, SERVED>>,
    named: Mutex<SleepLock<P>, heapless::Vec<Name, SERVED>>,
}

impl<P: Platform> Caps<P> {
    /// With a capability to the names, and nothing else.
    ///
    /// # Errors
    /// [`Errno::ENOMEM`], [`Errno::EAGAIN`]: too many processes.
    pub(crate) fn new(kernel: &Kernel<P>, ipc: &Ipc<P>, who: Who) -> Result<Self, Errno> {
        let mut salt = [0; 8];
        // Its numbers are told to programs: of the machine's secret they must say nothing.
        let _ = KernelEntropy::new(kernel).fill(&mut salt);
        let salt = u64::from_le_bytes(salt);
        let quota = ipc.quota.child(LIMITS).map_err(|_| Errno::EAGAIN)?;
        let make = |slots| CapSpace::new(slots, ipc.cells, quota, salt).ok();
        // SAFETY: what a space gives out for longer than it is borrowed are objects and references to cells, not slots.
        #[expect(unsafe_code, reason = "a space over slots of its own")]
        let space = unsafe { Lent::new(SLOTS, CapSlot::new, make) }.ok_or(Errno::ENOMEM)?;
        let names =
            space.insert(Handle::Names, Rights::READ | Rights::WRITE, 0).map_err(|_| Errno::ENOMEM)?;
        let (served, named) = (Mutex::new(heapless::Vec::new()), Mutex::new(heapless::Vec::new()));
        Ok(Self { space, names, who, served, named })
    }

    /// The capabilities.
    pub(crate) fn space(&self) -> &CapSpace<'_, IpcEnv<P>, Handle<P>> {
        &self.space
    }

    /// The same, for what leaves it for a message or a name.
    pub(crate) fn giving(&self) -> &Space<P> {
        &self.space
    }

    /// Makes an endpoint that the process serves until its end.
    ///
    /// # Errors
    /// [`Errno`]; nothing is left of it.
    pub(crate) fn serve(&self, kernel: &Kernel<P>, ipc: &Ipc<P>, label: u16) -> Result<CapId, Errno> {
        if !kernel.has_room_for::<Port<P>>() {
            return Err(Errno::ENOMEM);
        }
        let port = Port::new(ipc.next_id(), self.who.process, label).ok_or(Errno::ENOMEM)?;
        let port = Arc::new(port);
        let mut served = self.served.lock();
        if served.is_full() {
            return Err(Errno::EMFILE);
        }
        let all = Rights::all().difference(Rights::REPLY);
        let id = self.space.insert(Handle::Port(Arc::clone(&port)), all, 0);
        let id = id.map_err(|refused| errno(refused.reason))?;
        // There is room.
        let _ = served.push(port);
        Ok(id)
    }

    /// Remembers a name that goes with the process; false if it has given too many.
    pub(crate) fn gave(&self, name: &[u8]) -> bool {
        Name::from_slice(name).is_ok_and(|name| self.named.lock().push(name).is_ok())
    }

    /// Forgets a name that it gave; false if it did not.
    pub(crate) fn takes_back(&self, name: &[u8]) -> bool {
        let mut named = self.named.lock();
        let place = named.iter().position(|known| known == name);
        place.map(|place| named.swap_remove(place)).is_some()
    }

    /// The end of the process: its names go, its endpoints close, and then its capabilities, some at a time.
    pub(crate) fn end(&self, ipc: &Ipc<P>, mut pause: impl FnMut()) {
        let (task, names) = (super::task::<P>(), core::mem::take(&mut *self.named.lock()));
        for name in names {
            // The kernel takes it away, whatever its user may do. Nobody else gives it before.
            drop(ipc.names.unlink(&ipc.client(&task, super::KERNEL), &name));
        }
        let served = core::mem::take(&mut *self.served.lock());
        served.iter().for_each(|port| port.close(&mut pause));
        drop(served);
        let mut closing = self.space.close_all();
        while closing.step(STEP) == Progress::More {
            pause();
        }
    }
}

impl<P: Platform> fmt::Debug for Caps<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caps").field("who", &self.who).finish_non_exhaustive()
    }
}

/// What a system call answers.
pub(crate) const fn errno(error: CapError) -> Errno {
    match error {
        CapError::Malformed | CapError::Stale { .. } => Errno::EBADF,
        CapError::MissingRights(_) => Errno::EACCES,
        CapError::Revoked => Errno::ESTALE,
        CapError::Full => Errno::EMFILE,
        CapError::NoCell | CapError::Quota(_) => Errno::EDQUOT,
        CapError::Sealed => Errno::EPERM,
        CapError::Pinned => Errno::EBUSY,
        _ => Errno::EINVAL,
    }
}
