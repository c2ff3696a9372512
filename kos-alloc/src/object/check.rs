//! The invariants of an object cache.

use super::cache::ObjectCache;
use super::place::Places;
use crate::error::Corruption;
use crate::ports::{Construct, Env, FrameAlloc};
use crate::slab::{Bin, Slab};
use crate::types::Pfn;

impl<T: Send, E: Env, F: FrameAlloc, C: Construct<T>> ObjectCache<T, E, F, C> {
    /// Walks the slabs that have a free object, with the lock held: for tests and self-tests.
    ///
    /// # Errors
    ///
    /// The first [`Corruption`] found.
    pub fn check(&self) -> Result<(), Corruption> {
        self.bin.with(|bin| self.check_bin(bin))
    }

    fn check_bin(&self, bin: &Bin) -> Result<(), Corruption> {
        let (mut slabs, mut live) = (0, 0);
        for first in [bin.partial().first(), bin.empty().first()] {
            for slab in core::iter::successors(first, |slab| slab.next()) {
                self.check_slab(slab)?;
                slabs += 1;
                live += slab.live() as usize;
            }
        }
        let full = bin.slabs().saturating_sub(slabs);
        let possible = live + full..=live + full * Places::<T, E>::OBJECTS;
        if slabs <= bin.slabs() && possible.contains(&bin.live()) {
            Ok(())
        } else {
            Err(Corruption { what: "objects in use must be those of the slabs", frame: Pfn(0) })
        }
    }

    fn check_slab(&self, slab: Slab) -> Result<(), Corruption> {
        let env = self.bin.env();
        let frame = env.direct_map().frame_of(slab.base().addr().get(), E::PAGE_SHIFT).unwrap_or(Pfn(0));
        if !slab.is_sound(env.secret()) {
            return Err(Corruption {
                what: "the head of a slab of objects must be as it was written",
                frame,
            });
        }
        let geometry = Places::<T, E>::of_objects(Places::<T, E>::objects(slab));
        if !slab.is_consistent(&geometry) {
            return Err(Corruption { what: "a slab of objects must count its free ones", frame });
        }
        Ok(())
    }
}
