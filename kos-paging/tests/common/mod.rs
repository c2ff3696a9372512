//! A table on an arena, with a TLB, and short names.
#![allow(dead_code, reason = "each test file uses its part")]

use core::ptr::NonNull;

use kos_paging::testing::mmu::{Access, Mmu, Mode};
use kos_paging::testing::{Arena, FailAt, FakeTlb, Image, Rig};
use kos_paging::*;

pub(crate) const PAGE: u64 = 4096;

pub(crate) fn at(address: u64) -> VirtAddr {
    VirtAddr::new(address)
}

pub(crate) fn phys(address: u64) -> PhysAddr {
    PhysAddr::new(address)
}

/// The address of the n-th root entry.
pub(crate) fn huge(entry: u64) -> u64 {
    entry << 39
}

#[expect(clippy::unwrap_used, reason = "ranges in tests are ranges")]
pub(crate) fn range(first: u64, bytes: u64) -> VirtRange {
    VirtRange::new(at(first), bytes).unwrap()
}

#[expect(clippy::unwrap_used, reason = "the abilities are those of a CPU")]
pub(crate) fn long() -> X86Long<4> {
    X86Long::<4>::new(LongCaps::FULL).unwrap()
}

pub(crate) struct Bench<F: Format> {
    pub(crate) ports: &'static FailAt<Arena>,
    pub(crate) table: Table<F, &'static FailAt<Arena>>,
    pub(crate) tlb: FakeTlb,
    pub(crate) mode: Mode,
}

impl Bench<X86Long<4>> {
    pub(crate) fn new() -> Self {
        Self::under(WxPolicy::Deny)
    }

    pub(crate) fn under(wx: WxPolicy) -> Self {
        Self::with(long(), Mode::FourLevel { nxe: true, page1gb: true, maxphyaddr: 48 }, wx)
    }
}

impl Bench<X86TwoLevel> {
    pub(crate) fn two_level() -> Self {
        let format = X86TwoLevel::new(TwoLevelCaps::FULL);
        Self::with(format, Mode::TwoLevel { pse: true, pat: true }, WxPolicy::Allow)
    }
}

#[expect(clippy::unwrap_used, reason = "what these helpers do must succeed")]
impl<F: Format> Bench<F> {
    pub(crate) fn with(format: F, mode: Mode, wx: WxPolicy) -> Self {
        Self::over(Arena::new(64), format, mode, wx)
    }

    pub(crate) fn of(rig: &Rig<F>) -> Self {
        Self::over(Arena::of_order(32, rig.order), rig.format, rig.mode, rig.wx)
    }

    fn over(memory: Arena, format: F, mode: Mode, wx: WxPolicy) -> Self {
        let ports = Box::leak(Box::new(FailAt::new(memory)));
        let table = Table::new(format, &*ports, wx).unwrap();
        Self { ports, table, tlb: FakeTlb::new(), mode }
    }

    pub(crate) fn map(&mut self, first: u64, to: u64, bytes: u64) {
        self.table.map(range(first, bytes), phys(to), Attrs::RW, HugePolicy::Largest).unwrap();
    }

    pub(crate) fn protect(&mut self, range: VirtRange, attrs: Attrs) {
        self.table.protect(range, attrs, SplitPolicy::Refuse).unwrap().flush(&self.tlb).unwrap();
    }

    /// What came back: first address, bytes, physical address.
    pub(crate) fn unmap(&mut self, range: VirtRange, split: SplitPolicy) -> Vec<(u64, u64, u64)> {
        let mut released = Vec::new();
        let flushed = self.table.unmap(range, split).unwrap().flush(&self.tlb).unwrap();
        flushed.release(|run| released.push((run.range.first().get(), run.range.bytes(), run.phys.get())));
        self.check();
        released
    }

    pub(crate) fn touch(&self, address: u64) {
        self.tlb.access(&self.mmu(), address, Access::default()).unwrap();
    }

    pub(crate) fn check(&self) {
        self.table.check().unwrap();
    }

    pub(crate) fn image(&self) -> Image {
        self.ports.inner().image()
    }

    pub(crate) fn mmu(&self) -> Mmu<'_> {
        Mmu { mode: self.mode, memory: self.ports.inner(), cr3: self.table.root().get() }
    }
}

/// A source whose frames its mapper does not know.
pub(crate) struct Blind<'a>(pub(crate) &'a Arena);

impl FrameSource for Blind<'_> {
    fn allocate(&self, request: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.0.allocate(request)
    }

    fn free(&self, frame: Frame) {
        self.0.free(frame);
    }
}

// SAFETY: it answers for nothing.
unsafe impl PhysMapper for Blind<'_> {
    fn table(&self, _frame: PhysAddr, _bytes: usize) -> Option<NonNull<u8>> {
        None
    }
}

/// x86_64, but whatever changes a present entry must be broken before it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BreakFirst(pub(crate) X86Long<4>);

impl Format for BreakFirst {
    type Raw = u64;

    const LEVELS: u8 = X86Long::<4>::LEVELS;
    const VA: VaRule = X86Long::<4>::VA;
    const KEPT: u64 = X86Long::<4>::KEPT;

    fn shift(level: Level) -> u32 {
        X86Long::<4>::shift(level)
    }

    fn max_phys(&self) -> PhysAddr {
        self.0.max_phys()
    }

    fn max_leaf(&self) -> Level {
        self.0.max_leaf()
    }

    fn leaf_bits(&self, attrs: Attrs, level: Level) -> Result<u64, AttrError> {
        self.0.leaf_bits(attrs, level)
    }

    fn with_address(bits: u64, phys: PhysAddr) -> u64 {
        X86Long::<4>::with_address(bits, phys)
    }

    fn address_bits(&self, level: Level) -> u64 {
        self.0.address_bits(level)
    }

    fn absent(&self, state: Absent) -> Result<u64, AttrError> {
        self.0.absent(state)
    }

    fn mark(raw: u64, write: bool) -> u64 {
        X86Long::<4>::mark(raw, write)
    }

    fn table(&self, phys: PhysAddr, level: Level) -> u64 {
        self.0.table(phys, level)
    }

    fn decode(&self, raw: u64, level: Level) -> Result<Entry, ReservedBits> {
        self.0.decode(raw, level)
    }

    fn split(&self, raw: u64, level: Level) -> u64 {
        self.0.split(raw, level)
    }

    fn park(raw: u64) -> u64 {
        X86Long::<4>::park(raw)
    }

    fn unpark(raw: u64) -> Option<u64> {
        X86Long::<4>::unpark(raw)
    }

    fn splits_in_place(&self) -> bool {
        false
    }

    fn transition(&self, old: u64, new: u64, level: Level) -> Transition {
        match self.0.transition(old, new, level) {
            Transition::None => Transition::None,
            _ => Transition::BreakBeforeMake,
        }
    }
}
