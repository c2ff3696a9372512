//! `check()`: every invariant of a space, walked.
//!
//! The table is sound; mappings are in order and as few as can be; no page is mapped outside of a mapping or above its
//! rights; a writable private page is nobody else's; the counters equal a recount. That references equal entries, pins
//! and holds can only be seen over all spaces at once: `testing` recounts them.

use super::config::SpaceStats;
use super::error::SpaceCorruption;
use super::ports::SpaceEnv;
use super::pt::{PtError, attrs_of};
use super::state::{Class, State, pages_of};
use super::vma::Vma;
use crate::addr::VirtAddr;
use crate::attrs::Flags;
use crate::walk::Mapping;

impl<E: SpaceEnv> State<E> {
    pub(super) fn check(&self) -> Result<(), SpaceCorruption> {
        self.pt.table().check().map_err(SpaceCorruption::Table)?;
        if !self.set.is_sound() {
            return Err(SpaceCorruption::Mappings);
        }
        let mut found = SpaceStats::default();
        let bounds = self.config.range;
        for run in self.pt.leaves(bounds.first().get(), bounds.last().get()) {
            let run = run.map_err(|cause| match cause {
                PtError::Walk(cause) => SpaceCorruption::Table(crate::error::Corruption::Walk(cause)),
                _ => SpaceCorruption::Mappings,
            })?;
            self.check_run(&run, &mut found)?;
        }
        if self.pt.table().stats().quarantined_bytes > 0 {
            return Ok(());
        }
        let stats = self.stats;
        agree("anon_pages", stats.anon_pages, found.anon_pages)?;
        agree("file_pages", stats.file_pages, found.file_pages)?;
        agree("shared_pages", stats.shared_pages, found.shared_pages)
    }

    fn check_run(&self, run: &Mapping, found: &mut SpaceStats) -> Result<(), SpaceCorruption> {
        let (first, last) = (run.range.first().get(), run.range.last().get());
        if let Some(hole) = self.set.hole(first, last) {
            return Err(SpaceCorruption::StrayPage { at: VirtAddr::new(hole) });
        }
        for vma in self.set.in_range(first, last) {
            let (first, last) = (vma.first().max(first), vma.last().min(last));
            let most = attrs_of(vma, vma.rights);
            if !most.flags.contains(run.attrs.flags) {
                return Err(SpaceCorruption::StrayPage { at: VirtAddr::new(first) });
            }
            for (at, phys) in pages_of::<E>(run, first, last) {
                self.check_page(vma, run, at, phys, found)?;
            }
        }
        Ok(())
    }

    fn check_page(
        &self,
        vma: &Vma<E::Object>,
        run: &Mapping,
        at: u64,
        phys: crate::addr::PhysAddr,
        found: &mut SpaceStats,
    ) -> Result<(), SpaceCorruption> {
        let writable = run.attrs.flags.contains(Flags::WRITE) && !vma.is_shared();
        let sole = match self.env.meta(phys) {
            Some(meta) => {
                *Class::of(vma, meta).counter(found) += 1;
                meta.is_sole()
            }
            None => false,
        };
        if writable && !sole {
            Err(SpaceCorruption::SharedWritable { at: VirtAddr::new(at) })
        } else {
            Ok(())
        }
    }
}

fn agree(counter: &'static str, counted: u64, found: u64) -> Result<(), SpaceCorruption> {
    if counted == found { Ok(()) } else { Err(SpaceCorruption::Miscounted { counter, counted, found }) }
}
