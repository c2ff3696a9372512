//! Making a mapping shorter, longer, or moving it.

use super::error::SpaceError;
use super::frame_meta::FrameRef;
use super::map::{MapRequest, Place};
use super::ports::{Pager, SpaceEnv};
use super::pt::{PtError, page_bytes};
use super::state::{Class, State, pages_of};
use super::vma::{Backing, Vma, range};
use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::format::Level;
use crate::walk::Mapping;

/// Where a mapping may go when its length changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// It stays where it is.
    No,
    /// It stays if it can, else it goes where there is room.
    May,
    /// It goes to this address, which must be free: unmap what is there first.
    To(VirtAddr),
}

impl<E: SpaceEnv> State<E> {
    pub(super) fn remap(&mut self, old: VirtRange, bytes: u64, go: Move) -> Result<VirtRange, SpaceError> {
        let old = self.pages(old.first(), old.bytes())?;
        let vma = self.one_mapping(old)?;
        if let Move::To(at) = go {
            let target = self.pages(at, bytes)?;
            self.free(target)?;
            return self.move_to(old, &vma, target);
        }
        let wanted = match self.pages(old.first(), bytes) {
            Err(SpaceError::OutOfBounds { .. }) if go == Move::May => {
                return self.move_away(old, &vma, bytes);
            }
            wanted => wanted?,
        };
        if bytes <= old.bytes() {
            return match wanted.last().checked_add(1).filter(|behind| *behind <= old.last()) {
                Some(behind) => self.unmap(range(behind.get(), old.last().get())).map(|()| wanted),
                None => Ok(old),
            };
        }
        let tail = range(old.last().get() + 1, wanted.last().get());
        match self.free(tail) {
            Ok(()) => self.extend(&vma, tail).map(|()| wanted),
            Err(_) if go == Move::May => self.move_away(old, &vma, bytes),
            Err(cause) => Err(cause),
        }
    }

    /// The mapping that has the whole range.
    fn one_mapping(&self, wanted: VirtRange) -> Result<Vma<E::Object>, SpaceError> {
        self.covered(wanted)?;
        let vma = self.set.find(wanted.first().get()).ok_or(SpaceError::Hole { at: wanted.first() })?;
        if vma.last() < wanted.last().get() {
            return Err(SpaceError::NotOneMapping { at: VirtAddr::new(vma.last() + 1) });
        }
        Ok(vma.clone())
    }

    /// Maps what is free behind a mapping like it.
    fn extend(&mut self, vma: &Vma<E::Object>, tail: VirtRange) -> Result<(), SpaceError> {
        let request = MapRequest::new(tail.bytes(), vma.rights).limited_to(vma.limit);
        let request = request.of_kind(vma.kind).behaving(vma.behaviour);
        let request = match &vma.backing {
            Some(Backing { object, offset }) => request.showing(object.clone(), offset + vma.range.bytes()),
            None => request,
        };
        self.map(request.at(Place::FixedNoReplace(tail.first()))).map(drop)
    }

    fn move_away(
        &mut self,
        old: VirtRange,
        vma: &Vma<E::Object>,
        bytes: u64,
    ) -> Result<VirtRange, SpaceError> {
        let target = self.lowest_free(bytes)?;
        self.move_to(old, vma, target)
    }

    /// Maps the new range, lets its entries hold the pages too, then unmaps the old one.
    fn move_to(
        &mut self,
        old: VirtRange,
        vma: &Vma<E::Object>,
        target: VirtRange,
    ) -> Result<VirtRange, SpaceError> {
        let (first, last) = (old.first().get(), old.last().get());
        self.quota(first, last, target.bytes())?;
        self.reserve(first, last, 0)?;
        let offset = vma.offset_of(first);
        let backing =
            vma.backing.as_ref().map(|Backing { object, .. }| Backing { object: object.clone(), offset });
        if let Some(Backing { object, .. }) = &backing
            && object.attach(self.id, target.bytes() / page_bytes::<E>()).is_err()
        {
            return self.settle(Err(SpaceError::OutOfFrames));
        }
        self.set.add(Vma { range: target, backing, ..vma.clone() });
        let result = self.move_pages(old, target);
        self.settle(result.map(|()| target).map_err(SpaceError::from))
    }

    fn move_pages(&mut self, old: VirtRange, new: VirtRange) -> Result<(), PtError> {
        let (first, last) = (old.first().get(), old.last().get());
        let moved = self.copy_entries(old, new).and_then(|()| self.drop_pages(first, last));
        let (gone, result) = match moved {
            Ok(()) => (old, Ok(())),
            // The old entries are there as before, and the new ones have references of their own.
            Err(cause) => (new, self.drop_pages(new.first().get(), new.last().get()).and(Err(cause))),
        };
        // What a stuck CPU may still use stays reserved.
        if result != Err(PtError::Stuck) {
            self.drop_vmas(gone.first().get(), gone.last().get());
        }
        result
    }

    /// Maps the pages of one range in another too.
    fn copy_entries(&mut self, old: VirtRange, new: VirtRange) -> Result<(), PtError> {
        let shift = |at: u64| new.first().get() + (at - old.first().get());
        let last = old.last().get().min(old.first().get() + (new.bytes() - 1));
        let mut next = Some(old.first().get());
        while let Some(run) = next.and_then(|next| self.pt.runs(next, last).next()) {
            let run = run?;
            let end = run.range.last().get();
            next = end.checked_add(1).filter(|next| *next <= last);
            let to = range(shift(run.range.first().get()), shift(end));
            let most = if run.level > Level::PAGE { run.level } else { Level::PAGE };
            let shared = self.set.find(to.first().get()).is_some_and(Vma::is_shared);
            self.share_run(&run)?;
            if let Err(cause) = self.pt.map(to, run.phys, run.attrs, most) {
                unshare(&self.env, pages_of::<E>(&run, run.range.first().get(), end));
                return Err(cause);
            }
            for (_, phys) in pages_of::<E>(&run, run.range.first().get(), end) {
                if let Some(meta) = self.env.meta(phys) {
                    *Class::new(shared, meta).counter(&mut self.stats) += 1;
                }
            }
        }
        Ok(())
    }

    /// Takes one more reference to each frame of a run, or none.
    pub(super) fn share_run(&self, run: &Mapping) -> Result<(), PtError> {
        let (first, last) = (run.range.first().get(), run.range.last().get());
        for (at, phys) in pages_of::<E>(run, first, last) {
            if self.env.meta(phys).is_some_and(|meta| !meta.try_ref()) {
                unshare(&self.env, pages_of::<E>(run, first, last).take_while(|page| page.0 < at));
                return Err(PtError::OutOfFrames);
            }
        }
        Ok(())
    }
}

/// Gives references up that were taken for entries which did not come about.
pub(super) fn unshare<E: SpaceEnv>(env: &E, pages: impl Iterator<Item = (u64, PhysAddr)>) {
    pages
        .filter(|(_, phys)| env.meta(*phys).is_some())
        .for_each(|(_, phys)| FrameRef::adopt(phys).release(env));
}
