//! The signals of a process: [`Signals`].
#![expect(unsafe_code, reason = "signals borrow the place of the thread that lies beside them")]

use core::fmt;
use core::ops::Deref;

use kos_ipc::posix::signal::{Signal, SignalGroup, SignalInfo, ThreadSlot};
use kos_sched::TaskId;

use super::lent::Lent;
use super::{KERNEL, policy};
use crate::Kernel;
use crate::glue::ipc::{IpcEnv, Sleeper};
use crate::platform::Platform;

type Inner<P> = SignalGroup<'static, IpcEnv<P>>;

/// The signals of a process with one thread. Nothing of it handles any yet: what they do is their default.
pub(crate) struct Signals<P: Platform>(Lent<Inner<P>, ThreadSlot<TaskId>>);

impl<P: Platform> Signals<P> {
    /// Of the process with this number; [`None`] without memory.
    pub(crate) fn new(id: u32) -> Option<Self> {
        let make =
            |threads| Some(SignalGroup::new(Sleeper::new(), threads, &mut [], None, policy::PROCESS, id));
        // SAFETY: a group gives out its threads, which borrow the group; what it returns by value are numbers and actions.
        unsafe { Lent::new(1, ThreadSlot::new, make) }.map(Self)
    }

    /// Sends one from the kernel. Any context.
    pub(crate) fn tell(&self, kernel: &Kernel<P>, signal: Signal) {
        let (Ok(ipc), task) = (kernel.ipc(), super::task::<P>()) else { return };
        // A standard signal is never refused to the kernel.
        let _ = self.send(&ipc.client(&task, KERNEL), SignalInfo::kernel(signal));
    }
}

impl<P: Platform> Deref for Signals<P> {
    type Target = Inner<P>;

    fn deref(&self) -> &Inner<P> {
        &self.0
    }
}

impl<P: Platform> fmt::Debug for Signals<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
