//! What TLBs must forget: [`FlushSet`].

use core::fmt;

use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::walk::Mapping;

/// Ranges of a set; what does not fit widens the last one.
const RANGES: usize = 32;

/// More single invalidations than this cost more than filling the TLB again (Linux's figure).
const CEILING: u64 = 33;

/// The smallest page of all formats.
const PAGE_BITS: u8 = 12;

/// Addresses whose translations must go, and the size of their smallest leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlushRange {
    range: VirtRange,
    /// log2 of the bytes of a leaf.
    leaf_bits: u8,
}

impl FlushRange {
    const NONE: Self =
        Self { range: VirtRange::ordered(VirtAddr::new(0), VirtAddr::new(0)), leaf_bits: PAGE_BITS };

    const fn new(range: VirtRange, leaf_bytes: u64) -> Self {
        let page = 1 << PAGE_BITS;
        let bytes = if leaf_bytes.is_power_of_two() && leaf_bytes > page { leaf_bytes } else { page };
        // A shift of a 64-bit number: at most 63.
        Self { range, leaf_bits: (bytes.trailing_zeros() & 63) as u8 }
    }

    /// The addresses.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }

    /// Bytes of the smallest leaf: one invalidation for each so many.
    #[must_use]
    pub const fn leaf_bytes(&self) -> u64 {
        1 << self.leaf_bits
    }

    /// How many invalidations.
    const fn steps(&self) -> u64 {
        ((self.range.last().get() >> self.leaf_bits) - (self.range.first().get() >> self.leaf_bits))
            .saturating_add(1)
    }

    /// Takes `next` in, if both together cost no more than each.
    fn join(&mut self, next: &Self) -> bool {
        let before = self.range.first() <= next.range.first();
        let (low, high) = if before { (&*self, next) } else { (next, &*self) };
        let meets = low.range.last().get().checked_add(1).is_none_or(|end| end >= high.range.first().get());
        let joins = meets && self.leaf_bits == next.leaf_bits;
        if joins {
            self.widen(next);
        }
        joins
    }

    fn widen(&mut self, next: &Self) {
        let first = self.range.first().min(next.range.first());
        self.range = VirtRange::ordered(first, self.range.last().max(next.range.last()));
        self.leaf_bits = self.leaf_bits.min(next.leaf_bits);
    }
}

/// Translations that may be in TLBs and must go: up to 32 ranges, which are joined where they meet.
#[derive(Clone)]
pub struct FlushSet {
    ranges: [FlushRange; RANGES],
    used: u8,
    global: bool,
    tables: bool,
    ceiling: u64,
    generation: u64,
}

/// How to invalidate a [`FlushSet`].
#[derive(Clone, Debug)]
pub enum Scope<'s> {
    /// One invalidation for each of these addresses (x86: `INVLPG`).
    Pages(Addresses<'s>),
    /// Too many: everything at once (x86: load CR3; global entries too: toggle CR4.PGE).
    All {
        /// Global entries are among them.
        global: bool,
    },
}

impl FlushSet {
    /// Nothing.
    pub(crate) const EMPTY: Self = Self {
        ranges: [FlushRange::NONE; RANGES],
        used: 0,
        global: false,
        tables: false,
        ceiling: CEILING,
        generation: 0,
    };

    /// The translations of `range`, whose smallest leaf has `leaf_bytes`, a power of two; another number counts as 4096.
    #[must_use]
    pub const fn new(range: VirtRange, leaf_bytes: u64) -> Self {
        let mut set = Self::EMPTY;
        let [first, ..] = &mut set.ranges;
        *first = FlushRange::new(range, leaf_bytes);
        set.used = 1;
        set
    }

    /// The same, with global translations among them.
    #[must_use]
    pub const fn with_global(mut self) -> Self {
        self.global = true;
        self
    }

    /// The same, with tables that left: cached entries above the leaves must go too.
    #[must_use]
    pub const fn with_tables(mut self) -> Self {
        self.tables = true;
        self
    }

    /// The same, but everything goes at once when there are more pages than `pages`, instead of 33.
    #[must_use]
    pub const fn with_ceiling(mut self, pages: u64) -> Self {
        self.ceiling = pages;
        self
    }

