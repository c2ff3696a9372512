//! The scheduler's view of this machine: one CPU without interrupts. Threads take turns where they sleep.

use core::time::Duration;
use std::thread;
use std::time::Instant as HostInstant;

use kos_demo_kernel::platform::SchedulerPort;
use kos_demo_kernel::time::Instant;
use kos_sched::{Clock, CpuId, IpiError, Platform};

/// How long the host's thread sleeps when no thread of the kernel has anything to do.
const NAP: Duration = Duration::from_micros(200);

/// A handle: the time since entry.
#[derive(Clone, Copy, Debug)]
pub struct HostedScheduler {
    pub(crate) entry: HostInstant,
}

impl Platform for HostedScheduler {
    type Irq = ();

    fn irq_save(&self) {}

    fn cpu(&self) -> CpuId {
        CpuId::new(0)
    }

    fn arm_timer(&self, _: Option<Instant>) {}

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        Err(IpiError { cpu })
    }

    fn idle(&self, (): ()) {
        thread::sleep(NAP);
    }
}

impl Clock for HostedScheduler {
    fn now(&self) -> Instant {
        Instant::from_ticks(u64::try_from(self.entry.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl SchedulerPort for HostedScheduler {
    fn enable_irq(&self) {}

    fn irq_enabled(&self) -> bool {
        true
    }
}
