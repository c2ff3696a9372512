//! What the lock of a space guards.

use super::config::{Config, SpaceStats};
use super::error::SpaceError;
use super::frame_meta::{FrameMeta, FrameRef};
use super::ports::{Pager, SpaceEnv, SpaceId};
use super::pt::{PageTable, PtError, page_bytes};
use super::set::VmaSet;
use super::vma::{Vma, range};
use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::error::RangeError;
use crate::policy::WxPolicy;
use crate::walk::Mapping;

/// A space behind its lock.
#[derive(Debug)]
pub(super) struct State<E: SpaceEnv> {
    pub(super) env: E,
    pub(super) id: SpaceId,
    pub(super) pt: PageTable<E>,
    pub(super) set: VmaSet<E::Object>,
    pub(super) config: Config,
    pub(super) stats: SpaceStats,
    /// Where the heap begins and ends.
    pub(super) heap: Option<(u64, u64)>,
}

/// As what a resident page is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Anon,
    File,
    Shared,
}

impl Class {
    pub(super) fn of<O>(vma: &Vma<O>, meta: &FrameMeta) -> Self {
        Self::new(vma.is_shared(), meta)
    }

    pub(super) fn new(shared: bool, meta: &FrameMeta) -> Self {
        match (shared, meta.is_object()) {
            (true, _) => Self::Shared,
            (false, true) => Self::File,
            (false, false) => Self::Anon,
        }
    }

    pub(super) fn counter(self, stats: &mut SpaceStats) -> &mut u64 {
        match self {
            Self::Anon => &mut stats.anon_pages,
            Self::File => &mut stats.file_pages,
            Self::Shared => &mut stats.shared_pages,
        }
    }
}

impl<E: SpaceEnv> State<E> {
    pub(super) const fn new(env: E, id: SpaceId, pt: PageTable<E>, config: Config) -> Self {
        let guard = config.guard_pages.saturating_mul(4096);
        Self { env, id, pt, set: VmaSet::new(guard), config, stats: ZERO, heap: None }
    }

    /// A range of whole pages inside of the space.
    pub(super) fn pages(&self, first: VirtAddr, bytes: u64) -> Result<VirtRange, SpaceError> {
        let wanted = VirtRange::new(first, bytes).map_err(SpaceError::Range)?;
        self.aligned(wanted)?;
        let allowed = self.config.range;
        if wanted.first() < allowed.first() {
            return Err(SpaceError::OutOfBounds { at: wanted.first() });
        }
        if wanted.last() > allowed.last() {
            let at =
                if wanted.first() > allowed.last() { wanted.first().get() } else { allowed.last().get() + 1 };
            return Err(SpaceError::OutOfBounds { at: VirtAddr::new(at) });
        }
        Ok(wanted)
    }

    fn aligned(&self, wanted: VirtRange) -> Result<(), SpaceError> {
        let page = page_bytes::<E>();
        let misaligned = |at: VirtAddr| Err(SpaceError::Range(RangeError::Misaligned { at }));
        if !wanted.first().is_aligned(page) {
            return misaligned(wanted.first());
        }
        if !wanted.bytes().is_multiple_of(page) { misaligned(wanted.last()) } else { Ok(()) }
    }

    /// The range has no hole.
    pub(super) fn covered(&self, wanted: VirtRange) -> Result<(), SpaceError> {
        match self.set.hole(wanted.first().get(), wanted.last().get()) {
            Some(hole) => Err(SpaceError::Hole { at: VirtAddr::new(hole) }),
            None => Ok(()),
        }
    }

    /// Makes room for an operation that adds `more` mappings and cuts at the edges of the range.
    pub(super) fn reserve(&mut self, first: u64, last: u64, more: usize) -> Result<(), SpaceError> {
        let most = self.set.len() + self.set.cuts(first, last) + more;
        if most > self.config.max_vmas {
            return Err(SpaceError::TooManyMappings { limit: self.config.max_vmas });
        }
        self.set.reserve(&self.env, VmaSet::<E::Object>::ROOM).map_err(|_| SpaceError::OutOfFrames)
    }

    /// Ends an operation that reserved room, whatever came of it.
    pub(super) fn settle<T>(&mut self, result: T) -> T {
        self.set.trim(&self.env);
        result
    }

