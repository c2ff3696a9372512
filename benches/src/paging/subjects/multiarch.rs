//! page_table_multiarch: `X64PageTable` through its cursor.

use page_table_multiarch::x86_64::X64PageTable;
use page_table_multiarch::{MappingFlags, PagingHandler};

use crate::harness::must;
use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

// The crate's addresses come from a crate that it does not re-export.
type PhysAddr = memory_addr::PhysAddr;
type VirtAddr = memory_addr::VirtAddr;

struct Pool;

impl PagingHandler for Pool {
    #[inline]
    fn alloc_frame() -> Option<PhysAddr> {
        Some(PhysAddr::from(pool::take()))
    }

    fn alloc_frames(count: usize, _: usize) -> Option<PhysAddr> {
        if count == 1 { Self::alloc_frame() } else { None }
    }

    #[inline]
    fn dealloc_frame(frame: PhysAddr) {
        pool::give(frame.as_usize());
    }

    fn dealloc_frames(frame: PhysAddr, _: usize) {
        Self::dealloc_frame(frame);
    }

    #[inline]
    fn phys_to_virt(address: PhysAddr) -> VirtAddr {
        VirtAddr::from(address.as_usize())
    }
}

/// `X64PageTable`.
pub(super) struct Multiarch(X64PageTable<Pool>);

fn flags(writable: bool) -> MappingFlags {
    if writable { MappingFlags::READ | MappingFlags::WRITE } else { MappingFlags::READ }
}

impl Tables for Multiarch {
    fn new() -> Self {
        Self(must(X64PageTable::try_new().ok()))
    }

    fn map(&mut self, leaf: Leaf) {
        let physical = |address: VirtAddr| PhysAddr::from(address.as_usize() - VIRTUAL + PHYSICAL);
        let start = VirtAddr::from(VIRTUAL);
        must(self.0.cursor().map_region(start, physical, BYTES, flags(true), leaf == Leaf::Huge).ok());
    }

    fn unmap(&mut self, _: Leaf) {
        must(self.0.cursor().unmap_region(VirtAddr::from(VIRTUAL), BYTES).ok());
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        must(self.0.cursor().protect_region(VirtAddr::from(VIRTUAL), BYTES, flags(writable)).ok());
    }

    #[inline]
    fn translate(&self, address: usize) -> Option<usize> {
        self.0.query(VirtAddr::from(address)).ok().map(|(physical, ..)| physical.as_usize())
    }
}
