//! aarch64-paging: `Mapping` of the EL1&0 regime, inactive, so that it invalidates nothing.

use core::ptr::{NonNull, with_exposed_provenance_mut};

use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{Descriptor, El1Attributes, PhysicalAddress, UpdatableDescriptor};
use aarch64_paging::paging::{
    Constraints, El1And0, LEAF_LEVEL, MemoryRegion, PageTable, Translation, VaRange,
};

use crate::harness::must;
use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

struct Pool;

impl Translation<El1Attributes> for Pool {
    #[inline]
    fn allocate_table(&mut self) -> (NonNull<PageTable<El1Attributes>>, PhysicalAddress) {
        let frame = pool::take();
        let table: *mut u8 = with_exposed_provenance_mut(frame);
        // SAFETY: a frame of the pool, ours alone until it is given back.
        unsafe { table.write_bytes(0, pool::FRAME) };
        (must(NonNull::new(table.cast())), PhysicalAddress(frame))
    }

    #[inline]
    unsafe fn deallocate_table(&mut self, table: NonNull<PageTable<El1Attributes>>) {
        pool::give(table.addr().get());
    }

    #[inline]
    fn physical_to_virtual(&self, physical: PhysicalAddress) -> NonNull<PageTable<El1Attributes>> {
        must(NonNull::new(with_exposed_provenance_mut(physical.0)))
    }
}

/// `Mapping`.
pub(super) struct Aarch64(Mapping<Pool, El1And0>);

const RANGE: MemoryRegion = MemoryRegion::new(VIRTUAL, VIRTUAL + BYTES);

fn attributes() -> El1Attributes {
    El1Attributes::VALID
        | El1Attributes::ACCESSED
        | El1Attributes::ATTRIBUTE_INDEX_1
        | El1Attributes::INNER_SHAREABLE
        | El1Attributes::PXN
        | El1Attributes::UXN
}

impl Tables for Aarch64 {
    fn new() -> Self {
        Self(Mapping::with_asid_and_va_range(Pool, 0, 0, El1And0, VaRange::Lower))
    }

    fn map(&mut self, leaf: Leaf) {
        let constraints = match leaf {
            Leaf::Page => Constraints::NO_BLOCK_MAPPINGS,
            Leaf::Huge => Constraints::empty(),
        };
        must(self.0.map_range(&RANGE, PhysicalAddress(PHYSICAL), attributes(), constraints).ok());
    }

    fn unmap(&mut self, _: Leaf) {
        let nothing = El1Attributes::empty();
        must(self.0.map_range(&RANGE, PhysicalAddress(0), nothing, Constraints::empty()).ok());
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        let read_only = El1Attributes::READ_ONLY;
        let (set, clear) =
            if writable { (El1Attributes::empty(), read_only) } else { (read_only, El1Attributes::empty()) };
        let change = |_: &MemoryRegion, entry: &mut UpdatableDescriptor<'_, El1Attributes>| {
            if entry.is_table() { Ok(()) } else { entry.modify_flags(set, clear) }
        };
        must(self.0.modify_range(&RANGE, &change).ok());
    }

    #[inline]
    fn translate(&self, address: usize) -> Option<usize> {
        let mut physical = None;
        let page = MemoryRegion::new(address & !0xfff, (address & !0xfff) + 1);
        let mut found = |_: &MemoryRegion, entry: &Descriptor<El1Attributes>, level: usize| {
            let bytes = 1_usize << (12 + 9 * (LEAF_LEVEL - level));
            physical = entry.is_valid().then(|| entry.output_address().0 + (address & (bytes - 1)));
            Ok(())
        };
        self.0.walk_range(&page, &mut found).ok()?;
        physical
    }
}
