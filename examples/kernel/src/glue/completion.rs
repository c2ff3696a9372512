//! `Completion` of kos-vfs: who waits for a disk sleeps until its interrupt.

use core::fmt;

use kos_alloc::Env;
use kos_sched::sync::WaitQueue;
use kos_sched::{CriticalSection, WaitError};
use kos_vfs::block::Completion;

use super::sleep_lock::Ambient;
use crate::platform::Platform;
use crate::time::Duration;

/// How long a disk may be silent while it has requests: as Linux has it.
const PATIENCE: Duration = Duration::from_secs(30);

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

    fn wait_until(&self, ready: &mut dyn FnMut() -> bool) -> bool {
        let until = P::with_kernel(|kernel| {
            let now = kernel.threads.runtime().now();
            kernel.pressure.wait_begins(now);
            now.checked_add_duration(PATIENCE)
        });
        let until = until.flatten();
        let came = loop {
            match self.0.wait_for(until, || ready().then_some(())) {
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
        self.0.wake_all();
    }
}
