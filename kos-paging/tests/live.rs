//! Tables that CPUs have loaded: edits beside an MMU, installs by many, shootdowns of who has the space loaded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails a test")]

mod common;

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;

use common::{Bench, PAGE, at, long, phys, range};
use kos_paging::testing::{Arena, FailAt};
use kos_paging::*;

const ACCESSED_DIRTY: u64 = 0x60;
const DIRTY: u64 = 0x40;
const HUGE: u64 = 2 << 20;

#[derive(Debug)]
#[repr(align(4096))]
struct Page([AtomicU64; 512]);

/// Frames that several threads may take, at 1 MiB and up.
#[derive(Debug)]
struct Frames {
    pages: Vec<Page>,
    free: Mutex<Vec<u64>>,
}

const BASE: u64 = 1 << 20;

impl Frames {
    fn new(count: u64) -> Self {
        let pages = (0..count).map(|_| Page([const { AtomicU64::new(u64::MAX) }; 512])).collect();
        Self { pages, free: Mutex::new((0..count).map(|index| BASE + index * PAGE).collect()) }
    }

    fn available(&self) -> usize {
        self.free.lock().unwrap().len()
    }

    fn entry(&self, address: u64) -> &AtomicU64 {
        &self.pages[usize::try_from((address - BASE) / PAGE).unwrap()].0
            [usize::try_from(address % PAGE / 8).unwrap()]
    }

    /// The entry of the 4 KiB page at `address`.
    fn leaf(&self, root: PhysAddr, address: u64) -> &AtomicU64 {
        let mut table = root.get();
        for level in (1..4).rev() {
            let index = address >> (12 + 9 * level) & 511;
            table = self.entry(table + index * 8).load(Ordering::Acquire) & 0x000f_ffff_ffff_f000;
        }
        self.entry(table + (address >> 12 & 511) * 8)
    }
}

impl FrameSource for Frames {
    fn allocate(&self, _: FrameRequest) -> Result<Frame, OutOfFrames> {
        let address = self.free.lock().unwrap().pop().ok_or(OutOfFrames)?;
        // SAFETY: in no list any more, so this caller's alone.
        Ok(unsafe { Frame::new(phys(address)) })
    }

    fn free(&self, frame: Frame) {
        self.free.lock().unwrap().push(frame.address().get());
    }
}

// SAFETY: pages of atomics, aligned, which live as long as this.
unsafe impl PhysMapper for Frames {
    fn table(&self, frame: PhysAddr, _: usize) -> Option<NonNull<u8>> {
        let index = usize::try_from(frame.get().checked_sub(BASE)? / PAGE).ok()?;
        self.pages.get(index).map(|page| NonNull::from(page).cast())
    }
}

/// A TLB that keeps nothing.
struct NoTlb;

// SAFETY: nothing is kept.
unsafe impl TlbFlush for NoTlb {
    type Error = core::fmt::Error;

    fn flush(&self, _: &FlushSet) -> Result<(), Self::Error> {
        Ok(())
    }
}

type Context = &'static TlbContext<1>;

fn context() -> Context {
    Box::leak(Box::new(TlbContext::new()))
}

fn tries() -> u64 {
    std::env::var("KOS_LIVE_TRIES").ok().and_then(|tries| tries.parse().ok()).unwrap_or(20_000)
}

/// A thread sets and clears the dirty bit as an MMU and a reclaimer do, while `protect` runs; the bits that were lost.
fn lost_bits(entry: &AtomicU64, tries: u64, mut protect: impl FnMut(bool)) -> u64 {
    let (started, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let mmu = scope.spawn(|| {
            let mut lost = 0;
            started.store(true, Ordering::Relaxed);
            for _ in 0..tries {
                entry.fetch_or(ACCESSED_DIRTY, Ordering::Relaxed);
                core::hint::spin_loop();
                lost += u64::from(entry.fetch_and(!DIRTY, Ordering::Relaxed) & DIRTY == 0);
            }
            stop.store(true, Ordering::Relaxed);
            lost
        });
        let mut writable = false;
        while !started.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
        while !stop.load(Ordering::Relaxed) {
            protect(writable);
            writable = !writable;
        }
        mmu.join().unwrap()
    })
}

fn attrs(writable: bool) -> Attrs {
    if writable { Attrs::RW } else { Attrs::R }
}

#[test]
fn protect_keeps_accessed_dirty() {
    let frames = Frames::new(8);
    let mut table = Table::new(long(), &frames, WxPolicy::Deny).unwrap().into_live(context());
    table.map(range(0, PAGE), phys(PAGE), Attrs::RW, HugePolicy::Never).unwrap();
    let entry = frames.leaf(table.root(), 0);
    let lost = lost_bits(entry, tries(), |writable| {
        let changed = table.protect(range(0, PAGE), attrs(writable), SplitPolicy::Refuse).unwrap();
        changed.flush(&NoTlb).unwrap();
    });
    assert_eq!(lost, 0, "of {} bits", tries());
}

