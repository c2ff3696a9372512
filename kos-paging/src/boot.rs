//! First tables, before there is an allocator: [`BootTable`] takes its frames from a slice of the caller's, and a
//! [`Table`] adopts the result once frames can be had elsewhere ([`Table::adopt`]).
//!
//! Each call maps all that it says or nothing: a slice that is too short is an error. Nothing is freed before the
//! adoption, so any frame may go back to the source of the adopting table.

use core::cell::Cell;
use core::ptr::NonNull;

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::attrs::Attrs;
use crate::check::Check;
use crate::error::{Corruption, CreateError, MapError};
use crate::flush::FlushSet;
use crate::format::Format;
use crate::mode::Exclusive;
use crate::policy::{HugePolicy, WxPolicy};
use crate::ports::{Frame, FrameRequest, FrameSource, OutOfFrames, PhysMapper};
use crate::stats::Stats;
use crate::table::Table;

/// Frames of a slice, handed out in its order, seen through `M`.
#[derive(Debug)]
struct SliceFrames<'f, M> {
    frames: &'f [Cell<PhysAddr>],
    order: u8,
    /// How many are handed out: those at the front.
    used: Cell<usize>,
    mapper: M,
}

#[expect(unsafe_code, reason = "claims the frames that the caller of `BootTable::new` gave away")]
impl<M> FrameSource for SliceFrames<'_, M> {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        let used = self.used.get();
        let rest = self.frames.get(used..).unwrap_or_default();
        let fits = |frame: &Cell<PhysAddr>| {
            let last = frame.get().checked_add(request.bytes() - 1);
            request.order <= self.order && last.is_some_and(|last| last <= request.highest)
        };
        let place = rest.iter().position(fits).ok_or(OutOfFrames)?;
        if let (Some(first), Some(found)) = (rest.first(), rest.get(place)) {
            first.swap(found);
            self.used.set(used + 1);
            // SAFETY: the caller gave each frame of the slice away, and each is handed out once.
            return Ok(unsafe { Frame::of_order(first.get(), request.order) });
        }
        Err(OutOfFrames)
    }

    fn free(&self, frame: Frame) {
        let used = self.used.get().saturating_sub(1);
        let place = self.frames.get(..=used).unwrap_or_default();
        let Some(last) = place.last() else { return };
        // What is handed out stays at the front, whichever comes back.
        if let Some(found) = place.iter().find(|place| place.get() == frame.address()) {
            found.swap(last);
            self.used.set(used);
        }
    }
}

#[expect(unsafe_code, reason = "passes on a port that can break memory safety")]
// SAFETY: the answers are those of `M`, whose implementor ensures them.
unsafe impl<M: PhysMapper> PhysMapper for SliceFrames<'_, M> {
    const WINDOW: bool = M::WINDOW;

    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        self.mapper.table(frame, bytes)
    }
}

/// A table that is built before there is an allocator.
///
/// ```
/// use core::cell::Cell;
/// use kos_paging::testing::Arena;
/// use kos_paging::{
///     Attrs, BootTable, FrameRequest, FrameSource, HugePolicy, PhysAddr, Table, TwoLevelCaps, VirtAddr, WxPolicy,
///     X86TwoLevel,
/// };
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let memory = Arena::new(4); // a kernel has pages of its image, and the identity map
/// let low = FrameRequest::below(PhysAddr::new(u64::MAX));
/// let frames = [(); 4].map(|()| Cell::new(memory.allocate(low).map(|frame| frame.address()).unwrap_or_default()));
/// let format = X86TwoLevel::new(TwoLevelCaps::FULL);
/// // SAFETY: the frames are the arena's, which gave them away.
/// let boot = unsafe { BootTable::new(format, &frames, 0, &memory, WxPolicy::Allow) }?;
/// let mut boot = boot;
/// boot.identity(PhysAddr::new(0), 4 << 20, Attrs::RWX, HugePolicy::Never)?;
/// boot.at(VirtAddr::new(0xc000_0000), PhysAddr::new(0), 4 << 20, Attrs::RWX.global(), HugePolicy::Largest)?;
/// assert_eq!(boot.used(), 2); // the root, and a table for the pages of the identity
///
/// // SAFETY: the tables are those just built; their frames may go back to the arena.
/// let table = unsafe { Table::adopt(format, &memory, WxPolicy::Allow, boot.root()) }?;
/// assert_eq!(table.stats().mapped_bytes, 8 << 20);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BootTable<'f, F, M>(Table<F, SliceFrames<'f, M>>);

impl<'f, F: Format, M: PhysMapper> BootTable<'f, F, M> {
    /// A table that maps nothing, in the first of `frames`, each `4096 << order` bytes long.
    ///
    /// # Errors
    ///
    /// [`CreateError`]: no frame that the MMU reaches.
    ///
    /// # Safety
    ///
    /// Nobody else uses the frames, as long as the table or one that adopts it lives; they are aligned to their length.
    #[expect(unsafe_code, reason = "the caller gives frames away")]
    pub unsafe fn new(
        format: F,
        frames: &'f [Cell<PhysAddr>],
        order: u8,
        mapper: M,
        wx: WxPolicy,
    ) -> Result<Self, CreateError> {
        let source = SliceFrames { frames, order, used: Cell::new(0), mapper };
        Ok(Self(Table::new(format, source, wx)?))
    }

