//! Mapping, unmapping and the heap: attach and reserve first, the old mapping goes only on success.

use super::error::SpaceError;
use super::ports::{Pager, SpaceEnv};
use super::pt::{attrs_of, page_bytes};
use super::state::{RIGHTS, State};
use super::tree::Room;
use super::vma::{Backing, Behaviour, Kind, Vma, range};
use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::error::RangeError;

/// Where a mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Place {
    /// At the lowest address with room.
    #[default]
    Lowest,
    /// At this address if it is free, else at the lowest above it, else at the lowest.
    Hint(VirtAddr),
    /// At this address; what was there goes.
    Fixed(VirtAddr),
    /// At this address, which must be free.
    FixedNoReplace(VirtAddr),
}

/// What is to be mapped.
#[derive(Clone, Debug)]
pub struct MapRequest<O> {
    bytes: u64,
    place: Place,
    align: u64,
    rights: Flags,
    limit: Flags,
    kind: Kind,
    behaviour: Behaviour,
    backing: Option<Backing<O>>,
}

impl<O> MapRequest<O> {
    /// Private memory of zeros, `bytes` long, with these rights, at the lowest address with room.
    #[must_use]
    pub const fn new(bytes: u64, rights: Flags) -> Self {
        let (place, kind, behaviour) = (Place::Lowest, Kind::User, Behaviour::empty());
        Self { bytes, place, align: 1, rights, limit: RIGHTS, kind, behaviour, backing: None }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The same, at a multiple of `align`, a power of two, where the space may choose: for huge pages.
    #[must_use]
    pub fn aligned(self, align: u64) -> Self {
        Self { align, ..self }
    }

    /// The same, for this purpose.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same, behaving so too.
    #[must_use]
    pub fn behaving(self, behaviour: Behaviour) -> Self {
        Self { behaviour: self.behaviour.union(behaviour), ..self }
    }

    /// The same, with these rights at most, now and after any [`protect`](super::Space::protect).
    #[must_use]
    pub fn limited_to(self, limit: Flags) -> Self {
        Self { limit, ..self }
    }

    /// The same, showing `object` from the byte at `offset` on; writes stay private.
    #[must_use]
    pub fn showing(self, object: O, offset: u64) -> Self {
        Self { backing: Some(Backing { object, offset }), ..self }
    }

    /// The same, with writes that go to the object.
    #[must_use]
    pub fn shared(self) -> Self {
        self.behaving(Behaviour::SHARED)
    }
}

impl<E: SpaceEnv> State<E> {
    pub(super) fn map(&mut self, request: MapRequest<E::Object>) -> Result<VirtRange, SpaceError> {
        let place = self.place(&request)?;
        let vma = self.proposed(request, place)?;
        let (first, last) = (vma.first(), vma.last());
        self.quota(first, last, vma.range.bytes())?;
        self.reserve(first, last, 1)?;
        let result = self.commit_map(vma).map(|()| place);
        self.settle(result)
    }

    /// The last steps that can fail, each undone by the one before.
    fn commit_map(&mut self, vma: Vma<E::Object>) -> Result<(), SpaceError> {
        let pages = vma.range.bytes() / page_bytes::<E>();
        if let Some(backing) = &vma.backing {
            backing.object.attach(self.id, pages).map_err(|_| SpaceError::OutOfFrames)?;
        }
        if let Err(cause) = self.drop_pages(vma.first(), vma.last()) {
            vma.backing.iter().for_each(|backing| backing.object.detach(self.id, pages));
            return Err(cause.into());
        }
        self.drop_vmas(vma.first(), vma.last());
        self.set.add(vma);
        Ok(())
    }

    /// The mapping that is asked for, if it may be.
    fn proposed(
        &self,
        request: MapRequest<E::Object>,
        place: VirtRange,
    ) -> Result<Vma<E::Object>, SpaceError> {
        let MapRequest { rights, limit, kind, behaviour, backing, .. } = request;
        self.allowed(place.first().get(), rights, limit)?;
        let limit = self.limit(rights, limit);
        if behaviour.contains(Behaviour::SHARED) && backing.is_none() {
            return Err(SpaceError::NoObject);
        }
        if let Some(Backing { offset, .. }) = backing
            && (!offset.is_multiple_of(page_bytes::<E>()) || offset.checked_add(place.bytes()).is_none())
        {
            return Err(SpaceError::Offset { offset });
        }
        let vma = Vma { range: place, rights, limit, kind, behaviour, backing };
        self.pt.express(attrs_of(&vma, rights)).map_err(SpaceError::Attr)?;
        Ok(vma)
    }

