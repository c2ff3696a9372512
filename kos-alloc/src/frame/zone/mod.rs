//! The frames of a whole machine, by zones: [`Zones`].
//!
//! | type | what it is |
//! |---|---|
//! | [`Zones`] | all frames: a [`Buddy`](super::Buddy) and a lock for each zone; implements [`FrameAlloc`](crate::FrameAlloc) |
//! | [`ZoneKind`], [`dma_dma32_normal`], [`dma_normal_high`] | which zones there are |
//! | [`Config`], [`Watermarks`] | how much of a zone is kept for whom |
//! | [`ZoneStats`] | one zone, counted |
//!
//! Frames are not alike: some devices reach only the lowest. Zones keep those apart, and lend them to everybody else only
//! while there are plenty. A request names the zones that will do; the highest of them is asked first, then those below.
//! A zone refuses what would leave it with less than its min watermark, and, if a higher zone could have served the
//! request, less than its lowmem reserve on top.
//!
//! A range that is handed out never reaches into a second zone; one that does is refused as `NotManaged`. Claims of exact
//! frames go below the watermarks.
//!
//! Source: Linux, mm/page_alloc.c (zone list, watermarks, lowmem reserve).

#[expect(unsafe_code, reason = "hands out references to a value that is written once")]
mod once;
#[expect(unsafe_code, reason = "implements the port that promises unique frames")]
mod port;
#[expect(unsafe_code, reason = "its caller promises that nobody else uses the frames")]
mod setup;
mod slot;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod watermark;

use core::fmt;
use core::sync::atomic::AtomicBool;

use super::validate;
use crate::error::{FrameError, FreeError};
use crate::ports::Env;
use crate::types::{FrameRange, FrameRequest, ZoneSet};

use once::Once;
pub use setup::ZonesError;
use slot::Slot;
use stats::Failures;
pub use stats::ZoneStats;
use table::Table;
pub use table::{Config, MAX_ZONES, ZoneKind, dma_dma32_normal, dma_normal_high};
pub use watermark::Watermarks;

/// All frames of a machine, in zones, for all CPUs; implements [`FrameAlloc`](crate::FrameAlloc).
///
/// It can be a `static`: [`new`](Self::new) is `const`, and until [`init`](Self::init) every call fails with `NotReady`.
/// Every method may be called in interrupt context (not from a non-maskable interrupt) and, unless it says otherwise,
/// masks interrupts and holds the lock of a zone only as long as one operation of its [`Buddy`](super::Buddy) takes.
///
/// ```
/// use kos_alloc::frame::zone::{Config, Zones, dma_dma32_normal};
/// use kos_alloc::{FrameAlloc, FrameRange, FrameRequest, Pfn, ZoneSet};
/// # use core::ptr::NonNull;
/// # use kos_alloc::{CpuIndex, DirectMap, Env};
/// # struct Machine;
/// # // SAFETY: one CPU, no interrupts, no memory.
/// # unsafe impl Env for Machine {
/// #     type Lock = spin::Mutex<()>;
/// #     type Irq = ();
/// #     fn irq_save(&self) {}
/// #     fn cpu(&self) -> Option<CpuIndex> { None }
/// #     fn direct_map(&self) -> DirectMap { DirectMap::new(NonNull::dangling(), FrameRange::EMPTY) }
/// #     fn secret(&self) -> u64 { 0 }
/// # }
///
/// let zones = Zones::new(Machine);
/// let table = dma_dma32_normal(12);
/// let config = Config::new(&table);
/// let usable = [FrameRange::between(Pfn(0x100), Pfn(0x7_fff0)), FrameRange::between(Pfn(0x10_0000), Pfn(0x48_0000))];
/// let mut storage = vec![0; zones.storage_words(&config, &usable, &[])?];
/// // SAFETY: these frames are only numbers, nobody uses them.
/// unsafe { zones.init(&mut storage, &config, &usable, &[]) }?;
///
/// let any = zones.allocate(&FrameRequest::new(5))?; // from Normal
/// let for_isa = zones.allocate(&FrameRequest::new(5).from_zones(ZoneSet::only(0)))?;
/// assert!(any.start() >= Pfn(0x10_0000) && for_isa.end() <= Pfn(0x1000));
/// for range in [any, for_isa] {
///     // SAFETY: allocated above, and unused.
///     unsafe { zones.free(range) }?;
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Zones<'m, E: Env> {
    env: E,
    /// Somebody has begun to initialise.
    claimed: AtomicBool,
    /// There once everything is initialised.
    table: Once<Table>,
    slots: [Slot<'m, E>; MAX_ZONES],
    failures: Failures,
}

impl<'m, E: Env> Zones<'m, E> {
    /// Without a frame yet.
    pub const fn new(env: E) -> Self {
        Self {
            env,
            claimed: AtomicBool::new(false),
            table: Once::new(),
            slots: [const { Slot::new() }; MAX_ZONES],
            failures: Failures::new(),
        }
    }

    /// The environment.
    pub const fn env(&self) -> &E {
        &self.env
    }

    /// The table of zones; empty before initialisation.
    pub fn kinds(&self) -> &[ZoneKind] {
        self.table.get().map_or(&[], Table::kinds)
    }

    fn claim(&self, range: FrameRange) -> Result<FrameRange, FrameError> {
        let table = self.table.get().ok_or(FrameError::NotReady)?;
        let slot = self.slot_of(table, range).ok_or(FrameError::NotManaged(range))?;
        slot.allocate_at(&self.env.irq_save(), range)
    }

    fn take(&self, request: &FrameRequest) -> Result<FrameRange, FrameError> {
        let table = self.table.get().ok_or(FrameError::NotReady)?;
        validate(request)?;
        let mut largest = 0;
        for (slot, floor) in self.candidates(table, request) {
            match slot.allocate(&self.env.irq_save(), request, floor) {
                Err(FrameError::NoMemory { largest_free, .. }) => largest = largest.max(largest_free),
                other => return other,
            }
        }
        Err(FrameError::NoMemory { requested: request.count, largest_free: largest })
    }

    fn give_back(&self, range: FrameRange) -> Result<(), FreeError<FrameRange>> {
        let table = self.table.get().ok_or(FreeError::NotReady(range))?;
        let slot = self.slot_of(table, range).ok_or(FreeError::NotManaged(range))?;
        slot.free(&self.env.irq_save(), range)
    }

    /// The zones that may serve `request`, the highest first, each with the frames that it must leave free.
    fn candidates(
        &self,
        table: &Table,
        request: &FrameRequest,
    ) -> impl Iterator<Item = (&Slot<'m, E>, usize)> {
        let allowed = |index: &usize| {
            request.zones.contains(ZoneSet::only(*index)) && table.bounds(*index).start() < request.below
        };
        let zones = table.kinds().len();
        let highest = (0..zones).rev().find(allowed).unwrap_or(0);
        let indices = (0..zones).rev().filter(allowed);
        indices.filter_map(move |index| {
            let slot = self.slots.get(index)?;
            Some((slot, slot.floor(request, highest)))
        })
    }

    fn slot_of(&self, table: &Table, range: FrameRange) -> Option<&Slot<'m, E>> {
        self.slots.get(table.zone_of(range)?)
    }
}

impl<E: Env> fmt::Debug for Zones<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zones").field("kinds", &self.kinds()).finish_non_exhaustive()
    }
}
