//! A board as the programs see it: one CPU, a lock that does nothing, 64 KiB of memory at a fixed address.
#![no_std]

use core::ptr::NonNull;

use kos_alloc::{CpuIndex, DirectMap, Env, FrameRange, Pfn};

/// Where the board has its memory.
pub const MEMORY: usize = 0x2000_0000;

/// The board.
pub struct Board;

/// One CPU whose interrupts never allocate: nothing to exclude.
pub struct NoLock;

// SAFETY: only ever linked, never run.
unsafe impl lock_api::RawMutex for NoLock {
    const INIT: Self = Self;
    type GuardMarker = lock_api::GuardNoSend;
    fn lock(&self) {}
    fn try_lock(&self) -> bool {
        true
    }
    unsafe fn unlock(&self) {}
}

// SAFETY: only ever linked, never run.
unsafe impl Env for Board {
    type Lock = NoLock;
    type Irq = ();
    fn irq_save(&self) {}
    fn cpu(&self) -> Option<CpuIndex> {
        Some(CpuIndex(0))
    }
    fn direct_map(&self) -> DirectMap {
        let base = NonNull::new(core::ptr::with_exposed_provenance_mut(MEMORY)).unwrap_or(NonNull::dangling());
        DirectMap::new(base, FrameRange::between(Pfn(MEMORY >> 12), Pfn((MEMORY >> 12) + 256)))
    }
    fn secret(&self) -> u64 {
        0x5eed
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
