//! What the page tables need of this machine: sight of their frames, and TLBs that forget.

use core::convert::Infallible;
use core::ptr::NonNull;

use kos_paging::{FlushSet, PhysAddr, PhysMapper, Scope, TlbFlush};
use kos_x86_64::layout::DIRECT_MAP;
use kos_x86_64::shootdown::{self, Stale};
use x86_64::VirtAddr;
use x86_64::instructions::tlb::{self, InvPcidCommand};
use x86_64::registers::control::{Cr3, Cr4, Cr4Flags};

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

/// Makes this CPU forget, of the kernel's half or what a request says.
pub(crate) fn invalidate(stale: Stale) {
    match stale {
        Stale::Request(request) => space::serve(request),
        // INVLPG drops entries above the leaf of the current number only, and all numbers have the kernel's half.
        Stale::Pages { first, stride, count } if !has_numbers() => forget_pages(first, stride, count),
        Stale::All | Stale::Pages { .. } => forget_everything(),
    }
}

/// Makes this CPU forget, of the programs' half of the space that it has loaded.
pub(crate) fn invalidate_loaded(stale: Stale) {
    match stale {
        Stale::Pages { first, stride, count } => forget_pages(first, stride, count),
        Stale::All | Stale::Request(_) => {
            let (root, number) = Cr3::read_raw();
            // SAFETY: what is loaded is loaded again.
            unsafe { Cr3::write_raw(root, number) };
        }
    }
}

/// Forgets all, of every space and of the kernel. Intel SDM volume 3, section 4.10.4.1.
pub(crate) fn forget_everything() {
    let flags = Cr4::read();
    if flags.contains(Cr4Flags::PCID) {
        // SAFETY: the CPU has INVPCID, else numbers would be off.
        unsafe { tlb::flush_pcid(InvPcidCommand::All) };
    } else if flags.contains(Cr4Flags::PAGE_GLOBAL) {
        // SAFETY: global pages are lost and found again.
        unsafe { Cr4::write(flags - Cr4Flags::PAGE_GLOBAL) };
        // SAFETY: as it was.
        unsafe { Cr4::write(flags) };
    } else {
        tlb::flush_all();
    }
}

/// Whether this CPU tells spaces apart by numbers.
pub(crate) fn has_numbers() -> bool {
    Cr4::read().contains(Cr4Flags::PCID)
}

/// Forgets pages of the space that is loaded, global or not, and entries above them.
fn forget_pages(first: u64, stride: u64, count: u64) {
    for page in 0..count {
        tlb::flush(VirtAddr::new_truncate(first.wrapping_add(page.wrapping_mul(stride))));
    }
}
