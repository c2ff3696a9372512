//! Copy on write: a child that has all that its parent has, or no child.
//!
//! The child is built first, read-only where it shares; only when it is complete do the parent's writable entries become
//! read-only, with one flush. Pages that are pinned are copied at once: a device goes on with the parent's.

use super::error::{FaultError, ForkError};
use super::frame_meta::FrameMeta;
use super::ports::{Pager, SpaceEnv, SpaceId};
use super::pt::{PageTable, PtError, attrs_of, page_bytes};
use super::remap::unshare;
use super::set::VmaSet;
use super::state::{Class, State, pages_of};
use super::vma::{Behaviour, Vma, range};
use crate::addr::VirtRange;
use crate::attrs::Flags;
use crate::format::Level;
use crate::walk::Mapping;

impl<E: SpaceEnv> State<E> {
    /// See [`Space::fork`](super::Space::fork).
    pub(super) fn fork(&mut self, id: SpaceId) -> Result<Self, ForkError> {
        let pt = PageTable::new(&self.env, id).map_err(ForkError::Create)?;
        let mut child = Self::new(self.env.clone(), id, pt, self.config);
        child.heap = self.heap;
        // On failure, dropping the child gives all that it has back.
        self.fill_child(&mut child)?;
        self.protect_shared()?;
        Ok(child)
    }

    fn fill_child(&self, child: &mut Self) -> Result<(), ForkError> {
        let page = page_bytes::<E>();
        child.set.reserve(&child.env, self.set.len() + VmaSet::<E::Object>::ROOM)?;
        for vma in self.set.iter().filter(|vma| !vma.behaviour.contains(Behaviour::DONT_FORK)) {
            if let Some(backing) = &vma.backing {
                backing.object.attach(child.id, vma.range.bytes() / page)?;
            }
            child.set.add(vma.clone());
            for run in self.pt.runs(vma.first(), vma.last()) {
                self.give_run(child, vma, &run?)?;
            }
        }
        child.set.trim(&child.env);
        Ok(())
    }

    /// Gives a run of a mapping to the child: shared, but for pinned pages of private memory.
    fn give_run(&self, child: &mut Self, vma: &Vma<E::Object>, run: &Mapping) -> Result<(), PtError> {
        let (last, mut first) = (run.range.last().get(), run.range.first().get());
        let writable = run.attrs.flags.contains(Flags::WRITE);
        // A page that the object has is nobody's own: a write goes to a copy of it, with or without the child.
        let own = |meta: &FrameMeta| meta.pins() > 0 && (writable || !meta.is_object());
        let pinned = |phys| !vma.is_shared() && self.env.meta(phys).is_some_and(own);
        for (at, phys) in pages_of::<E>(run, first, last) {
            if pinned(phys) {
                child.take_run(vma, run, first, at)?;
                child.take_copy(vma, at, phys)?;
                first = at + page_bytes::<E>();
            }
        }
        match last.checked_add(1) {
            Some(end) => child.take_run(vma, run, first, end),
            None => child.take_run(vma, run, first, last),
        }
    }

    /// Maps the pages of a run from `first` to before `end`, without the right to write where a write must stay private.
    fn take_run(&mut self, vma: &Vma<E::Object>, run: &Mapping, first: u64, end: u64) -> Result<(), PtError> {
        if first >= end {
            return Ok(());
        }
        let last = (end - 1).min(run.range.last().get());
        let part = part_of(run, first, last);
        let writable = run.attrs.flags & Flags::WRITE;
        let rights = if vma.is_shared() {
            (vma.rights - Flags::WRITE) | (writable & vma.rights)
        } else {
            vma.rights - Flags::WRITE
        };
        self.share_run(&part)?;
        let most = if run.level > Level::PAGE { run.level } else { Level::PAGE };
        if let Err(cause) = self.pt.map(part.range, part.phys, attrs_of(vma, rights), most) {
            unshare(&self.env, pages_of::<E>(&part, first, last));
            return Err(cause);
        }
        for (_, phys) in pages_of::<E>(&part, first, last) {
            if let Some(meta) = self.env.meta(phys) {
                let class = Class::of(vma, meta);
                self.count(class, 1);
            }
        }
        Ok(())
    }

    fn take_copy(
        &mut self,
        vma: &Vma<E::Object>,
        at: u64,
        phys: crate::addr::PhysAddr,
    ) -> Result<(), PtError> {
        let out = |_: super::fault::Refused<E>| PtError::OutOfFrames;
        let frame = self.copied(phys).map_err(out)?;
        self.install(vma, at, frame, vma.rights).map_err(|cause| match cause {
            FaultError::Walk(cause) => PtError::Walk(cause),
            FaultError::Stuck => PtError::Stuck,
            _ => PtError::OutOfFrames,
        })
    }

    /// Takes the right to write from every private page. Whole leaves: nothing has to be split.
    fn protect_shared(&mut self) -> Result<(), PtError> {
        let mut touched: Option<VirtRange> = None;
        let all = self.config.range;
        let mut next = Some(all.first().get());
        while let Some(found) = next.and_then(|next| self.run_in_one_mapping(next, all.last().get())) {
            let (run, vma) = found?;
            next = run.range.last().get().checked_add(1);
            let private = !vma.is_shared() && !vma.behaviour.contains(Behaviour::DONT_FORK);
            if !private || !run.attrs.flags.contains(Flags::WRITE) {
                continue;
            }
            let whole = self.whole_leaves(run.range)?;
            let mut attrs = run.attrs;
            attrs.flags -= Flags::WRITE;
            let _ = self.pt.protect(whole, attrs)?;
            let first = touched.map_or(whole.first(), |touched| touched.first().min(whole.first()));
            let last = touched.map_or(whole.last(), |touched| touched.last().max(whole.last()));
            touched = Some(range(first.get(), last.get()));
        }
        touched.map_or(Ok(()), |touched| self.pt.flush(touched))
    }

    /// The leaves that have the two ends of a range, and all between them.
    fn whole_leaves(&self, inner: VirtRange) -> Result<VirtRange, PtError> {
        let (first, last) = (self.pt.look(inner.first().get())?, self.pt.look(inner.last().get())?);
        let first = first.map_or(inner.first(), |leaf| leaf.range.first());
        let last = last.map_or(inner.last(), |leaf| leaf.range.last());
        Ok(range(first.get(), last.get()))
    }
}

/// The pages of a run between two addresses.
fn part_of(run: &Mapping, first: u64, last: u64) -> Mapping {
    let phys = super::pt::page_of(run, first);
    Mapping { range: range(first, last), phys, ..*run }
}

impl From<PtError> for ForkError {
    fn from(error: PtError) -> Self {
        match error {
            PtError::OutOfFrames => Self::OutOfFrames,
            PtError::Stuck => Self::Stuck,
            PtError::Walk(cause) => Self::Walk(cause),
        }
    }
}

impl From<crate::ports::OutOfFrames> for ForkError {
    fn from(_: crate::ports::OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}
