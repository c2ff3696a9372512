//! Which sectors of the disk belong to whom: [`Claims`]. A mounted file system has its own until it is gone, which may be later than
//! `umount`; who writes to the device beside it is refused.
//!
//! Invariant: claims that live do not overlap. One that is dropped ends at once, without the lock.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use kos_vfs::Errno;
use lock_api::{Mutex, RawMutex};

/// Sectors that are somebody's while this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    sectors: Range<u64>,
}

impl Claim {
    fn overlaps(&self, sectors: &Range<u64>) -> bool {
        let (first, end) = (self.sectors.start.max(sectors.start), self.sectors.end.min(sectors.end));
        first < end
    }
}

/// The claims on one disk, some of which may have ended.
#[derive(Debug, Default)]
struct Held(Vec<Weak<Claim>>);

impl Held {
    fn claim(&mut self, sectors: Range<u64>, room: impl FnOnce() -> bool) -> Result<Arc<Claim>, Errno> {
        self.0.retain(|claim| claim.strong_count() > 0);
        if self.is_taken(&sectors) {
            return Err(Errno::EBUSY);
        }
        self.0.try_reserve(1).ok().filter(|()| room()).ok_or(Errno::ENOMEM)?;
        let claim = Arc::new(Claim { sectors });
        self.0.push(Arc::downgrade(&claim));
        Ok(claim)
    }

    fn is_taken(&self, sectors: &Range<u64>) -> bool {
        self.0.iter().filter_map(Weak::upgrade).any(|claim| claim.overlaps(sectors))
    }
}

/// The claims on one disk, behind a lock.
pub(crate) struct Claims<R> {
    held: Mutex<R, Held>,
}

impl<R: RawMutex> Claims<R> {
    /// Nobody has anything.
    pub(crate) const fn new() -> Self {
        Self { held: Mutex::new(Held(Vec::new())) }
    }

    /// Takes sectors, none of which is taken; `room` says whether there is memory for a claim.
    ///
    /// # Errors
    /// [`Errno::EBUSY`]: one of them is. [`Errno::ENOMEM`]
    pub(crate) fn claim(
        &self,
        sectors: Range<u64>,
        room: impl FnOnce() -> bool,
    ) -> Result<Arc<Claim>, Errno> {
        self.held.lock().claim(sectors, room)
    }

    /// Does `work`, during which nobody takes anything, unless one of the sectors is taken.
    ///
    /// # Errors
    /// [`Errno::EBUSY`]: one of them is.
    pub(crate) fn unless_taken<T>(&self, sectors: &Range<u64>, work: impl FnOnce() -> T) -> Result<T, Errno> {
        let held = self.held.lock();
        if held.is_taken(sectors) { Err(Errno::EBUSY) } else { Ok(work()) }
    }
}

impl<R> fmt::Debug for Claims<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_that_is_not_there_claims_nothing() {
        let mut held = Held::default();
        assert_eq!(held.claim(0..8, || false).map(drop), Err(Errno::ENOMEM));
        assert!(!held.is_taken(&(0..8)));
    }

    proptest! {
        /// Against one owner a sector.
        #[test]
        fn a_sector_has_one_owner(
            steps in prop::collection::vec((0..3_u8, 0..24_u64, 0..9_u64, 0..8_usize), 1..60),
        ) {
            let (mut claims, mut alive) = (Held::default(), Vec::<(Range<u64>, Arc<Claim>)>::new());
            for (step, first, count, which) in steps {
                let sectors = first..first + count;
                let taken = alive.iter().any(|(one, _)| sectors.clone().any(|sector| one.contains(&sector)));
                match step {
                    0 => match claims.claim(sectors.clone(), || true) {
                        Ok(claim) => {
                            prop_assert!(!taken);
                            alive.push((sectors, claim));
                        }
                        Err(error) => prop_assert_eq!((taken, error), (true, Errno::EBUSY)),
                    },
                    1 => prop_assert_eq!(claims.is_taken(&sectors), taken),
                    _ if which < alive.len() => drop(alive.swap_remove(which)),
                    _ => {}
                }
            }
        }
    }
}
