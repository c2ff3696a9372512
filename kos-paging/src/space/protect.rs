//! Rights, advice and populating: what changes mappings in place.

use super::error::SpaceError;
use super::ports::SpaceEnv;
use super::pt::{PtError, attrs_of};
use super::state::State;
use super::vma::{Behaviour, Vma};
use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::walk::Mapping;

/// What a program says about memory that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Advice {
    /// The content is not needed: private memory reads as zeros, or as its object, from now on.
    DontNeed,
    /// A child gets it, or not.
    Fork(bool),
    /// Huge pages are wanted, unwanted, or as the space has them.
    Huge(Option<bool>),
}

impl<E: SpaceEnv> State<E> {
    pub(super) fn protect(&mut self, wanted: VirtRange, rights: Flags) -> Result<(), SpaceError> {
        let wanted = self.pages(wanted.first(), wanted.bytes())?;
        let (first, last) = (wanted.first().get(), wanted.last().get());
        self.covered(wanted)?;
        for vma in self.set.in_range(first, last) {
            self.allowed(vma.first().max(first), rights, vma.limit)?;
            self.pt.express(attrs_of(vma, rights)).map_err(SpaceError::Attr)?;
        }
        self.reserve(first, last, 0)?;
        let result = self.protect_pages(first, last, rights).map_err(SpaceError::from);
        if result.is_ok() {
            let forgone = Flags::all() - self.limit(rights, Flags::all());
            self.set.change(first, last, |vma| {
                vma.rights = rights;
                vma.limit -= forgone;
            });
        }
        self.settle(result)
    }

    /// Gives resident pages the new rights, but writing only where they had it: a page that is shared since a fork gets
    /// it by a fault.
    ///
    /// Only leaves at the ends of the range can need a split: they are split first, without a change of rights, so that
    /// whatever follows cannot fail.
    fn protect_pages(&mut self, first: u64, last: u64, rights: Flags) -> Result<(), PtError> {
        self.split_at_ends(first, last)?;
        let mut strict = false;
        let mut next = Some(first);
        while let Some(run) = next.and_then(|next| self.run_in_one_mapping(next, last)) {
            let (run, vma) = run?;
            next = run.range.last().get().checked_add(1).filter(|next| *next <= last);
            let had = run.attrs.flags & Flags::WRITE;
            let attrs = attrs_of(&vma, (rights - Flags::WRITE) | (rights & had));
            if attrs != run.attrs {
                strict |= self.pt.protect(run.range, attrs)?;
            }
        }
        if strict { self.pt.flush(super::vma::range(first, last)) } else { Ok(()) }
    }

    /// Makes the edges of the range edges of leaves.
    fn split_at_ends(&mut self, first: u64, last: u64) -> Result<(), PtError> {
        for at in [first, last] {
            let Some(leaf) = self.pt.look(at)? else { continue };
            let inside = leaf.range.first().get() >= first && leaf.range.last().get() <= last;
            if !inside {
                let low = leaf.range.first().get().max(first);
                let part = super::vma::range(low, leaf.range.last().get().min(last));
                self.pt.protect(part, leaf.attrs)?;
            }
        }
        Ok(())
    }

    /// The first run of pages from `at` on, as far as one mapping goes; the mapping without its object.
    pub(super) fn run_in_one_mapping(
        &self,
        at: u64,
        last: u64,
    ) -> Option<Result<(Mapping, Vma<()>), PtError>> {
        if at > last {
            return None;
        }
        let run = match self.pt.runs(at, last).next()? {
            Ok(run) => run,
            Err(cause) => return Some(Err(cause)),
        };
        let vma = self.set.at_or_after(run.range.first().get())?;
        let bare = Vma {
            range: vma.range,
            rights: vma.rights,
            limit: vma.limit,
            kind: vma.kind,
            behaviour: vma.behaviour,
            backing: None,
        };
        let end = run.range.last().min(vma.range.last());
        let range = VirtRange::ordered(run.range.first(), end);
        Some(Ok((Mapping { range, ..run }, bare)))
    }

    pub(super) fn advise(&mut self, wanted: VirtRange, advice: Advice) -> Result<(), SpaceError> {
        let wanted = self.pages(wanted.first(), wanted.bytes())?;
        let (first, last) = (wanted.first().get(), wanted.last().get());
        self.covered(wanted)?;
        let (set, clear) = match advice {
            Advice::DontNeed => return self.drop_pages(first, last).map_err(SpaceError::from),
            Advice::Fork(true) => (Behaviour::empty(), Behaviour::DONT_FORK),
            Advice::Fork(false) => (Behaviour::DONT_FORK, Behaviour::empty()),
            Advice::Huge(Some(true)) => (Behaviour::HUGE, Behaviour::NO_HUGE),
            Advice::Huge(Some(false)) => (Behaviour::NO_HUGE, Behaviour::HUGE),
            Advice::Huge(None) => (Behaviour::empty(), Behaviour::HUGE | Behaviour::NO_HUGE),
        };
        self.reserve(first, last, 0)?;
        self.set.change(first, last, |vma| vma.behaviour = (vma.behaviour - clear) | set);
        self.settle(Ok(()))
    }

    /// Shows each page of a range with whether it is resident.
    pub(super) fn residency(
        &self,
        wanted: VirtRange,
        mut page: impl FnMut(VirtAddr, bool),
    ) -> Result<(), SpaceError> {
        let wanted = self.pages(wanted.first(), wanted.bytes())?;
        self.covered(wanted)?;
        let step = super::pt::page_bytes::<E>();
        let mut next = wanted.first().get();
        let mut show = |next: &mut u64, end: u64, resident: bool| {
            while *next < end {
                page(VirtAddr::new(*next), resident);
                *next += step;
            }
        };
        for run in self.pt.runs(next, wanted.last().get()) {
            let run = run?;
            show(&mut next, run.range.first().get(), false);
            show(&mut next, run.range.last().get().saturating_add(1), true);
        }
        show(&mut next, wanted.last().get().saturating_add(1), false);
        Ok(())
    }
}