/// The negative control: plain stores, as an exclusive table does them, lose bits, and the test above would see it.
#[test]
fn plain_stores_lose_bits() {
    let frames = Frames::new(8);
    let mut table = Table::new(long(), &frames, WxPolicy::Deny).unwrap();
    table.map(range(0, PAGE), phys(PAGE), Attrs::RW, HugePolicy::Never).unwrap();
    let entry = frames.leaf(table.root(), 0);
    // Most often the first round will do; where another program has the second CPU, a later one.
    let lost = (0..5000).any(|_| {
        lost_bits(entry, 20_000, |writable| {
            let changed = table.protect(range(0, PAGE), attrs(writable), SplitPolicy::Refuse).unwrap();
            changed.flush(&NoTlb).unwrap();
        }) > 0
    });
    assert!(lost, "the MMU's thread never met a store");
}

#[test]
fn the_loser_of_an_install_gets_its_tables_back() {
    let frames = Frames::new(64);
    let mut table = Table::new(long(), &frames, WxPolicy::Deny).unwrap().into_live(context());
    for round in 0..tries() / 100 {
        let place = (round % 8) << 30;
        let won: u32 = thread::scope(|scope| {
            let table = &table;
            let install = move |thread: u64| {
                let page = place + (thread & 1) * PAGE;
                u32::from(table.install(at(page), phys((thread + 1) * PAGE), Attrs::RW, Level::PAGE).is_ok())
            };
            [0, 1, 2]
                .map(|thread| scope.spawn(move || install(thread)))
                .map(|thread| thread.join().unwrap())
                .iter()
                .sum()
        });
        assert_eq!(won, 2, "two of three wanted the same page");
        table.check().unwrap();
        assert_eq!((table.stats().tables, frames.available()), (4, 60));
        let unmapped = table.unmap(range(place, 2 * PAGE), SplitPolicy::Refuse).unwrap();
        unmapped.flush(&NoTlb).unwrap().release(drop);
        assert_eq!((table.stats().tables, frames.available()), (1, 63));
    }
}

#[test]
fn a_failed_install_changes_nothing() {
    let ports = FailAt::new(Arena::new(8));
    let table = Table::new(long(), &ports, WxPolicy::Deny).unwrap().into_live(context());
    for k in 0..3 {
        let before = (ports.inner().image(), table.stats());
        ports.arm(k);
        let result = table.install(at(PAGE), phys(PAGE), Attrs::RW, Level::PAGE);
        assert_eq!(result, Err(MapError::OutOfTables { needed: 3 }));
        assert!(!ports.disarm());
        assert!(before == (ports.inner().image(), table.stats()));
    }
    table.install(at(PAGE), phys(PAGE), Attrs::RW, Level::PAGE).unwrap();
    let again = table.install(at(PAGE), phys(0), Attrs::RW, Level::PAGE);
    assert!(matches!(again, Err(MapError::Occupied { existing, .. }) if existing.phys == phys(PAGE)));
    let above = table.install(at(0), phys(0), Attrs::RW, Level::new(1));
    assert!(matches!(above, Err(MapError::Occupied { at, .. }) if at.get() == PAGE), "{above:?}");
    let wild = table.install(at(HUGE + PAGE), phys(0), Attrs::RW, Level::new(1));
    assert!(matches!(wild, Err(MapError::Range(RangeError::Misaligned { .. }))));
    table.check().unwrap();
}

#[test]
fn exclusive_again_only_with_an_empty_cpu_set() {
    let frames = Frames::new(8);
    let context = context();
    let table = Table::new(long(), &frames, WxPolicy::Deny).unwrap().into_live(context);
    table.install(at(0), phys(0), Attrs::R, Level::PAGE).unwrap();
    assert!(context.enter(3, |_| ()));
    let table = table.into_exclusive().unwrap_err();
    context.leave(3);
    let table = table.into_exclusive().unwrap();
    table.check().unwrap();
    assert_eq!(table.stats().mapped_bytes, PAGE);
}

/// Records what a split does; answers as told.
struct Broken<'a> {
    root: PhysAddr,
    arena: &'a Arena,
    stuck: bool,
    seen: core::cell::Cell<Option<bool>>,
}

