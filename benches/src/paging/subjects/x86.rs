//! x86_64: `OffsetPageTable`, with physical memory at its own address.

use core::ptr::with_exposed_provenance_mut;

use x86_64::structures::paging::mapper::CleanUp;
use x86_64::structures::paging::{
    FrameAllocator, FrameDeallocator, Mapper, OffsetPageTable, Page, PageSize, PageTable, PageTableFlags,
    PhysFrame, Size2MiB, Size4KiB, Translate,
};
use x86_64::{PhysAddr, VirtAddr};

use crate::harness::must;
use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

struct Pool;

// SAFETY: the pool hands out each frame once.
unsafe impl FrameAllocator<Size4KiB> for Pool {
    #[inline]
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        PhysFrame::from_start_address(PhysAddr::new(pool::take() as u64)).ok()
    }
}

impl FrameDeallocator<Size4KiB> for Pool {
    #[inline]
    unsafe fn deallocate_frame(&mut self, frame: PhysFrame) {
        pool::give(address(frame.start_address()));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the benchmark runs on 64 bits")]
fn address(physical: PhysAddr) -> usize {
    physical.as_u64() as usize
}

/// Unmaps page by page; tables stay until they are dropped.
pub(super) struct Kept {
    mapper: OffsetPageTable<'static>,
}

fn flags(writable: bool) -> PageTableFlags {
    let flags = PageTableFlags::PRESENT | PageTableFlags::NO_EXECUTE;
    if writable { flags | PageTableFlags::WRITABLE } else { flags }
}

fn pages<S: PageSize>() -> impl Iterator<Item = Page<S>> {
    let start = must(Page::from_start_address(VirtAddr::new(VIRTUAL as u64)).ok());
    Page::range(start, start + BYTES as u64 / S::SIZE)
}

impl Kept {
    fn map_sized<S: PageSize>(&mut self)
    where
        OffsetPageTable<'static>: Mapper<S>,
    {
        let first = must(PhysFrame::<S>::from_start_address(PhysAddr::new(PHYSICAL as u64)).ok());
        for (page, frame) in pages::<S>().zip(PhysFrame::range(first, first + BYTES as u64 / S::SIZE)) {
            // SAFETY: nobody uses the address space.
            must(unsafe { self.mapper.map_to(page, frame, flags(true), &mut Pool) }.ok()).ignore();
        }
    }

    fn unmap_sized<S: PageSize>(&mut self)
    where
        OffsetPageTable<'static>: Mapper<S>,
    {
        for page in pages::<S>() {
            must(self.mapper.unmap(page).ok()).1.ignore();
        }
    }

    fn protect_sized<S: PageSize>(&mut self, writable: bool)
    where
        OffsetPageTable<'static>: Mapper<S>,
    {
        for page in pages::<S>() {
            // SAFETY: nobody uses the address space.
            must(unsafe { self.mapper.update_flags(page, flags(writable)) }.ok()).ignore();
        }
    }
}

impl Tables for Kept {
    fn new() -> Self {
        let root: *mut PageTable = with_exposed_provenance_mut(pool::take());
        // SAFETY: a frame of the pool, ours alone until it is given back.
        unsafe { root.write(PageTable::new()) };
        // SAFETY: just written; it lives as long as the pool.
        let root = unsafe { &mut *root };
        // SAFETY: physical addresses are the addresses of the pool's frames.
        Self { mapper: unsafe { OffsetPageTable::new(root, VirtAddr::new(0)) } }
    }

    fn map(&mut self, leaf: Leaf) {
        match leaf {
            Leaf::Page => self.map_sized::<Size4KiB>(),
            Leaf::Huge => self.map_sized::<Size2MiB>(),
        }
    }

    fn unmap(&mut self, leaf: Leaf) {
        match leaf {
            Leaf::Page => self.unmap_sized::<Size4KiB>(),
            Leaf::Huge => self.unmap_sized::<Size2MiB>(),
        }
    }

    fn protect(&mut self, leaf: Leaf, writable: bool) {
        match leaf {
            Leaf::Page => self.protect_sized::<Size4KiB>(writable),
            Leaf::Huge => self.protect_sized::<Size2MiB>(writable),
        }
    }

    #[inline]
    fn translate(&self, virtual_address: usize) -> Option<usize> {
        self.mapper.translate_addr(VirtAddr::new(virtual_address as u64)).map(address)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let root: *const PageTable = self.mapper.level_4_table();
        give_back(root, 3);
    }
}

/// Gives `table` and the `below` levels of tables under it back.
fn give_back(table: *const PageTable, below: u32) {
    if below > 0 {
        // SAFETY: a table of this address space, which nobody uses any more.
        for entry in unsafe { &*table }.iter() {
            if entry.flags().contains(PageTableFlags::PRESENT)
                && !entry.flags().contains(PageTableFlags::HUGE_PAGE)
            {
                give_back(with_exposed_provenance_mut(address(entry.addr())), below - 1);
            }
        }
    }
    pool::give(table.addr());
}

/// The same, and emptied tables are given back.
pub(super) struct Freed(Kept);

impl Tables for Freed {
    fn new() -> Self {
        Self(Kept::new())
    }

    fn map(&mut self, leaf: Leaf) {
        self.0.map(leaf);
    }

    fn unmap(&mut self, leaf: Leaf) {
        self.0.unmap(leaf);
        let first = Page::containing_address(VirtAddr::new(VIRTUAL as u64));
        let last = Page::containing_address(VirtAddr::new((VIRTUAL + BYTES - 1) as u64));
        // SAFETY: nobody uses the address space, so nobody uses its tables.
        unsafe { self.0.mapper.clean_up_addr_range(Page::range_inclusive(first, last), &mut Pool) };
    }

    fn protect(&mut self, leaf: Leaf, writable: bool) {
        self.0.protect(leaf, writable);
    }

    #[inline]
    fn translate(&self, virtual_address: usize) -> Option<usize> {
        self.0.translate(virtual_address)
    }
}
