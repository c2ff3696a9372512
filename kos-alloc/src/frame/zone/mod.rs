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
//! Frames come and go mostly one at a time, so each CPU keeps some free blocks of the common orders for itself, and uses
//! them without a lock: all CPUs together at most 1/256 of a zone. They are free in every count, not in the histograms,
//! and outside of the watermarks. They go back before a request fails: those of this CPU at once, those of the others when
//! they answer ([`Env::kick`], [`Zones::drain_local`]). Frames freed while a zone is short of memory do not rest. A bit
//! for each frame tells whether it is owned, so that a wrong free is an error wherever the frame rests.
//!
//! A range that is handed out never reaches into a second zone; one that does is refused as `NotManaged`. Claims of exact
//! frames go below the watermarks.
//!
//! Source: Linux, mm/page_alloc.c (zone list, watermarks, lowmem reserve, per-CPU page lists).

mod cache;
#[expect(unsafe_code, reason = "offers to drain a CPU whose stop the caller promises")]
mod drain;
#[expect(unsafe_code, reason = "its caller promises that nobody else uses the frames")]
mod grow;
mod live;
mod local;
#[expect(unsafe_code, reason = "implements the port that promises unique frames")]
mod port;
mod serve;
#[expect(unsafe_code, reason = "its caller promises that nobody else uses the frames")]
mod setup;
mod slot;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod watermark;
#[expect(unsafe_code, reason = "writes to frames through the direct map")]
mod zero;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize};

use crate::ports::Env;
use crate::sync::{Once, const_fn};

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
/// Every method may be called in interrupt context (not from a non-maskable interrupt). Unless it says otherwise, it
/// masks interrupts and holds the lock of a zone only as long as one operation of its [`Buddy`](super::Buddy) takes, or one
/// batch of at most 32 of them on the way to or from a CPU's cache.
///
/// A free is linear in the frames of the range, 64 at a time, as is an allocation: a bit for each is changed.
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
    /// A bit for each zone that has frames.
    populated: AtomicUsize,
    slots: [Slot<'m, E>; MAX_ZONES],
    failures: Failures,
}

impl<'m, E: Env> Zones<'m, E> {
    const_fn! {
        /// Without a frame yet.
        pub fn new(env: E) -> Self {
            Self {
                env,
                claimed: AtomicBool::new(false),
                table: Once::new(),
                populated: AtomicUsize::new(0),
                slots: [
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                    Slot::new(),
                ],
                failures: Failures::new(),
            }
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
}

impl<E: Env> fmt::Debug for Zones<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zones").field("kinds", &self.kinds()).finish_non_exhaustive()
    }
}
