//! The only raw loads and stores of entries.
//!
//! An MMU reads tables at any moment and sets accessed and dirty bits: no Rust reference to an entry ever exists that
//! is not an atomic one. Loads are relaxed; stores release, so that a new table's content is visible before the entry
//! that links it.
//!
//! Invariant: [`Entries::store`] and `exchange` are called only for frames that the table took from its `FrameSource`.
#![expect(unsafe_code, reason = "turns the mapper's pointer into atomics; the proof boundary of the crate")]

use core::array;
use core::fmt::Debug;
use core::ops::{BitAnd, BitOr, Not};
use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::format::{Format, Level};
use crate::ports::PhysMapper;

/// Bytes of the least that a mapper shows.
const FRAME: usize = 4096;

/// Entries that are looked at together: most of a table is empty, and a loop of one entry would be more loop than entry.
pub(crate) const GROUP: usize = 8;

/// An entry in memory: `u32` or `u64`.
pub trait RawEntry:
    Copy
    + Eq
    + Debug
    + Default
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + Not<Output = Self>
    + Into<u64>
    + TryFrom<u64>
    + sealed::Cell
{
}

impl RawEntry for u32 {}
impl RawEntry for u64 {}

mod sealed {
    use core::ptr::NonNull;

    /// How an entry is read and written beside an MMU.
    pub trait Cell: Sized {
        /// # Safety
        ///
        /// `at` is aligned to the entry and valid for atomic loads.
        unsafe fn load(at: NonNull<Self>) -> Self;

        /// # Safety
        ///
        /// `at` is aligned to the entry and valid for atomic stores.
        unsafe fn store(at: NonNull<Self>, entry: Self);

        /// Stores `new` if the entry is `old`; else says what it is. Acquires, and releases.
        ///
        /// # Safety
        ///
        /// `at` is aligned to the entry and valid for atomic loads and stores.
        #[cfg(target_has_atomic = "64")]
        unsafe fn exchange(at: NonNull<Self>, old: Self, new: Self) -> Result<Self, Self>;
    }
}

macro_rules! cell {
    ($raw:ty, $atomic:ident) => {
        impl sealed::Cell for $raw {
            #[inline]
            unsafe fn load(at: NonNull<Self>) -> Self {
                use core::sync::atomic::{Ordering, $atomic};
                // SAFETY: the caller ensures alignment and validity; the reference ends with this expression.
                let cell = unsafe { $atomic::from_ptr(at.as_ptr()) };
                cell.load(Ordering::Relaxed)
            }

            #[inline]
            unsafe fn store(at: NonNull<Self>, entry: Self) {
                use core::sync::atomic::{Ordering, $atomic};
                // SAFETY: the caller ensures alignment and validity; the reference ends with this expression.
                let cell = unsafe { $atomic::from_ptr(at.as_ptr()) };
                cell.store(entry, Ordering::Release);
            }

            #[cfg(target_has_atomic = "64")]
            #[inline]
            unsafe fn exchange(at: NonNull<Self>, old: Self, new: Self) -> Result<Self, Self> {
                use core::sync::atomic::{Ordering, $atomic};
                // SAFETY: the caller ensures alignment and validity; the reference ends with this expression.
                let cell = unsafe { $atomic::from_ptr(at.as_ptr()) };
                cell.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
            }
        }
    };
}

cell!(u32, AtomicU32);
#[cfg(target_has_atomic = "64")]
cell!(u64, AtomicU64);

