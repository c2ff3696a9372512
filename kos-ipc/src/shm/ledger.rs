//! Which segments there are and what of them is mapped, under the table's lock: [`Ledger`].
//!
//! ```text
//!  FREE -> RESERVED -> MAPPED -> LEAVING -> FREE of the next generation
//!            |  ^- the kernel maps  ^- the kernel unmaps
//!            └--> FREE of the same generation, which nobody was told of
//! ```
//!
//! Invariants:
//! 1. An entry that is not free has a reference to its segment, counts as one of its `mappings`, and, if it may be written through, as one
//!    of its `writable`.
//! 2. No entry is writable beside the write seal; no entry ends behind its segment's size.
//! 3. A number is told when its entry is MAPPED, and never comes back.

use core::ops::Range;

use super::error::{MapError, ResizeError, SealError};
use super::seal::Seals;
use super::slot::{MappingId, MappingSlot, NONE, SegmentSlot, State, Unmap};
use crate::cap::Bond;
use crate::ports::{Access, SharedMemory};
use crate::sync::{Bug, seeded};

/// What is asked to be mapped.
pub(super) struct Request<'a, S: SharedMemory> {
    pub(super) segment: u32,
    pub(super) place: &'a S::Place,
    pub(super) range: Range<usize>,
    pub(super) access: Access,
    pub(super) page: usize,
    pub(super) bond: Bond,
}

/// What is left of a segment that is gone.
pub(super) struct Remains<S: SharedMemory> {
    pub(super) object: Option<S::Object>,
    pub(super) size: usize,
    pub(super) payer: u32,
}

/// What the lock guards.
pub(super) struct Ledger<'m, S: SharedMemory> {
    pub(super) segments: &'m mut [SegmentSlot<S>],
    free_segment: u32,
    pub(super) mappings: &'m mut [MappingSlot<S>],
    free_mapping: u32,
}

impl<'m, S: SharedMemory> Ledger<'m, S> {
    /// Everything is free. What was in the slots goes; the generations stay.
    pub(super) fn new(segments: &'m mut [SegmentSlot<S>], mappings: &'m mut [MappingSlot<S>]) -> Self {
        let (mut free_segment, mut free_mapping) = (NONE, NONE);
        for (number, slot) in (0..NONE).zip(segments.iter_mut()) {
            let next = core::mem::replace(&mut free_segment, number);
            *slot = SegmentSlot { next, ..SegmentSlot::new() };
        }
        for (number, slot) in (0..NONE).zip(mappings.iter_mut()) {
            let used = slot.state != State::Free;
            let generation = slot.generation.saturating_add(u32::from(used));
            *slot = MappingSlot { generation, ..MappingSlot::new() };
            if generation < u32::MAX {
                slot.next = core::mem::replace(&mut free_mapping, number);
            }
        }
        Self { segments, free_segment, mappings, free_mapping }
    }

    fn segment(&mut self, number: u32) -> Option<&mut SegmentSlot<S>> {
        self.segments.get_mut(number as usize)
    }

    fn entry(&mut self, id: MappingId, state: State) -> Option<&mut MappingSlot<S>> {
        let slot = self.mappings.get_mut(id.slot as usize);
        slot.filter(|slot| slot.generation == id.generation && slot.state == state)
    }

    /// Takes a slot for a segment, without an object yet.
    pub(super) fn take_segment(&mut self, size: usize, payer: u32) -> Option<u32> {
        let number = self.free_segment;
        let slot = self.segment(number)?;
        let next = slot.next;
        *slot = SegmentSlot { size, payer, ..SegmentSlot::new() };
        self.free_segment = next;
        Some(number)
    }

    pub(super) fn set_object(&mut self, number: u32, object: S::Object) {
        if let Some(slot) = self.segment(number) {
            slot.object = Some(object);
        }
    }

    /// Frees the slot of a segment to which there is no reference any more.
    pub(super) fn end_segment(&mut self, number: u32) -> Option<Remains<S>> {
        let next = self.free_segment;
        let slot = self.segment(number)?;
        let old = core::mem::replace(slot, SegmentSlot { next, ..SegmentSlot::new() });
        self.free_segment = number;
        Some(Remains { object: old.object, size: old.size, payer: old.payer })
    }

    pub(super) fn size(&self, number: u32) -> usize {
        self.segments.get(number as usize).map_or(0, |slot| slot.size)
    }

    pub(super) fn seals(&self, number: u32) -> Seals {
        self.segments.get(number as usize).map_or(Seals::empty(), |slot| slot.seals)
    }

    pub(super) fn mapped(&self, number: u32) -> usize {
        self.segments.get(number as usize).map_or(0, |slot| slot.mappings)
    }

    pub(super) fn writable(&self, number: u32) -> usize {
        self.segments.get(number as usize).map_or(0, |slot| slot.writable)
    }

