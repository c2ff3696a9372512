//! [`HostedScheduler`]: what the scheduler needs of this machine, said by the engine that plays its CPUs.

use alloc::sync::Weak;
use core::fmt;

use kos_demo_kernel::platform::SchedulerPort;
use kos_demo_kernel::time::Instant;
use kos_sched::{Clock, CpuId, IpiError, Platform};

use super::Board;
use crate::engine::{self, Interrupt, Masked};

/// A handle on a machine's CPUs. The scheduler keeps it in the machine's memory, where nobody drops it: so it is not what keeps
/// the machine.
#[derive(Clone)]
pub struct HostedScheduler {
    pub(super) board: Weak<Board>,
    /// Time 0 of the machine, by the engine's clock.
    pub(super) entry: u64,
}

impl fmt::Debug for HostedScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostedScheduler")
    }
}

impl Platform for HostedScheduler {
    type Irq = Masked;

    fn irq_save(&self) -> Masked {
        engine::mask()
    }

    fn cpu(&self) -> CpuId {
        CpuId::new(engine::cpu().and_then(|cpu| u32::try_from(cpu).ok()).unwrap_or(0))
    }

    fn arm_timer(&self, at: Option<Instant>) {
        if let Some(board) = self.board.upgrade() {
            board.arm_event(at);
        }
    }

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        if engine::interrupt(cpu.as_usize(), Interrupt::Call) { Ok(()) } else { Err(IpiError { cpu }) }
    }

    fn idle(&self, irq: Masked) {
        match self.board.upgrade() {
            // No handle is kept while it sleeps.
            Some(board) if !board.has_alarm() => engine::look_again(),
            _ => {}
        }
        engine::idle();
        drop(irq);
    }
}

impl Clock for HostedScheduler {
    fn now(&self) -> Instant {
        Instant::from_ticks(engine::now().saturating_sub(self.entry))
    }
}

impl SchedulerPort for HostedScheduler {
    fn enable_irq(&self) {
        engine::unmask();
    }

    fn irq_enabled(&self) -> bool {
        !engine::is_masked()
    }
}