/// A CPU without 64-bit atomics writes an entry by halves: the low one holds the present bit and goes down first and up
/// last, so that no walker sees a present entry with a foreign half.
#[cfg(not(target_has_atomic = "64"))]
impl sealed::Cell for u64 {
    unsafe fn load(at: NonNull<Self>) -> Self {
        let (low, high) = halves(at);
        // SAFETY: the caller's entry holds both halves.
        let low = unsafe { <u32 as sealed::Cell>::load(low) };
        // SAFETY: as above.
        let high = unsafe { <u32 as sealed::Cell>::load(high) };
        Self::from(high) << 32 | Self::from(low)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the entry")]
    unsafe fn store(at: NonNull<Self>, entry: Self) {
        let (low, high) = halves(at);
        // SAFETY: the caller's entry holds both halves.
        unsafe { <u32 as sealed::Cell>::store(low, 0) };
        // SAFETY: as above.
        unsafe { <u32 as sealed::Cell>::store(high, (entry >> 32) as u32) };
        // SAFETY: as above.
        unsafe { <u32 as sealed::Cell>::store(low, entry as u32) };
    }
}

/// The low and the high half of an entry.
#[cfg(not(target_has_atomic = "64"))]
fn halves(at: NonNull<u64>) -> (NonNull<u32>, NonNull<u32>) {
    let first = at.cast::<u32>();
    let second = first.map_addr(|address| address | 4);
    if cfg!(target_endian = "little") { (first, second) } else { (second, first) }
}

/// Whether all of a group are empty.
#[inline]
fn is_empty<R: RawEntry>(group: [R; GROUP]) -> bool {
    group.into_iter().fold(R::default(), |any, raw| any | raw) == R::default()
}

/// The entries of one table.
#[derive(Debug)]
pub(crate) struct Entries<'m, R, M> {
    /// Where they are; where the mapper is a window, where they were when they were opened.
    base: NonNull<R>,
    /// The highest index; one less than a power of two.
    last: usize,
    table: PhysAddr,
    mapper: &'m M,
}

impl<R: Copy, M> Copy for Entries<'_, R, M> {}

impl<R: Copy, M> Clone for Entries<'_, R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'m, R: RawEntry, M: PhysMapper> Entries<'m, R, M> {
    /// The entries of the table at `table`, which stand at `level`; `None` if the mapper does not know it. Roots may be
    /// shorter than a frame and lie anywhere in one.
    #[inline]
    pub(crate) fn open<F: Format<Raw = R>>(mapper: &'m M, table: PhysAddr, level: Level) -> Option<Self> {
        let bytes = 1_usize << F::table_shift(level);
        if bytes < FRAME && !table.is_aligned(bytes as u64) {
            return None;
        }
        let base = show(mapper, table, bytes)?;
        Some(Self { base, last: bytes / size_of::<R>() - 1, table, mapper })
    }

    /// The entries of a table of ours, which the mapper has shown before.
    ///
    /// # Panics
    ///
    /// If it does not show it again, against its contract.
    #[inline]
    pub(crate) fn ours<F: Format<Raw = R>>(mapper: &'m M, table: PhysAddr, level: Level) -> Self {
        Self::open::<F>(mapper, table, level).unwrap_or_else(|| forgotten(table))
    }

    /// How many there are; a power of two.
    pub(crate) const fn count(self) -> usize {
        self.last + 1
    }

    /// Reads an entry. The index wraps at the end of the table.
    #[inline]
    pub(crate) fn load(self, index: usize) -> R {
        let at = self.slot(index);
        // SAFETY: `PhysMapper` ensures that the whole table is aligned and valid for atomic loads.
        unsafe { R::load(at) }
    }

    /// Reads a group of entries; `None` if the table ends within it.
    #[inline]
    pub(crate) fn load_group(self, first: usize) -> Option<[R; GROUP]> {
        if first > self.count().checked_sub(GROUP)? {
            return None;
        }
        let group = self.slot(first);
        Some(array::from_fn(|index| {
            // SAFETY: this whole group lies in the bytes that `PhysMapper` answers for.
            let at = unsafe { group.add(index) };
            // SAFETY: as in `load`.
            unsafe { R::load(at) }
        }))
    }

    /// The first index from `first` to `last`, an index of the table, whose entry is not empty.
    #[inline]
    pub(crate) fn first_used(self, mut first: usize, last: usize) -> Option<usize> {
        let used = |index: &usize| self.load(*index) != R::default();
        if first <= last && used(&first) {
            return Some(first);
        }
        while first + GROUP <= last + 1 && self.load_group(first).is_some_and(is_empty) {
            first += GROUP;
        }
        (first..=last).find(used)
    }

    /// Reads an entry that another CPU may just have linked: what it wrote before is seen.
    #[cfg(target_has_atomic = "64")]
    #[inline]
    pub(crate) fn load_acquire(self, index: usize) -> R {
        let entry = self.load(index);
        crate::sync::fence(crate::sync::Ordering::Acquire);
        entry
    }

    /// Writes an entry of a table of ours. The index wraps at the end of the table.
    #[inline]
    pub(crate) fn store(self, index: usize, entry: R) {
        let at = self.slot(index);
        // SAFETY: `PhysMapper` ensures that a frame from the `FrameSource` is aligned and valid for atomic stores.
        unsafe { R::store(at, entry) }
    }

    /// Replaces an entry of a table of ours if it is `old`; else says what it is. The index wraps at the end of the table.
    #[cfg(target_has_atomic = "64")]
    #[inline]
    pub(crate) fn exchange(self, index: usize, old: R, new: R) -> Result<R, R> {
        let at = self.slot(index);
        // SAFETY: `PhysMapper` ensures that a frame from the `FrameSource` is aligned and valid for atomic stores and loads.
        unsafe { R::exchange(at, old, new) }
    }

    /// Makes every entry empty.
    pub(crate) fn clear(self) {
        for first in (0..self.count() / GROUP).map(|group| group * GROUP) {
            let group = self.slot(first);
            for index in 0..GROUP {
                // SAFETY: this whole group lies in the bytes that `PhysMapper` answers for.
                let at = unsafe { group.add(index) };
                // SAFETY: as in `store`.
                unsafe { R::store(at, R::default()) };
            }
        }
        // A table that is shorter than a group.
        (0..self.count() % GROUP).for_each(|index| self.store(index, R::default()));
    }

    /// Whether every entry is empty or one for which `test` holds.
    pub(crate) fn all_empty_or(self, test: impl Fn(R) -> bool) -> bool {
        let mut next = 0;
        while let Some(index) = self.first_used(next, self.last) {
            if !test(self.load(index)) {
                return false;
            }
            next = index + 1;
        }
        true
    }

    #[inline]
    fn slot(self, index: usize) -> NonNull<R> {
        let base = if M::WINDOW { self.shown_again() } else { self.base };
        // SAFETY: the index is not above the last, so the entry lies in the bytes that `PhysMapper` answers for.
        unsafe { base.add(index & self.last) }
    }

    /// Where the entries are now that a window may have shown another table meanwhile.
    fn shown_again(self) -> NonNull<R> {
        let bytes = self.count() * size_of::<R>();
        show(self.mapper, self.table, bytes).unwrap_or_else(|| forgotten(self.table))
    }
}

