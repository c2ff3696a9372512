//! What the scheduler needs of this machine: mask, number, timer, interrupts, sleep, clock.

use core::hint;

use kos_demo_kernel::platform::SchedulerPort;
use kos_demo_kernel::time::Instant;
use kos_sched::{Clock, CpuId, IpiError, Platform};
use x86_64::instructions::interrupts;

use crate::apic::RESCHEDULE_VECTOR;
use crate::env::IrqGuard;
use crate::metal::Metal;
use crate::{percpu, trap};

impl Platform for &'static Metal {
    type Irq = IrqGuard;

    fn irq_save(&self) -> IrqGuard {
        IrqGuard::new()
    }

    fn cpu(&self) -> CpuId {
        CpuId::new(percpu::number())
    }

    fn arm_timer(&self, at: Option<Instant>) {
        percpu::this().timers.set_event(at.map(|at| at.as_ticks()), self.counter(), self.nanoseconds());
    }

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        if self.send(cpu.get(), RESCHEDULE_VECTOR) { Ok(()) } else { Err(IpiError { cpu }) }
    }

    fn idle(&self, irq: IrqGuard) {
        if self.counter().is_some() {
            interrupts::enable_and_hlt();
        } else {
            // Nothing would end the sleep: the time is looked at.
            hint::spin_loop();
            trap::time_is_up(self);
        }
        drop(irq);
    }
}

impl Clock for &'static Metal {
    fn now(&self) -> Instant {
        Instant::from_ticks(self.nanoseconds())
    }
}

impl SchedulerPort for &'static Metal {
    fn enable_irq(&self) {
        interrupts::enable();
    }

    fn irq_enabled(&self) -> bool {
        interrupts::are_enabled()
    }
}
