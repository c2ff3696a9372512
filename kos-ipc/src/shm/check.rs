//! The invariants of a table, walked.

use super::Segments;
use super::slot::{MappingSlot, SegmentSlot, State};
use crate::error::Corruption;
use crate::ports::{Env, SharedMemory};

impl<E: Env, S: SharedMemory> Segments<'_, E, S> {
    /// Walks every invariant, with the lock held.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.ledger.with(|ledger| {
            let all = (0..).zip(ledger.segments.iter());
            let mut sound = all.map(|(number, slot)| check_segment(slot, number, ledger.mappings));
            sound.find_map(Result::err).map_or(Ok(()), Err)
        })
    }
}

fn check_segment<S: SharedMemory>(
    slot: &SegmentSlot<S>,
    number: u32,
    mappings: &[MappingSlot<S>],
) -> Result<(), Corruption> {
    let ours = || mappings.iter().filter(|entry| entry.state != State::Free && entry.segment == number);
    let writable = ours().filter(|entry| entry.is_writable()).count();
    if (ours().count(), writable) != slot.counts() {
        return Err(Corruption { what: "mappings of a segment that are not counted, or counted twice" });
    }
    if ours().any(|entry| entry.end() > slot.size()) {
        return Err(Corruption { what: "a mapping that ends behind its segment" });
    }
    if slot.is_write_sealed() && writable > 0 {
        return Err(Corruption { what: "a writable mapping of what is sealed" });
    }
    Ok(())
}
