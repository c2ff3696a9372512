//! Memory that comes or goes while the machine runs: [`Zones::add`], [`Zones::reserve`].

use core::sync::atomic::Ordering;

use super::super::region::{ENTRY, Managed};
use super::super::{Backend, Buddy, Grow, InitError, NotAdded, ReserveError};
use super::Zones;
use super::table::Table;
use crate::ports::Env;
use crate::types::FrameRange;

impl<'m, E: Env> Zones<'m, E> {
    /// Words of storage for [`add`](Self::add) of the same range.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add), except for the storage.
    pub fn words_with(&self, added: FrameRange) -> Result<usize, InitError> {
        let (table, index) = self.zone_for(added)?;
        let grown = self.look(index, |core| core.buddy.words_with(added));
        grown.unwrap_or_else(|| {
            let words = Buddy::words_for(table.settings().buddy, Managed::new(&[added], &[])?)?;
            words.checked_add(ENTRY).ok_or(InitError::TooLarge)
        })
    }

    /// Manages `added` too, all of it free, and gives back the storage that its zone used before: none if the zone was
    /// empty. Watermarks and lowmem reserves follow. Frames that no live bit covers go through the lock and never rest
    /// with a CPU.
    ///
    /// Holds the zone's lock while its books move: a millisecond or so for each 64 GiB.
    /// [`span`](crate::FrameAlloc::span) may grow: who made tables of its size gets frames beyond them.
    ///
    /// # Errors
    ///
    /// [`NotAdded`] with the storage: as for [`Grow::add`], and if `added` does not lie in one zone; nothing changes then.
    ///
    /// # Safety
    ///
    /// Nobody else uses the frames of `added`.
    pub unsafe fn add(
        &self,
        storage: &'m mut [u64],
        added: FrameRange,
    ) -> Result<[&'m mut [u64]; 2], NotAdded<'m>> {
        let (table, index) = match self.zone_for(added) {
            Ok(found) => found,
            Err(reason) => return Err(NotAdded { reason, storage }),
        };
        let Some(slot) = self.slots.get(index) else {
            return Err(NotAdded { reason: InitError::NotReady, storage });
        };
        let given = slot.add(&self.env.irq_save(), table.settings().buddy, storage, added)?;
        self.populated.fetch_or(1 << index, Ordering::Release);
        self.set_watermarks(table);
        Ok(given)
    }

    /// Takes `range`, all of it free, out of management for good: it is counted as reserved, and a later free of it is
    /// refused as not managed. What rests with CPUs is asked for first.
    ///
    /// # Errors
    ///
    /// [`ReserveError`], also for a range in two zones; nothing changes then.
    pub fn reserve(&self, range: FrameRange) -> Result<(), ReserveError> {
        let table = self.table.get().ok_or(ReserveError::NotReady)?;
        let slot = self.slot_of(table, range).ok_or(ReserveError::NotManaged(range))?;
        let local = slot.local.get().ok_or(ReserveError::NotManaged(range))?;
        let attempt = || {
            let reserved = slot.with(&self.env.irq_save(), |core| core.buddy.reserve(range));
            reserved.unwrap_or(Err(ReserveError::NotManaged(range)))
        };
        match attempt() {
            Err(failed @ ReserveError::InUse(_)) if !local.live.any(range) => {
                self.after_draining(true, failed, attempt)
            }
            other => other,
        }?;
        self.set_watermarks(table);
        Ok(())
    }

    /// The zone to which `added` belongs.
    fn zone_for(&self, added: FrameRange) -> Result<(&Table, usize), InitError> {
        let table = self.table.get().ok_or(InitError::NotReady)?;
        Ok((table, table.zone_of(added).ok_or(InitError::OutsideZone(added))?))
    }
}
