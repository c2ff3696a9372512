//! page-table-generic: it brings no entry format, so it gets x86_64's, written as plainly as possible.

use page_table_generic::{
    FrameAllocator, MapConfig, PageTable, PageTableEntry, PhysAddr, TableMeta, UnmapConfig, VirtAddr,
};

use crate::harness::must;
use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const HUGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
struct Entry(u64);

impl PageTableEntry for Entry {
    type PteConfig = u64;

    #[inline]
    fn new_page(physical: PhysAddr, flags: u64, huge: bool) -> Self {
        Self(physical.as_usize() as u64 | flags | if huge { HUGE } else { 0 })
    }

    #[inline]
    fn new_table(physical: PhysAddr) -> Self {
        Self(physical.as_usize() as u64 | PRESENT | WRITABLE)
    }

    #[inline]
    fn paddr(&self, _: bool) -> PhysAddr {
        PhysAddr::from((self.0 & ADDRESS) as usize)
    }

    #[inline]
    fn config(&self, _: bool) -> u64 {
        self.0 & !ADDRESS
    }

    #[inline]
    fn present(&self) -> bool {
        self.0 & PRESENT != 0
    }

    #[inline]
    fn huge(&self, directory: bool) -> bool {
        directory && self.0 & HUGE != 0
    }

    #[inline]
    fn unused(&self) -> bool {
        self.0 == 0
    }

    #[inline]
    fn clear(&mut self) {
        self.0 = 0;
    }
}

#[derive(Clone, Copy)]
struct Long;

impl TableMeta for Long {
    type P = Entry;
    const PAGE_SIZE: usize = 4096;
    const LEVEL_BITS: &[usize] = &[9, 9, 9, 9];
    const MAX_BLOCK_LEVEL: usize = 3;

    #[inline]
    fn flush(_: Option<VirtAddr>) {}
}

#[derive(Clone, Copy)]
struct Pool;

impl FrameAllocator for Pool {
    #[inline]
    fn alloc_frame(&self) -> Option<PhysAddr> {
        Some(PhysAddr::from(pool::take()))
    }

    #[inline]
    fn dealloc_frame(&self, frame: PhysAddr) {
        pool::give(frame.as_usize());
    }

    #[inline]
    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(address.as_usize())
    }
}

/// `PageTable`.
pub(super) struct Generic(PageTable<Long, Pool>);

fn flags(writable: bool) -> u64 {
    PRESENT | NO_EXECUTE | if writable { WRITABLE } else { 0 }
}

impl Tables for Generic {
    fn new() -> Self {
        Self(must(PageTable::new(Pool).ok()))
    }

    fn map(&mut self, leaf: Leaf) {
        let config = MapConfig {
            vaddr: VirtAddr::from(VIRTUAL),
            paddr: PhysAddr::from(PHYSICAL),
            size: BYTES,
            pte: flags(true),
            allow_huge: leaf == Leaf::Huge,
            flush: false,
        };
        must(self.0.map(&config).ok());
    }

    fn unmap(&mut self, _: Leaf) {
        let config = UnmapConfig { start_vaddr: VirtAddr::from(VIRTUAL), size: BYTES, flush: false };
        must(self.0.unmap_with_config(&config).ok());
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        must(self.0.protect_region(VirtAddr::from(VIRTUAL), BYTES, flags(writable)).ok());
    }

    #[inline]
    fn translate(&self, address: usize) -> Option<usize> {
        self.0.translate_phys(VirtAddr::from(address)).ok().map(|physical| physical.as_usize())
    }
}