/// Where the table of `bytes` bytes at `table`, a multiple of them, is seen.
#[inline]
fn show<R, M: PhysMapper>(mapper: &M, table: PhysAddr, bytes: usize) -> Option<NonNull<R>> {
    if bytes >= FRAME {
        return mapper.table(table, bytes).map(NonNull::cast);
    }
    let inside = usize::try_from(table.get() % FRAME as u64).ok()?;
    let frame = mapper.table(PhysAddr::new(table.get() - inside as u64), FRAME)?;
    // SAFETY: the table is shorter than a frame and aligned to its length: it lies in the frame that was shown.
    Some(unsafe { frame.add(inside) }.cast())
}

#[cold]
fn forgotten(table: PhysAddr) -> ! {
    unreachable!("the mapper forgot the table at {table}")
}

#[cfg(test)]
mod tests {
    use super::Entries;
    use crate::addr::PhysAddr;
    use crate::format::{Level, X86Pae};
    use crate::ports::{FrameRequest, FrameSource};
    use crate::testing::Arena;

    /// The first used entry beside a search one by one: one is used, or two are, anywhere in a table.
    #[test]
    fn the_first_entry_in_use_is_found_from_anywhere() {
        let arena = Arena::new(1);
        let table = arena.allocate(FrameRequest::below(PhysAddr::new(u64::MAX))).expect("a frame").address();
        for level in [Level::PAGE, Level::new(2)] {
            let entries = Entries::ours::<X86Pae>(&arena, table, level);
            let last = entries.count() - 1;
            entries.clear();
            assert_eq!(entries.first_used(0, last), None);
            for one in (0..=last).step_by(if last > 64 { 7 } else { 1 }) {
                let other = last - one / 3;
                entries.store(one, 1);
                entries.store(other, 1);
                for (first, end) in
                    [(0, last), (one, last), (one + 1, last), (0, one), (one / 2, other), (one + 1, one)]
                {
                    let found = (first..=end).find(|index| [one, other].contains(index));
                    assert_eq!(entries.first_used(first, end), found, "{one}, {other} in {first}..={end}");
                }
                assert!(!entries.all_empty_or(|_| false) && entries.all_empty_or(|raw| raw == 1));
                entries.store(one, 0);
                entries.store(other, 0);
                assert!(entries.all_empty_or(|_| false));
            }
        }
    }
}