    fn place(&self, request: &MapRequest<E::Object>) -> Result<VirtRange, SpaceError> {
        let bytes = request.bytes;
        let allowed = self.config.range;
        match request.place {
            Place::Fixed(at) => self.pages(at, bytes),
            Place::FixedNoReplace(at) => {
                let wanted = self.pages(at, bytes)?;
                self.free(wanted).map(|()| wanted)
            }
            Place::Hint(at) => {
                let wanted = self.pages(at, bytes);
                if let Ok(wanted) = wanted
                    && self.free(wanted).is_ok()
                {
                    return Ok(wanted);
                }
                let page = page_bytes::<E>();
                let lowest = VirtAddr::new(at.get().max(allowed.first().get()) & !(page - 1));
                self.lowest(bytes, request.align, lowest).or_else(|_| self.lowest_free(bytes))
            }
            Place::Lowest => self.lowest(bytes, request.align, allowed.first()),
        }
    }

    /// Nothing is in the range, nor does it reach into the gap below a stack.
    pub(super) fn free(&self, wanted: VirtRange) -> Result<(), SpaceError> {
        let (first, last) = (wanted.first().get(), wanted.last().get());
        if self.set.is_free(first, last) {
            return Ok(());
        }
        // Nothing is mapped there, but the gap of a stack above is.
        let guarded = |vma: &Vma<E::Object>| if vma.first() > last { first } else { vma.first().max(first) };
        let at = self.set.at_or_after(first).map_or(first, guarded);
        Err(SpaceError::Occupied { at: VirtAddr::new(at) })
    }

    pub(super) fn lowest_free(&self, bytes: u64) -> Result<VirtRange, SpaceError> {
        self.lowest(bytes, 1, self.config.range.first())
    }

    fn lowest(&self, bytes: u64, align: u64, lowest: VirtAddr) -> Result<VirtRange, SpaceError> {
        if bytes == 0 {
            return Err(SpaceError::Range(RangeError::Empty));
        }
        let highest = self.config.range.last().get();
        let align = if align.is_power_of_two() { align } else { 1 };
        let room = Room { bytes, align, lowest: lowest.get(), highest };
        let first = self.set.lowest_free(room).ok_or(SpaceError::NoRoom { bytes })?;
        self.pages(VirtAddr::new(first), bytes)
    }

    /// Whether as many bytes may be mapped when what is in the range has gone.
    pub(super) fn quota(&self, first: u64, last: u64, bytes: u64) -> Result<(), SpaceError> {
        let part = |vma: &Vma<E::Object>| vma.last().min(last) - vma.first().max(first) + 1;
        let gone: u64 = self.set.in_range(first, last).map(part).sum();
        let limit = self.config.max_bytes;
        if (self.set.bytes() - gone).saturating_add(bytes) > limit {
            return Err(SpaceError::TooManyBytes { limit });
        }
        Ok(())
    }

    pub(super) fn unmap(&mut self, wanted: VirtRange) -> Result<(), SpaceError> {
        let wanted = self.pages(wanted.first(), wanted.bytes())?;
        let (first, last) = (wanted.first().get(), wanted.last().get());
        self.reserve_hole(first, last)?;
        let result = self.drop_pages(first, last).map_err(SpaceError::from);
        if result.is_ok() {
            self.drop_vmas(first, last);
        }
        self.settle(result)
    }

    /// Room to unmap a range: only cutting one mapping in two adds one.
    fn reserve_hole(&mut self, first: u64, last: u64) -> Result<(), SpaceError> {
        let one = self.set.find(first).is_some_and(|vma| vma.first() < first && vma.last() > last);
        if one && self.set.len() >= self.config.max_vmas {
            return Err(SpaceError::TooManyMappings { limit: self.config.max_vmas });
        }
        self.set
            .reserve(&self.env, super::set::VmaSet::<E::Object>::ROOM)
            .map_err(|_| SpaceError::OutOfFrames)
    }

    /// Makes the heap begin, and end, at `base`.
    pub(super) fn set_heap(&mut self, base: VirtAddr) -> Result<(), SpaceError> {
        let _ = self.pages(base, page_bytes::<E>())?;
        self.heap = Some((base.get(), base.get()));
        Ok(())
    }

    /// Makes the heap end at `end`; memory comes and goes in whole pages.
    pub(super) fn brk(&mut self, end: VirtAddr) -> Result<VirtAddr, SpaceError> {
        let (base, old) = self.heap.ok_or(SpaceError::NoHeap)?;
        let end = end.get();
        if end < base {
            return Err(SpaceError::OutOfBounds { at: VirtAddr::new(end) });
        }
        let page = page_bytes::<E>();
        let out = SpaceError::OutOfBounds { at: VirtAddr::new(end) };
        let (top, new) = (old.next_multiple_of(page), end.checked_next_multiple_of(page).ok_or(out)?);
        if new > top {
            let request = MapRequest::new(new - top, Flags::READ | Flags::WRITE);
            self.map(request.of_kind(Kind::Heap).at(Place::FixedNoReplace(VirtAddr::new(top))))?;
        } else if new < top {
            self.unmap(range(new, top - 1))?;
        }
        self.heap = Some((base, end));
        Ok(VirtAddr::new(end))
    }
}
