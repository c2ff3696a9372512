//! What the page tables need of this machine: sight of their frames, and a TLB that forgets.

use core::convert::Infallible;
use core::ptr::NonNull;

use kos_paging::{FlushSet, PhysAddr, PhysMapper, Scope, TlbControl};
use kos_x86_64::layout::DIRECT_MAP;
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

use crate::address::pointer;
use crate::boot_info::BootInfo;

/// Physical memory through the direct map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysicalMap(pub(crate) Option<&'static BootInfo>);

// SAFETY: usable memory is mapped, at its address plus a constant, for ever: its first 4 GiB by the boot tables, all of it by
// the final ones; until those stand, no table lies above. Nobody but the paging code uses the frames of tables.
unsafe impl PhysMapper for PhysicalMap {
    fn table(&self, frame: PhysAddr) -> Option<NonNull<u8>> {
        self.0.filter(|boot| boot.is_memory(frame.get()))?;
        NonNull::new(pointer(DIRECT_MAP + frame.get()))
    }
}

/// The TLB of the only CPU that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTlb;

// SAFETY: one CPU runs, and each instruction below takes effect at once. CR4.PGE is off, so loading CR3 drops everything;
// INVLPG drops cached entries above the leaf too.
unsafe impl TlbControl for LocalTlb {
    type Error = Infallible;

    fn flush(&self, set: &FlushSet) -> Result<(), Infallible> {
        match set.scope() {
            Scope::Pages(pages) => pages.for_each(|page| tlb::flush(VirtAddr::new_truncate(page.get()))),
            Scope::All { .. } => tlb::flush_all(),
        }
        Ok(())
    }
}