    /// Maps `bytes` bytes of physical memory at their own address.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing changed.
    pub fn identity(
        &mut self,
        phys: PhysAddr,
        bytes: u64,
        attrs: Attrs,
        huge: HugePolicy,
    ) -> Result<(), MapError> {
        self.at(VirtAddr::new(phys.get()), phys, bytes, attrs, huge)
    }

    /// Maps `bytes` bytes of physical memory at `first`: a kernel in the higher half, a direct map.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing changed.
    pub fn at(
        &mut self,
        first: VirtAddr,
        phys: PhysAddr,
        bytes: u64,
        attrs: Attrs,
        huge: HugePolicy,
    ) -> Result<(), MapError> {
        let range = VirtRange::new(first, bytes).map_err(MapError::Range)?;
        self.0.map(range, phys, attrs, huge)
    }

    /// The root's physical address.
    #[must_use]
    pub const fn root(&self) -> PhysAddr {
        self.0.root()
    }

    /// How many frames of the slice are tables: those at its front.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.ports().used.get()
    }
}

impl<F: Format, P: FrameSource + PhysMapper> Table<F, P> {
    /// The tables from `root`, built before there was an allocator, as a table whose frames go back to `ports`.
    ///
    /// # Errors
    ///
    /// [`Corruption`]: not such tables.
    ///
    /// # Safety
    ///
    /// The tables are those of a [`BootTable`] that is not used any more, or were written like it; `ports` may take back
    /// each of their frames.
    #[expect(unsafe_code, reason = "the caller answers for what the tables are")]
    pub unsafe fn adopt(format: F, ports: P, wx: WxPolicy, root: PhysAddr) -> Result<Self, Corruption> {
        let mut table = Self {
            format,
            ports,
            root,
            wx,
            stats: Stats::default(),
            flush: FlushSet::EMPTY,
            shared: None,
            mode: Exclusive::NEW,
        };
        let (tables, mapped_bytes, quarantined_bytes) = Check::count(&table)?;
        table.stats = Stats { tables, mapped_bytes, quarantined_bytes, ..Stats::default() };
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::attrs::Flags;
    use crate::format::{LongCaps, TwoLevelCaps, X86Long, X86TwoLevel};
    use crate::testing::Arena;

    const MIB: u64 = 1 << 20;

    fn frames(memory: &Arena) -> Vec<Cell<PhysAddr>> {
        let any = FrameRequest::below(PhysAddr::new(u64::MAX));
        core::iter::from_fn(|| memory.allocate(any).ok()).map(|frame| Cell::new(frame.address())).collect()
    }

    #[expect(unsafe_code, reason = "claims frames of an arena")]
    fn boot<'f, F: Format>(
        format: F,
        frames: &'f [Cell<PhysAddr>],
        memory: &'f Arena,
    ) -> BootTable<'f, F, &'f Arena> {
        // SAFETY: the arena gave the frames away.
        unsafe { BootTable::new(format, frames, 0, memory, WxPolicy::Allow) }.unwrap()
    }

    #[test]
    fn the_first_four_mib_in_pages_or_one_leaf() {
        let format = X86TwoLevel::new(TwoLevelCaps::FULL);
        for (huge, tables) in [(HugePolicy::Never, 2), (HugePolicy::Largest, 1)] {
            let memory = Arena::new(4);
            let frames = frames(&memory);
            let mut boot = boot(format, &frames, &memory);
            boot.identity(PhysAddr::new(0), 4 * MIB, Attrs::RWX, huge).unwrap();
            assert_eq!(boot.used(), tables);
            assert_eq!(boot.0.translate(VirtAddr::new(0x1234)).map(|found| found.phys.get()), Ok(0x1234));
        }
    }

    #[test]
    fn a_slice_that_is_too_short_changes_nothing() {
        let memory = Arena::new(3);
        let frames = frames(&memory);
        let mut boot = boot(X86Long::<4>::new(LongCaps::FULL).unwrap(), &frames, &memory);
        let low = boot.identity(PhysAddr::new(0), MIB, Attrs::RW, HugePolicy::Never);
        assert_eq!(low, Err(MapError::OutOfTables { needed: 3 }));
        assert_eq!((boot.used(), boot.0.runs().count()), (1, 0));
        boot.0.check().unwrap();
    }

    #[test]
    #[expect(unsafe_code, reason = "adopts the tables")]
    fn a_table_adopts_the_result() {
        let memory = Arena::new(16);
        let frames = frames(&memory);
        let format = X86Long::<4>::new(LongCaps::FULL).unwrap();
        let mut boot = boot(format, &frames, &memory);
        boot.identity(PhysAddr::new(0), 4 * MIB, Attrs::RW, HugePolicy::Largest).unwrap();
        let kernel = VirtAddr::new(0xffff_ffff_8000_0000);
        boot.at(kernel, PhysAddr::new(MIB), MIB, Attrs::RX, HugePolicy::Largest).unwrap();
        let (root, used) = (boot.root(), boot.used() as u64);
        // SAFETY: the boot table is not used any more; the arena takes its frames.
        let table = unsafe { Table::adopt(format, &memory, WxPolicy::Deny, root) }.unwrap();
        table.check().unwrap();
        assert_eq!((table.stats().tables, table.stats().mapped_bytes), (used, 5 * MIB));
        let found = table.translate(kernel).unwrap();
        assert!(found.leaf.attrs.flags.contains(Flags::EXECUTE) && found.phys.get() == MIB);
    }
}
