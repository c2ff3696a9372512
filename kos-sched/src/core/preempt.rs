//! When a CPU may leave its task, and when it may halt.

use super::scheduler::Scheduler;
use super::system::System;
use crate::ports::Platform;

impl<S: System> Scheduler<'_, S> {
    /// The running task stays on this CPU until [`preempt_enable`](Self::preempt_enable). Nests.
    #[inline]
    pub fn preempt_disable(&self) {
        let _masked = self.platform.irq_save();
        if let Some((_, slot)) = self.here() {
            slot.set_preempt_depth(slot.preempt_depth().saturating_add(1));
        }
    }

    /// Undoes one [`preempt_disable`](Self::preempt_disable). Whether a pick is due that was put off: then the caller
    /// [reschedules](Self::reschedule) now.
    #[inline]
    #[must_use = "a pick may be due"]
    pub fn preempt_enable(&self) -> bool {
        let _masked = self.platform.irq_save();
        if let Some((_, slot)) = self.here() {
            slot.set_preempt_depth(slot.preempt_depth().saturating_sub(1));
        }
        self.should_preempt()
    }

    /// Whether this CPU should [reschedule](Self::reschedule) now: asked on the way out of an interrupt, and after anything that
    /// may have woken a task.
    #[inline]
    #[must_use]
    pub fn should_preempt(&self) -> bool {
        let _masked = self.platform.irq_save();
        let Some((_, slot)) = self.here() else { return false };
        let preemptible = self.config.preemptive || slot.running().is_none();
        slot.has_work() && slot.preempt_depth() == 0 && preemptible
    }

    /// Whether there is something to do for this CPU, which idles: then it reschedules.
    #[inline]
    #[must_use]
    pub fn has_work(&self) -> bool {
        let _masked = self.platform.irq_save();
        self.here().is_some_and(|(_, slot)| slot.has_work())
    }

    /// This CPU, which idles, asks [`has_work`](Self::has_work) again and again from now on: it needs no interrupt.
    #[inline]
    pub fn idle_poll(&self) {
        let _masked = self.platform.irq_save();
        if let Some((_, slot)) = self.here() {
            slot.bell.poll();
        }
    }

    /// This CPU, which idles and has masked interrupts, wants to halt: whether it may. If so it calls
    /// [`Platform::idle`] with its mask, else it reschedules.
    #[inline]
    #[must_use = "the CPU polls no more"]
    pub fn idle_may_halt(&self) -> bool {
        let Some((_, slot)) = self.here() else { return false };
        // An interrupt that cannot be sent keeps the CPU awake: nobody else would try again.
        slot.bell.may_halt(|| slot.has_work()) && self.retry_unsent(slot)
    }
}
