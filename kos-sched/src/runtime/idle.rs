//! The idle loop: [`Runtime::run_idle`].

use super::scheduler::Runtime;
use super::system::RuntimeSystem;
use crate::ports::Platform;

impl<R: RuntimeSystem> Runtime<R> {
    /// What a CPU does when it has nothing to do, and from where it runs everything else. Called once on each CPU, on the
    /// stack that it booted with, after [`online`](crate::Scheduler::online), with interrupts enabled.
    pub fn run_idle(&self) -> ! {
        loop {
            self.idle_once();
        }
    }

    /// One turn of [`run_idle`](Self::run_idle), for a CPU that does something else between turns: waits for an interrupt unless
    /// there is work, and then runs tasks until there are none.
    pub fn idle_once(&self) {
        let (sched, platform) = (self.scheduler(), self.scheduler().platform());
        sched.idle_poll();
        let _found = (0..R::IDLE_POLLS).any(|_| sched.has_work());
        let masked = platform.irq_save();
        // This also ends the polling: a CPU that runs a task must be interrupted.
        if sched.idle_may_halt() {
            platform.idle(masked);
        } else {
            drop(masked);
        }
        while sched.has_work() {
            self.carry_out(sched.reschedule(self.now()));
        }
    }
}
