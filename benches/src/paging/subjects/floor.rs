//! The floor: what the stores and loads alone cost, without an interface, a check or a walk.

use core::ptr::with_exposed_provenance_mut;

use crate::paging::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, pool};

const ENTRIES: usize = 512;
const FLAGS: usize = 1 << 63 | 0b11;
pub(super) const WRITABLE: usize = 0b10;

/// The tables of the lowest level, in order.
pub(super) struct Floor {
    tables: Vec<&'static mut [usize; ENTRIES]>,
    leaf: Leaf,
}

impl Floor {
    /// All leaves, in order.
    pub(super) fn entries(&mut self) -> impl Iterator<Item = &mut usize> {
        self.tables.iter_mut().flat_map(|table| table.iter_mut())
    }
}

impl Tables for Floor {
    fn new() -> Self {
        Self { tables: Vec::with_capacity(Leaf::Page.count() / ENTRIES), leaf: Leaf::Page }
    }

    fn map(&mut self, leaf: Leaf) {
        self.leaf = leaf;
        let mut physical = PHYSICAL;
        for _ in 0..leaf.count() / ENTRIES {
            let table: *mut [usize; ENTRIES] = with_exposed_provenance_mut(pool::take());
            // SAFETY: a frame of the pool, written before, ours alone until it is given back.
            let table = unsafe { &mut *table };
            for entry in &mut *table {
                *entry = physical | FLAGS;
                physical += leaf.bytes();
            }
            self.tables.push(table);
        }
    }

    fn unmap(&mut self, _: Leaf) {
        for table in self.tables.drain(..) {
            table.fill(core::hint::black_box(0));
            pool::give(core::ptr::from_mut(table).expose_provenance());
        }
    }

    fn protect(&mut self, _: Leaf, writable: bool) {
        for entry in self.entries() {
            *entry = if writable { *entry | WRITABLE } else { *entry & !WRITABLE };
        }
    }

    #[inline]
    fn translate(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(VIRTUAL).filter(|offset| *offset < BYTES)?;
        let index = offset / self.leaf.bytes();
        let entry = *self.tables.get(index / ENTRIES)?.get(index % ENTRIES)?;
        Some((entry & 0x000f_ffff_ffff_f000) + offset % self.leaf.bytes())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.unmap(self.leaf);
    }
}
