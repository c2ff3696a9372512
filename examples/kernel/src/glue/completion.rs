//! `Completion` of kos-vfs: who waits for a device sleeps until its interrupt.

use core::fmt;

use kos_alloc::Env;
use kos_sched::sync::WaitQueue;
use kos_sched::{CriticalSection, WaitError};
use kos_vfs::block::Completion;

use super::sleep_lock::Ambient;
use crate::Kernel;
use crate::platform::Platform;
use crate::time::Duration;

/// How long a device may be silent while it has requests: as Linux has it for disks.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same while the kernel comes up, for a device that it can do without.
const AT_BOOT: Duration = Duration::from_secs(1);

/// Those who wait for one device.
pub struct InterruptWait<P: Platform> {
    waiters: WaitQueue<Ambient<P>>,
    dispensable: bool,
}

impl<P: Platform> InterruptWait<P> {
    /// Nobody waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiters: WaitQueue::new(Ambient::new()), dispensable: false }
    }

    /// The same of a device that the kernel can do without: it does not hold the boot for long. Later it may take its time, as one does
    /// that its host allows only so many bytes a second.
    #[must_use]
    pub const fn dispensable() -> Self {
        Self { waiters: WaitQueue::new(Ambient::new()), dispensable: true }
    }

    fn patience(&self, kernel: &Kernel<P>) -> Duration {
        // There are files when the devices were asked.
        if self.dispensable && kernel.files.get().is_none() { AT_BOOT } else { PATIENCE }
    }
}

impl<P: Platform> Default for InterruptWait<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> fmt::Debug for InterruptWait<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterruptWait").finish_non_exhaustive()
    }
}

impl<P: Platform> Completion for InterruptWait<P> {
    type Lock = <P::Env as Env>::Lock;
    type Irq = <Ambient<P> as CriticalSection>::Irq;

    fn mask(&self) -> Self::Irq {
        Ambient::<P>::new().irq_save()
    }

    fn wait_until(&self, ready: &mut dyn FnMut() -> bool) -> bool {
        let until = P::with_kernel(|kernel| {
            let now = kernel.threads.runtime().now();
            kernel.pressure.wait_begins(now);
            now.checked_add_duration(self.patience(kernel))
        });
        let until = until.flatten();
        let came = loop {
            match self.waiters.wait_for(until, || ready().then_some(())) {
                Ok(()) => break true,
                Err(WaitError::TimedOut) => break false,
                // A thread that is to end waits, too: the device has its memory.
                Err(_) => P::with_kernel(|kernel| kernel.threads.runtime().yield_now()).unwrap_or_default(),
            }
        };
        P::with_kernel(|kernel| kernel.pressure.wait_ends(kernel.threads.runtime().now()));
        came
    }

    fn wake(&self) {
        self.waiters.wake_all();
    }
}
