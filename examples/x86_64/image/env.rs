//! What the allocators need of this machine: lock, interrupt mask, CPU number, direct map.

use core::fmt::Write;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use kos_alloc::{CpuIndex, DirectMap, Env, FrameRange, Pfn, Violation};
use kos_x86_64::layout::{DIRECT_MAP, PAGE};
use x86_64::instructions::interrupts;

use crate::address::pointer;
use crate::apic::CALL_VECTOR;
use crate::lock::KernelLock;
use crate::serial::COM1;
use crate::smp;

/// Masks interrupts while it lives.
#[derive(Debug)]
pub(crate) struct IrqGuard {
    were_enabled: bool,
    /// The mask is that of one CPU: the guard must not travel.
    here: PhantomData<*const ()>,
}

impl IrqGuard {
    /// Masks interrupts and remembers whether they were on.
    pub(crate) fn new() -> Self {
        let were_enabled = interrupts::are_enabled();
        interrupts::disable();
        Self { were_enabled, here: PhantomData }
    }
}

impl Drop for IrqGuard {
    fn drop(&mut self) {
        if self.were_enabled {
            interrupts::enable();
        }
    }
}

/// The allocators' view of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetalEnv {
    pub(crate) frames: FrameRange,
    pub(crate) secret: u64,
    pub(crate) cpus: usize,
}

impl MetalEnv {
    /// The view of a machine with so many CPUs whose memory ends at `memory_end`.
    pub(crate) fn new(memory_end: u64, secret: u64, cpus: usize) -> Self {
        let end = usize::try_from(memory_end / PAGE).unwrap_or(0);
        Self { frames: FrameRange::between(Pfn(0), Pfn(end)), secret, cpus }
    }
}

// SAFETY: the lock is a spin lock; the guard masks the interrupts of its CPU; the boot tables map the direct
// map's first 4 GiB and the final tables all of it, and frames above 4 GiB are not handed out before.
unsafe impl Env for MetalEnv {
    type Lock = KernelLock;
    type Irq = IrqGuard;

    fn irq_save(&self) -> IrqGuard {
        IrqGuard::new()
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    fn cpu(&self) -> Option<CpuIndex> {
        Some(smp::index())
    }

    fn kick(&self, cpu: CpuIndex) {
        let metal = crate::metal();
        let Some((number, local)) = u32::try_from(cpu.0).ok().and_then(|cpu| Some((cpu, metal.local(cpu)?)))
        else {
            return;
        };
        local.asked_to_drain.store(true, Relaxed);
        metal.send(number, CALL_VECTOR);
    }

    fn direct_map(&self) -> DirectMap {
        DirectMap::new(NonNull::new(pointer(DIRECT_MAP)).unwrap_or(NonNull::dangling()), self.frames)
    }

    fn secret(&self) -> u64 {
        self.secret
    }

    fn violation(&self, violation: &Violation) {
        // Writing to the serial port cannot fail.
        let _ = writeln!({ COM1 }, "heap: {violation:?}");
    }
}
