//! `Completion` of kos-vfs: who waits for a disk sleeps until its interrupt.

use core::fmt;

use kos_alloc::Env;
use kos_sched::CriticalSection;
use kos_sched::sync::WaitQueue;
use kos_vfs::block::Completion;

use super::sleep_lock::Ambient;
use crate::platform::Platform;

/// Those who wait for one disk.
pub struct InterruptWait<P: Platform>(WaitQueue<Ambient<P>>);

impl<P: Platform> InterruptWait<P> {
    /// Nobody waits.
    #[must_use]
    pub const fn new() -> Self {
        Self(WaitQueue::new(Ambient::new()))
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

    fn wait_until(&self, ready: &mut dyn FnMut() -> bool) {
        // A thread that is to end waits, too: the device has its memory.
        while self.0.wait_for(None, || ready().then_some(())).is_err() {
            P::with_kernel(|kernel| kernel.threads.runtime().yield_now()).unwrap_or_default();
        }
    }

    fn wake(&self) {
        self.0.wake_all();
    }
}