    /// The same as the request of this generation of a [`TlbContext`](crate::TlbContext).
    #[must_use]
    pub const fn at(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// Takes in another set: one flush for both.
    pub fn merge(&mut self, other: &Self) {
        other.ranges().iter().for_each(|range| self.add(*range));
        self.global |= other.global;
        self.tables |= other.tables;
    }

    /// Forgets all; the ceiling stays.
    pub(crate) fn clear(&mut self) {
        (self.used, self.global, self.tables, self.generation) = (0, false, false, 0);
    }

    /// Whether nothing is to be flushed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes in a leaf, or several of one size.
    pub(crate) fn join(&mut self, leaf: &Mapping) {
        self.add(FlushRange::new(leaf.range, leaf.leaf_bytes));
        self.global |= leaf.attrs.flags.contains(Flags::GLOBAL);
    }

    /// Tables left too.
    pub(crate) const fn add_tables(&mut self) {
        self.tables = true;
    }

    fn add(&mut self, range: FlushRange) {
        let (used, free) = self.ranges.split_at_mut(self.used.into());
        if let Some(last) = used.last_mut() {
            if last.join(&range) {
                return;
            }
            if free.is_empty() {
                return last.widen(&range);
            }
        }
        if let Some(place) = free.first_mut() {
            *place = range;
            self.used += 1;
        }
    }

    /// The ranges, at most 32.
    #[must_use]
    pub fn ranges(&self) -> &[FlushRange] {
        self.ranges.get(..usize::from(self.used)).unwrap_or_default()
    }

    /// Whether cached entries above the leaves must go too: their tables will be freed. On x86 both `INVLPG` and a load
    /// of CR3 drop them.
    #[must_use]
    pub const fn tables(&self) -> bool {
        self.tables
    }

    /// Whether global translations are among them.
    #[must_use]
    pub const fn global(&self) -> bool {
        self.global
    }

    /// The number of the request: what [`TlbContext::answer`](crate::TlbContext::answer) compares. 0 outside of one.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How to invalidate it: page by page up to the ceiling, else all at once.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        let pages = self.ranges().iter().fold(0_u64, |sum, range| sum.saturating_add(range.steps()));
        if pages <= self.ceiling {
            Scope::Pages(Addresses { ranges: self.ranges(), page: 0 })
        } else {
            Scope::All { global: self.global }
        }
    }
}

impl fmt::Debug for FlushSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushSet")
            .field("ranges", &self.ranges())
            .field("global", &self.global)
            .field("tables", &self.tables)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// One address in each page of a [`FlushSet`].
#[derive(Clone, Debug)]
pub struct Addresses<'s> {
    ranges: &'s [FlushRange],
    /// The page of the first of the ranges that is next.
    page: u64,
}

impl Iterator for Addresses<'_> {
    type Item = VirtAddr;

    fn next(&mut self) -> Option<VirtAddr> {
        loop {
            let (range, rest) = self.ranges.split_first()?;
            if self.page < range.steps() {
                let first = range.range.first().get() >> range.leaf_bits;
                let page = first + self.page;
                self.page += 1;
                return Some(VirtAddr::new(page << range.leaf_bits));
            }
            *self = Self { ranges: rest, page: 0 };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec::Vec;

    use super::{FlushSet, RANGES, Scope};
    use crate::addr::{VirtAddr, VirtRange};

    fn set(first: u64, bytes: u64, leaf: u64) -> FlushSet {
        FlushSet::new(VirtRange::ordered(VirtAddr::new(first), VirtAddr::new(first + (bytes - 1))), leaf)
    }

    fn pages(set: &FlushSet) -> Option<Vec<u64>> {
        match set.scope() {
            Scope::Pages(addresses) => Some(addresses.map(VirtAddr::get).collect()),
            Scope::All { .. } => None,
        }
    }

    #[test]
    fn ranges_that_meet_are_one() {
        let mut one = set(0x2000, 0x2000, 4096);
        one.merge(&set(0x4000, 0x1000, 4096));
        one.merge(&set(0x1000, 0x1000, 4096));
        assert_eq!((one.ranges().len(), pages(&one)), (1, Some(alloc::vec![0x1000, 0x2000, 0x3000, 0x4000])));
        one.merge(&set(0x20_0000, 0x20_0000, 0x20_0000));
        assert_eq!((one.ranges().len(), pages(&one).map(|pages| pages.len())), (2, Some(5)));
    }

    #[test]
    fn the_last_page_ends_the_addresses() {
        assert_eq!(
            pages(&set(u64::MAX - 0x1fff, 0x2000, 4096)),
            Some(alloc::vec![u64::MAX - 0x1fff, u64::MAX - 0xfff])
        );
        assert_eq!(pages(&set(0x1234, 1, 1)), Some(alloc::vec![0x1000]));
    }

    #[test]
    fn more_ranges_than_fit_widen_the_last() {
        let mut one = set(0, 4096, 4096);
        (1..=RANGES as u64).for_each(|page| one.merge(&set(page << 20, 4096, 4096)));
        assert_eq!(one.ranges().len(), RANGES);
        assert!(one.ranges().last().unwrap().range().contains(VirtAddr::new((RANGES as u64) << 20)));
        assert_eq!(pages(&one), None, "the gap is flushed too, so all is");
    }

    #[test]
    fn the_ceiling_counts_all_ranges() {
        let mut one = set(0, 32 * 4096, 4096);
        one.merge(&set(1 << 30, 4096, 4096));
        assert_eq!(pages(&one).map(|pages| pages.len()), Some(33));
        one.merge(&set(1 << 31, 4096, 4096));
        assert_eq!(pages(&one), None);
        assert_eq!(pages(&one.with_ceiling(34)).map(|pages| pages.len()), Some(34));
    }
}
