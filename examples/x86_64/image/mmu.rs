//! What the page tables need of this machine: sight of their frames, and TLBs that forget.

use core::convert::Infallible;
use core::ptr::NonNull;

use kos_paging::{FlushSet, PhysAddr, PhysMapper, Scope, TlbFlush};
use kos_x86_64::layout::DIRECT_MAP;
use kos_x86_64::shootdown::{self, Stale};
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

use crate::address::pointer;
use crate::boot_info::BootInfo;
use crate::env::IrqGuard;
use crate::metal::Metal;
use crate::{percpu, space};

/// Physical memory through the direct map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysicalMap(pub(crate) Option<&'static BootInfo>);

// SAFETY: usable memory is mapped, at its address plus a constant, for ever: its first 4 GiB by the boot tables, all of it by
// the final ones; until those stand, no table lies above. Nobody but the paging code uses the frames of tables.
unsafe impl PhysMapper for PhysicalMap {
    fn table(&self, frame: PhysAddr, _bytes: usize) -> Option<NonNull<u8>> {
        // Every table of this machine's format is 4 KiB.
        self.0.filter(|boot| boot.is_memory(frame.get()))?;
        NonNull::new(pointer(DIRECT_MAP + frame.get()))
    }
}

/// The TLBs of all CPUs that run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlbs(pub(crate) &'static Metal);

// SAFETY: every CPU in the set of those online, the caller included, has invalidated when `shoot` returns. A CPU that comes
// online drops all that it read before, once it is in the set ([`Metal::come_online`]).
unsafe impl TlbFlush for Tlbs {
    type Error = Infallible;

    fn flush(&self, set: &FlushSet) -> Result<(), Infallible> {
        let _masked = IrqGuard::new();
        shootdown::shoot(self.0, percpu::number(), self.0.online().iter(), stale(set));
        Ok(())
    }
}

/// A request holds one range: more than one is everything.
pub(crate) fn stale(set: &FlushSet) -> Stale {
    let (Scope::Pages(pages), [range]) = (set.scope(), set.ranges()) else { return Stale::All };
    let first = range.range().first().get() & !(range.leaf_bytes() - 1);
    Stale::Pages { first, stride: range.leaf_bytes(), count: pages.count() as u64 }
}

/// Makes this CPU forget. CR4.PGE is off, so loading CR3 drops everything; INVLPG drops cached entries above the leaf too.
pub(crate) fn invalidate(stale: Stale) {
    match stale {
        Stale::All => tlb::flush_all(),
        Stale::Request(request) => space::serve(request),
        Stale::Pages { first, stride, count } => {
            for page in 0..count {
                let address = first.wrapping_add(page.wrapping_mul(stride));
                tlb::flush(VirtAddr::new_truncate(address));
            }
        }
    }
}
