//! [`FpuUnit`]: the FPU registers of a CPU, and whose they are.
#![expect(unsafe_code, reason = "loading registers is the promise of the caller that nobody else needs them")]

use super::area::FpuArea;
use crate::cpu::CpuId;

/// Where the registers of the task that leaves are saved. It depends on what the kernel's own code may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveAt {
    /// At trap entry: the kernel uses FPU registers itself. What it has in them at a switch is saved by its compiler, and by
    /// the trap entry that interrupted it.
    Entry,
    /// At the switch: the kernel is compiled without FPU registers, so they are the task's all the time.
    Switch,
}

/// The FPU registers of one CPU. The kernel calls each method at its place, and [`SaveAt`] says which of them act.
#[derive(Debug)]
pub struct FpuUnit {
    cpu: CpuId,
    save_at: SaveAt,
    /// How often the registers were loaded, so which load they stem from.
    pub(super) loads: u64,
}

impl FpuUnit {
    /// The unit of `cpu`.
    #[must_use]
    pub const fn new(cpu: CpuId, save_at: SaveAt) -> Self {
        Self { cpu, save_at, loads: 0 }
    }

    /// On the way from a task into the kernel, before the kernel uses an FPU register.
    #[inline(always)]
    pub fn trap_entry(&mut self, task: &mut FpuArea<'_>) {
        if self.save_at == SaveAt::Entry {
            task.save();
        }
    }

    /// On the way back into a task, after the kernel's last use of an FPU register.
    ///
    /// # Safety
    /// The code that runs next is that of `task`, on the CPU of this unit.
    #[inline(always)]
    pub unsafe fn trap_exit(&mut self, task: &mut FpuArea<'_>) {
        if self.save_at == SaveAt::Entry {
            // SAFETY: the caller's promise.
            unsafe { task.restore() };
        }
    }

    /// Right before the switch of stacks from `prev` to `next`. `None` is a task that never uses the FPU, such as idle; after
    /// it the same task finds its registers as it left them, and nothing is loaded.
    ///
    /// # Safety
    /// It runs on the CPU of this unit, with interrupts masked. With [`SaveAt::Switch`] the registers are those of `prev`,
    /// and the code from here to that of `next` uses none; of a layout [`beyond_sse`](super::FpuLayout::beyond_sse) that goes
    /// for its registers only.
    #[inline(always)]
    pub unsafe fn switch(&mut self, prev: Option<&mut FpuArea<'_>>, next: Option<&mut FpuArea<'_>>) {
        if self.save_at == SaveAt::Entry {
            return;
        }
        if let Some(prev) = prev {
            prev.save();
        }
        if let Some(next) = next
            && next.loaded != Some((self.cpu, self.loads))
        {
            // SAFETY: the caller's promise.
            unsafe { self.load(next) };
        }
    }

    /// Loads the state of `task`, for one that was reset or changed while it runs.
    ///
    /// # Safety
    /// It runs on the CPU of this unit, with interrupts masked, and the code that runs next is that of `task` or uses no FPU
    /// register before it.
    #[inline(always)]
    pub unsafe fn load(&mut self, task: &mut FpuArea<'_>) {
        self.loads += 1;
        task.loaded = Some((self.cpu, self.loads));
        // SAFETY: the caller's promise.
        unsafe { task.restore() };
    }
}