// SAFETY: no CPU has the table.
unsafe impl TlbFlush for Broken<'_> {
    type Error = core::fmt::Error;

    fn flush(&self, set: &FlushSet) -> Result<(), Self::Error> {
        let at = set.ranges()[0].range().first();
        self.seen.set(Some(walk::translate(common::BreakFirst(long()), &self.arena, self.root, at).is_err()));
        if self.stuck { Err(core::fmt::Error) } else { Ok(()) }
    }
}

#[test]
fn live_split_breaks_before_makes() {
    let arena = Arena::new(16);
    let table = Table::new(common::BreakFirst(long()), &arena, WxPolicy::Deny).unwrap();
    let mut table = table.into_live(context());
    table.map(range(0, HUGE), phys(HUGE), Attrs::RW, HugePolicy::Largest).unwrap();
    let mut tlb =
        Broken { root: table.root(), arena: &arena, stuck: true, seen: core::cell::Cell::new(None) };
    let before = (arena.image(), table.stats());
    assert!(matches!(table.split(range(PAGE, PAGE), &tlb), Err(SplitError::Flush(_))));
    assert!(before == (arena.image(), table.stats()), "the leaf is in its place again");
    (tlb.stuck, tlb.seen) = (false, core::cell::Cell::new(None));
    table.split(range(PAGE, PAGE), &tlb).unwrap();
    assert_eq!(tlb.seen.get(), Some(true), "nothing was mapped while the TLBs were flushed");
    table.check().unwrap();
    assert_eq!((table.stats().tables, table.stats().splits), (4, 1));
    let page = table.translate(at(5 * PAGE + 7)).unwrap();
    assert_eq!((page.phys, page.leaf.leaf_bytes), (phys(HUGE + 5 * PAGE + 7), PAGE));
}

#[test]
fn what_cpus_use_is_never_split_in_place_where_it_must_be_broken() {
    let arena = Arena::new(16);
    let mut table = Table::new(common::BreakFirst(long()), &arena, WxPolicy::Deny).unwrap();
    let part = range(PAGE, PAGE);
    table.map(range(0, 2 * HUGE), phys(HUGE), Attrs::RW, HugePolicy::Largest).unwrap();
    table.protect(part, Attrs::R, SplitPolicy::Split).unwrap().flush(&NoTlb).unwrap();
    assert_eq!(table.stats().splits, 1, "nobody uses it yet");
    let mut table = table.into_live(context());
    let before = (arena.image(), table.stats());
    let part = range(HUGE + PAGE, PAGE);
    let refused = table.protect(part, Attrs::RW, SplitPolicy::Split);
    assert!(matches!(refused, Err(ProtectError::PartOfHuge { .. })), "{refused:?}");
    let refused = table.unmap(part, SplitPolicy::Split).map(drop);
    assert!(matches!(refused, Err(UnmapError::PartOfHuge { .. })), "{refused:?}");
    assert!(before == (arena.image(), table.stats()));
    table.split(part, &NoTlb).unwrap();
    drop(table.unmap(part, SplitPolicy::Split).unwrap());
    assert!(table.translate(at(HUGE + PAGE)).is_err());
}

#[test]
fn what_cpus_use_changes_no_memory_type_in_place_where_it_must_be_broken() {
    let arena = Arena::new(16);
    let format = A64::<12>::new(A64Caps::BASE).unwrap();
    let mut table = Table::new(format, &arena, WxPolicy::Deny).unwrap();
    let (all, policy) = (range(0, HUGE + PAGE), SplitPolicy::Refuse);
    let slow = Attrs { memory: MemoryType::WriteCombining, ..Attrs::RW };
    table.map(all, phys(HUGE), Attrs::RW, HugePolicy::Largest).unwrap();
    table.protect(all, slow, policy).unwrap().flush(&NoTlb).unwrap();
    let mut table = table.into_live(context());
    let before = arena.image();
    let refused = table.protect(all, Attrs::RW, policy);
    assert!(
        matches!(refused, Err(ProtectError::MustBreak { leaf }) if leaf.range == range(0, HUGE)),
        "{refused:?}"
    );
    assert!(before == arena.image());
    let protected = table.protect(all, Attrs { flags: Flags::READ, ..slow }, policy).unwrap();
    assert_eq!(protected.transition(), Transition::Flush);
}

#[test]
fn a_walker_reads_beside_an_edit() {
    let mut bench = Bench::new();
    bench.map(0, HUGE, PAGE);
    let walkers = Walkers::<1>::new();
    let mut table = bench.table.into_live(context());
    let walker = table.walker();
    // SAFETY: nothing is freed in this test.
    let guard = unsafe { walkers.enter(0) }.unwrap();
    let unmapped = table.unmap(range(0, PAGE), SplitPolicy::Refuse).unwrap();
    assert!(walker.translate(&guard, at(0)).is_err());
    drop(unmapped);
}
