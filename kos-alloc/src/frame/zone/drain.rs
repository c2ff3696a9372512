//! What rests with CPUs goes back to the zones: [`Zones::drain_local`].
//!
//! Only its owner touches a cache. Who is out of memory leaves a request in the other caches and kicks their CPUs; each
//! of them drains itself, in the handler of that interrupt or when next it exchanges a batch with a zone.

use super::Zones;
use super::cache::Class;
use super::slot::Slot;
use crate::ports::Env;
use crate::types::CpuIndex;

impl<'m, E: Env> Zones<'m, E> {
    /// Gives back every block that rests with the calling CPU, and returns how many frames that were. For the handler
    /// of [`Env::kick`]; afterwards, on a quiet machine with one CPU, [`histogram`](Self::histogram) shows all that is
    /// free. Interrupts are masked for one batch at a time.
    pub fn drain_local(&self) -> usize {
        self.drain_cpu(|| self.env.cpu())
    }

    /// Gives back every block that rests with the calling CPU, and asks all others to do so. Returns the frames that this
    /// CPU had; what the others have is seen in [`ZoneStats::cached`](super::ZoneStats::cached).
    pub fn drain(&self) -> usize {
        let frames = self.drain_local();
        self.ask_others();
        frames
    }

    /// Gives back every block that rests with `cpu`, which is stopped. Returns how many frames that were.
    ///
    /// # Safety
    ///
    /// `cpu` was not stopped within a call to these zones, and makes none until this returns; nobody else drains it.
    pub unsafe fn drain_parked(&self, cpu: CpuIndex) -> usize {
        self.drain_cpu(|| Some(cpu))
    }

    fn drain_cpu(&self, cpu: impl Fn() -> Option<CpuIndex>) -> usize {
        self.slots.iter().map(|slot| self.drain_slot(slot, &cpu)).sum()
    }

    fn drain_slot(&self, slot: &Slot<'m, E>, cpu: &impl Fn() -> Option<CpuIndex>) -> usize {
        let Some(local) = slot.local.get() else { return 0 };
        let mut frames = 0;
        for class in Class::all() {
            loop {
                let masked = self.env.irq_save();
                let Some(cpu) = cpu() else { return frames };
                local.caches.hear(cpu);
                let Some(stack) = local.caches.stack(cpu, class).filter(|stack| stack.len() > 0) else {
                    break;
                };
                frames += slot.take_back(&masked, &stack);
            }
        }
        frames
    }

    /// Makes `attempt`, which `failed`, again after this CPU gave back what it has, and if `ask` then again after others
    /// were asked to.
    #[cold]
    pub(super) fn after_draining<R, F>(
        &self,
        ask: bool,
        failed: F,
        attempt: impl Fn() -> Result<R, F>,
    ) -> Result<R, F> {
        let mut result = Err(failed);
        if self.drain_local() > 0 {
            result = attempt();
        }
        if result.is_err() && ask && self.ask_others() {
            result = attempt();
        }
        result
    }

    /// Asks every other CPU with which frames rest to give them back; false if there is none.
    fn ask_others(&self) -> bool {
        let masked = self.env.irq_save();
        let own = self.env.cpu();
        drop(masked);
        let mut asked = false;
        for cpu in (0..self.env.cpus()).map(CpuIndex).filter(|&cpu| Some(cpu) != own) {
            if self.ask(cpu) {
                self.env.kick(cpu);
                asked = true;
            }
        }
        asked
    }

    /// Leaves a request with `cpu`, unless nothing rests there.
    fn ask(&self, cpu: CpuIndex) -> bool {
        let locals = self.slots.iter().filter_map(|slot| slot.local.get());
        let resting = locals.filter(|local| local.caches.resting_with(cpu) > 0);
        resting.inspect(|local| local.caches.ask(cpu)).count() > 0
    }
}