    pub(super) fn seal(&mut self, number: u32, seals: Seals) -> Result<(), SealError> {
        let Some(slot) = self.segment(number) else { return Ok(()) };
        if slot.resizing {
            return Err(SealError::Busy);
        }
        if seals.contains(Seals::WRITE) && slot.writable > 0 && !seeded(Bug::SealedInTwoSteps) {
            return Err(SealError::MappedWritable { count: slot.writable });
        }
        slot.seals |= seals;
        Ok(())
    }

    /// Reserves an entry, of which nobody is told yet. The segment's object, and the entry.
    pub(super) fn reserve(
        &mut self,
        request: &Request<'_, S>,
    ) -> Result<(S::Object, MappingId), MapError<S>> {
        let (number, free) = (self.free_mapping, self.free_mapping as usize);
        let Request { segment, range, access, .. } = request;
        let slot = self.segment(*segment).ok_or(MapError::NoSegment)?;
        let whole = range.start.is_multiple_of(request.page) && range.end.is_multiple_of(request.page);
        if !whole || range.start >= range.end || range.end > slot.size {
            return Err(MapError::OutOfRange { size: slot.size });
        }
        let writes = access.contains(Access::WRITE);
        if writes && slot.seals.contains(Seals::WRITE) {
            return Err(MapError::Sealed(Seals::WRITE));
        }
        let object = slot.object.clone().ok_or(MapError::NoSegment)?;
        let Some(entry) = self.mappings.get_mut(free) else { return Err(MapError::Full) };
        self.free_mapping = entry.next;
        let generation = entry.generation;
        *entry = MappingSlot {
            state: State::Reserved,
            generation,
            segment: *segment,
            place: Some(request.place.clone()),
            range: range.clone(),
            access: *access,
            bond: request.bond,
            next: NONE,
        };
        if let Some(slot) = self.segment(*segment) {
            slot.mappings += 1;
            slot.writable += usize::from(writes);
        }
        Ok((object, MappingId { slot: number, generation }))
    }

    /// Makes a reserved entry one that is told of.
    pub(super) fn set_mapped(&mut self, id: MappingId) {
        if let Some(entry) = self.entry(id, State::Reserved) {
            entry.state = State::Mapped;
        }
    }

    /// Frees a reserved entry under its old generation. Its place, to be dropped without the lock.
    pub(super) fn undo(&mut self, id: MappingId) -> Option<S::Place> {
        let place = self.entry(id, State::Reserved)?.place.take();
        self.free(id, 0);
        place
    }

    /// Begins to unmap an entry in `state`.
    pub(super) fn leave(&mut self, id: MappingId, state: State) -> Option<Unmap<S>> {
        let entry = self.entry(id, state)?;
        let place = entry.place.take()?;
        entry.state = State::Leaving;
        Some(Unmap { id, place, range: entry.range.clone() })
    }

    /// Frees an entry that was unmapped: of which segment it was, and its bond.
    pub(super) fn left(&mut self, id: MappingId) -> Option<(u32, Bond)> {
        let entry = self.entry(id, State::Leaving)?;
        let found = (entry.segment, entry.bond);
        self.free(id, 1);
        Some(found)
    }

    /// Frees an entry. One whose generations are used up is never used again.
    fn free(&mut self, id: MappingId, uses: u32) {
        let next = self.free_mapping;
        let Some(entry) = self.mappings.get_mut(id.slot as usize) else { return };
        let (segment, writes) = (entry.segment, entry.access.contains(Access::WRITE));
        let generation = entry.generation.saturating_add(uses);
        *entry = MappingSlot { next, generation, ..MappingSlot::new() };
        if generation < u32::MAX {
            self.free_mapping = id.slot;
        }
        if let Some(slot) = self.segment(segment) {
            slot.mappings = slot.mappings.saturating_sub(1);
            slot.writable = slot.writable.saturating_sub(usize::from(writes));
        }
    }

    /// Begins to change a size: the object, the old size and who pays.
    pub(super) fn begin_resize<M>(
        &mut self,
        number: u32,
        to: usize,
    ) -> Result<(S::Object, usize, u32), ResizeError<M>> {
        let slot = self.segment(number).ok_or(ResizeError::Busy)?;
        let (grows, shrinks) = (to > slot.size, to < slot.size);
        if slot.resizing {
            return Err(ResizeError::Busy);
        }
        let against = if grows { Seals::GROW } else { Seals::SHRINK };
        if (grows || shrinks) && slot.seals.contains(against) {
            return Err(ResizeError::Sealed(against));
        }
        if shrinks && slot.mappings > 0 {
            return Err(ResizeError::Mapped { count: slot.mappings });
        }
        let object = slot.object.clone().ok_or(ResizeError::Busy)?;
        let from = slot.size;
        slot.size = if seeded(Bug::ShrunkLate) { from } else { to.min(from) };
        slot.resizing = true;
        Ok((object, from, slot.payer))
    }

    pub(super) fn end_resize(&mut self, number: u32, size: usize) {
        if let Some(slot) = self.segment(number) {
            (slot.size, slot.resizing) = (size, false);
        }
    }
}