    /// Takes resident pages out of the table and gives them up. Mappings stay as they are.
    pub(super) fn drop_pages(&mut self, first: u64, last: u64) -> Result<(), PtError> {
        let Self { env, pt, set, stats, .. } = self;
        pt.unmap(range(first, last), |run| give_up(env, set, stats, &run))
    }

    /// Takes mappings out, whose pages are gone.
    pub(super) fn drop_vmas(&mut self, first: u64, last: u64) {
        let (id, page) = (self.id, page_bytes::<E>());
        self.set.remove(first, last, |vma| {
            if let Some(backing) = &vma.backing {
                backing.object.detach(id, vma.range.bytes() / page);
            }
        });
    }

    /// Counts pages that were mapped.
    pub(super) fn count(&mut self, class: Class, pages: u64) {
        *class.counter(&mut self.stats) += pages;
        self.stats.peak_pages = self.stats.peak_pages.max(self.stats.resident());
    }

    /// The counters, with those that others keep.
    pub(super) fn stats(&self) -> SpaceStats {
        SpaceStats {
            vmas: self.set.len() as u64,
            virtual_bytes: self.set.bytes(),
            tables: self.pt.table().stats().tables,
            vma_frames: self.set.frames() as u64,
            ..self.stats
        }
    }

    /// Rights that the space forbids, or more than the limit.
    pub(super) fn allowed(&self, at: u64, rights: Flags, limit: Flags) -> Result<(), SpaceError> {
        let both = rights.contains(Flags::WRITE | Flags::EXECUTE) && self.config.wx != WxPolicy::Allow;
        if both || !limit.contains(rights) || !RIGHTS.contains(rights) {
            return Err(SpaceError::Denied { at: VirtAddr::new(at), rights });
        }
        Ok(())
    }

    /// What a mapping with these rights may be given later.
    pub(super) fn limit(&self, rights: Flags, limit: Flags) -> Flags {
        let forgone = if self.config.wx == WxPolicy::DenyHistory && !rights.contains(Flags::EXECUTE) {
            Flags::EXECUTE
        } else {
            Flags::empty()
        };
        (limit & RIGHTS) - forgone
    }
}

/// What a mapping may allow.
pub(super) const RIGHTS: Flags = Flags::READ.union(Flags::WRITE).union(Flags::EXECUTE);

const ZERO: SpaceStats = SpaceStats {
    vmas: 0,
    virtual_bytes: 0,
    anon_pages: 0,
    file_pages: 0,
    shared_pages: 0,
    peak_pages: 0,
    tables: 0,
    vma_frames: 0,
    minor_faults: 0,
    major_faults: 0,
    spurious_faults: 0,
    zero_fills: 0,
    cow_copies: 0,
    cow_reuses: 0,
    huge_faults: 0,
    stack_growths: 0,
};

/// Gives up the references of the entries of a run that left the table.
fn give_up<E: SpaceEnv>(env: &E, set: &VmaSet<E::Object>, stats: &mut SpaceStats, run: &Mapping) {
    let (first, last) = (run.range.first().get(), run.range.last().get());
    for vma in set.in_range(first, last) {
        for (at, phys) in pages_of::<E>(run, vma.first().max(first), vma.last().min(last)) {
            let _ = at;
            let Some(meta) = env.meta(phys) else { continue };
            let counter = Class::of(vma, meta).counter(stats);
            *counter = counter.saturating_sub(1);
            FrameRef::adopt(phys).release(env);
        }
    }
}

/// The pages of a run between two addresses, with their frames.
pub(super) fn pages_of<E: SpaceEnv>(
    run: &Mapping,
    first: u64,
    last: u64,
) -> impl Iterator<Item = (u64, PhysAddr)> {
    let (begin, phys, page) = (run.range.first().get(), run.phys.get(), page_bytes::<E>());
    let pages = (last - first) / page + 1;
    (0..pages)
        .map(move |number| first + number * page)
        .map(move |at| (at, PhysAddr::new(phys + (at - begin))))
}

impl From<PtError> for SpaceError {
    fn from(error: PtError) -> Self {
        match error {
            PtError::OutOfFrames => Self::OutOfFrames,
            PtError::Stuck => Self::Stuck,
            PtError::Walk(cause) => Self::Walk(cause),
        }
    }
}
