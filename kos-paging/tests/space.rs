//! Address spaces by example, and one test for each fault that other kernels have had, named after the behaviour.
#![cfg(feature = "vma")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, beside which the lint is off")]

extern crate alloc;

use alloc::rc::Rc;

use kos_paging::object::ObjectError;
use kos_paging::space::*;
use kos_paging::testing::space::{SimEnv, SimMachine, SimObject, SimPager, StoreFailed, recount};
use kos_paging::{Flags, RangeError, VirtAddr, VirtRange, WxPolicy};

const PAGE: u64 = 4096;
const BASE: u64 = 0x40_0000;
const RW: Flags = Flags::READ.union(Flags::WRITE);

fn at(page: u64) -> VirtAddr {
    VirtAddr::new(BASE + page * PAGE)
}

fn range(first: u64, pages: u64) -> VirtRange {
    VirtRange::new(at(first), pages * PAGE).unwrap()
}

fn bounds() -> VirtRange {
    VirtRange::new(VirtAddr::new(0x1_0000), 1 << 32).unwrap()
}

fn space(env: SimEnv) -> Space<SimEnv> {
    Space::new(env, SpaceId(1), Config::new(bounds())).unwrap()
}

fn anon(pages: u64) -> MapRequest<SimObject> {
    MapRequest::new(pages * PAGE, RW).at(Place::Fixed(at(0)))
}

fn fault(page: u64, access: Flags) -> Fault {
    Fault { va: at(page), access, user: true }
}

#[test]
fn failed_fork_leaks_nothing() {
    let env = SimMachine::leaked(400);
    let parent = space(env);
    let (memory, object) = SimObject::memory(env, 4);
    parent.map(anon(8)).unwrap();
    parent.fill(at(0), 8 * 4096, 7).unwrap();
    parent.map(MapRequest::new(4 * PAGE, RW).at(Place::Fixed(at(600))).showing(object, 0).shared()).unwrap();
    parent.fill(at(600), 4 * 4096, 8).unwrap();
    let pin = parent.pin(at(3), false).unwrap();
    let (used, stats) = (env.used(), parent.stats());
    let mut k = 0;
    let child = loop {
        env.frames.arm(k);
        match parent.fork(SpaceId(2)) {
            Ok(child) => break child,
            Err(cause) => assert!(matches!(cause, ForkError::OutOfFrames | ForkError::Create(_)), "{cause}"),
        }
        assert_eq!((env.used(), parent.stats()), (used, stats), "failing at {k}");
        parent.check().unwrap();
        k += 1;
    };
    assert!(env.frames.disarm() && k > 5, "{k} allocations failed");
    let mut frames = vec![pin.address().get()];
    memory.frames(|phys| frames.push(phys.get()));
    recount(env, [&parent, &child], frames).unwrap();
    drop(child);
    parent.fill(at(0), 8 * 4096, 9).unwrap();
    drop((pin, parent, memory));
    assert_eq!(env.used(), 0);
}

#[test]
fn a_word_of_a_pinned_page_is_read_whatever_becomes_of_the_mapping() {
    let env = SimMachine::leaked(64);
    let space = space(env);
    space.map(anon(2)).unwrap();
    let pin = space.pin(at(1), false).unwrap();
    let word = VirtAddr::new(at(1).get() + 8);
    space.with_u32(word, true, |word| word.store(0xabcd_ef01, core::sync::atomic::Ordering::SeqCst)).unwrap();
    assert_eq!(pin.load_u32(8), Some(0xabcd_ef01), "a write of the program goes to this very page");
    assert_eq!(pin.load_u32(6), None, "no word can be there");
    assert_eq!(pin.load_u32(PAGE), None, "another page");
    assert_eq!(pin.load_u32(u64::MAX), None);
    space.unmap(range(0, 2)).unwrap();
    assert_eq!(pin.load_u32(8), Some(0xabcd_ef01));
    drop((pin, space));
    assert_eq!(env.used(), 0);
}

#[test]
fn undo_covers_paged_out_pages() {
    // Pages that only their object has survive a move that fails: the mapping shows them as before.
    let env = SimMachine::leaked(64);
    let space = space(env);
    let object = SimObject(Rc::new(SimPager::new(8 * PAGE)));
    space.map(MapRequest::new(8 * PAGE, RW).at(Place::Fixed(at(0))).showing(object, 0)).unwrap();
    space.fill(at(2), 1, 99).unwrap();
    env.frames.arm(0);
    let far = VirtAddr::new(BASE + (1 << 31));
    assert_eq!(space.remap(range(0, 8), 8 * PAGE, Move::To(far)), Err(SpaceError::OutOfFrames));
    env.frames.disarm();
    for page in 0..8 {
        let mut bytes = [0; 2];
        space.copy_in(at(page), &mut bytes).unwrap();
        let number = u8::try_from(page).unwrap();
        assert_eq!(bytes, [if page == 2 { 99 } else { number }, number]);
    }
    space.check().unwrap();
}

#[test]
fn failed_teardown_keeps_range_reserved() {
    let env = SimMachine::leaked(64);
    let space = space(env);
    space.map(anon(4)).unwrap();
    space.fill(at(0), 4 * 4096, 1).unwrap();
    env.set_stuck(true);
    assert_eq!(space.unmap(range(0, 4)), Err(SpaceError::Stuck));
    let taken = space.map(anon(4).at(Place::FixedNoReplace(at(1))));
    assert_eq!(taken, Err(SpaceError::Occupied { at: at(1) }));
    assert_eq!(space.handle_fault(fault(0, Flags::READ)), Err(FaultError::Stuck));
    space.check().unwrap();
    env.set_stuck(false);
    space.unmap(range(0, 4)).unwrap();
    assert_eq!(space.stats().resident(), 0);
    space.map(anon(4).at(Place::FixedNoReplace(at(0)))).unwrap();
    space.check().unwrap();
}

#[test]
fn wild_arguments() {
    let space = space(SimMachine::leaked(64));
    let map =
        |bytes: u64, first: u64| space.map(MapRequest::new(bytes, RW).at(Place::Fixed(VirtAddr::new(first))));
    assert_eq!(map(0, BASE), Err(SpaceError::Range(RangeError::Empty)));
    assert!(matches!(map(u64::MAX, BASE), Err(SpaceError::Range(RangeError::Wraps { .. }))));
    assert!(matches!(map(PAGE, BASE + 1), Err(SpaceError::Range(RangeError::Misaligned { .. }))));
    assert!(matches!(map(PAGE + 1, BASE), Err(SpaceError::Range(RangeError::Misaligned { .. }))));
    assert_eq!(map(PAGE, 0), Err(SpaceError::OutOfBounds { at: VirtAddr::new(0) }));
    assert!(matches!(map(1 << 47, BASE), Err(SpaceError::OutOfBounds { .. })));
    assert!(matches!(map(PAGE, 0xffff_8000_0000_0000), Err(SpaceError::OutOfBounds { .. })));
    assert_eq!(space.map(MapRequest::new(1 << 40, RW)), Err(SpaceError::NoRoom { bytes: 1 << 40 }));
    assert!(matches!(space.map(MapRequest::new(PAGE, Flags::all())), Err(SpaceError::Denied { .. })));
    assert!(matches!(space.map(MapRequest::new(PAGE, RW | Flags::EXECUTE)), Err(SpaceError::Denied { .. })));
    assert_eq!(space.map(anon(1).shared()), Err(SpaceError::NoObject));
    let object = SimObject(Rc::new(SimPager::new(PAGE)));
    let offset = SpaceError::Offset { offset: 5 };
    assert_eq!(space.map(anon(1).showing(object.clone(), 5)), Err(offset));
    let far = u64::MAX - PAGE + 1;
    assert_eq!(space.map(anon(2).showing(object, far)), Err(SpaceError::Offset { offset: far }));
    assert_eq!(space.brk(at(0)), Err(SpaceError::NoHeap));
    for va in [0, u64::MAX, 1 << 47, 0xffff_8000_0000_0000, BASE] {
        let refused = space.handle_fault(Fault { va: VirtAddr::new(va), access: RW, user: true });
        assert_eq!(refused, Err(FaultError::NoMapping), "{va:#x}");
        assert_eq!(space.copy_in(VirtAddr::new(va), &mut [0; 8]).unwrap_err().done, 0);
    }
    space.check().unwrap();
    assert_eq!(space.stats().vmas, 0);
}

#[test]
fn remap_past_range() {
    let space = space(SimMachine::leaked(64));
    space.map(anon(4)).unwrap();
    assert!(matches!(space.remap(range(0, 5), PAGE, Move::May), Err(SpaceError::Hole { .. })));
    assert!(matches!(space.remap(range(0, 4), 0, Move::May), Err(SpaceError::Range(RangeError::Empty))));
    assert!(matches!(space.remap(range(0, 4), !(PAGE - 1), Move::No), Err(SpaceError::Range(_))));
    let overlap = space.remap(range(0, 4), 4 * PAGE, Move::To(at(2)));
    assert_eq!(overlap, Err(SpaceError::Occupied { at: at(2) }));
    let last = bounds().last().checked_add(1).unwrap();
    assert!(matches!(space.remap(range(0, 4), PAGE, Move::To(last)), Err(SpaceError::OutOfBounds { .. })));
    assert_eq!(space.remap(range(0, 4), 8 * PAGE, Move::No), Ok(range(0, 8)));
    assert_eq!(space.stats().vmas, 1);
}

#[test]
fn teardown_visits_live_tables_only() {
    // Two pages, 4 GiB of mappings: what is not there is not walked.
    let env = SimMachine::leaked(64);
    let space = space(env);
    let all = MapRequest::new(bounds().bytes(), RW).at(Place::Fixed(bounds().first()));
    space.map(all).unwrap();
    space.fill(bounds().first(), 1, 1).unwrap();
    space.fill(VirtAddr::new(bounds().last().get()), 1, 1).unwrap();
    let flushes = env.flushes();
    drop(space);
    assert_eq!((env.used(), env.flushes() - flushes), (0, 1));
}

#[test]
fn pager_failure_keeps_cause() {
    let space = space(SimMachine::leaked(64));
    let pager = Rc::new(SimPager::new(2 * PAGE));
    pager.failing.set(true);
    space.map(anon(3).showing(SimObject(pager.clone()), 0)).unwrap();
    let cause = ObjectError::Store(StoreFailed);
    assert_eq!(space.handle_fault(fault(0, Flags::READ)), Err(FaultError::Pager(cause)));
    let copy = space.copy_out(at(0), &[1]).unwrap_err();
    assert_eq!(copy, CopyError { done: 0, at: at(0), cause: CopyCause::Fault(FaultError::Pager(cause)) });
    pager.failing.set(false);
    pager.late.set(1);
    assert_eq!(space.handle_fault(fault(0, Flags::READ)), Ok(FaultOutcome::Wait(Token(1))));
    assert_eq!(space.handle_fault(fault(0, Flags::READ)), Ok(FaultOutcome::Mapped));
    assert_eq!(space.handle_fault(fault(2, Flags::READ)), Err(FaultError::BeyondObject));
    // A copy that runs over the end says how far it came.
    let copy = space.copy_in(VirtAddr::new(at(2).get() - 10), &mut [0; 20]).unwrap_err();
    assert_eq!((copy.done, copy.at), (10, at(2)));
}

#[test]
fn a_mapping_that_changes_under_a_pager_is_looked_at_again() {
    let env = SimMachine::leaked(64);
    let space = Rc::new(space(env));
    let pager = Rc::new(SimPager::new(2 * PAGE));
    space.map(anon(2).showing(SimObject(pager.clone()), 0)).unwrap();
    let other = space.clone();
    let unmap = move || other.unmap(range(0, 1)).unwrap();
    *pager.meanwhile.borrow_mut() = Some(kos_paging::testing::space::Meanwhile(Box::new(unmap)));
    assert_eq!(space.handle_fault(fault(0, Flags::READ)), Err(FaultError::NoMapping));
    assert_eq!(space.stats().resident(), 0);
    space.check().unwrap();
}

#[test]
fn only_a_sole_owner_writes_in_place() {
    let env = SimMachine::leaked(64);
    let parent = space(env);
    parent.map(anon(1)).unwrap();
    parent.fill(at(0), 4096, 1).unwrap();
    let child = parent.fork(SpaceId(2)).unwrap();
    parent.fill(at(0), 1, 2).unwrap();
    child.fill(at(0), 1, 3).unwrap();
    assert_eq!((parent.stats().cow_copies, child.stats().cow_reuses), (1, 1));
    let mut byte = [0];
    parent.copy_in(at(0), &mut byte).unwrap();
    assert_eq!(byte, [2]);
}

#[test]
fn protect_never_makes_a_shared_page_writable() {
    let env = SimMachine::leaked(64);
    let parent = space(env);
    parent.map(anon(1)).unwrap();
    parent.fill(at(0), 4096, 1).unwrap();
    let child = parent.fork(SpaceId(2)).unwrap();
    child.protect(range(0, 1), Flags::READ).unwrap();
    child.protect(range(0, 1), RW).unwrap();
    child.check().unwrap();
    child.fill(at(0), 1, 5).unwrap();
    let mut byte = [0];
    parent.copy_in(at(0), &mut byte).unwrap();
    assert_eq!(byte, [1]);
}

#[test]
fn stacks_grow_to_their_gap() {
    let space = space(SimMachine::leaked(64));
    let stack = anon(4).at(Place::Fixed(at(2000))).of_kind(Kind::Stack).behaving(Behaviour::GROWS_DOWN);
    space.map(stack).unwrap();
    space.map(anon(1).at(Place::Fixed(at(1500)))).unwrap();
    space.fill(at(1990), 1, 1).unwrap();
    // 256 pages stay free above the mapping below, for faults and for placement.
    space.fill(at(1757), 1, 1).unwrap();
    assert_eq!(space.handle_fault(fault(1756, RW)), Err(FaultError::NoMapping));
    assert_eq!(space.vma_at_or_after(at(1700)).unwrap().range, range(1757, 247));
    let between = space.map(anon(1).at(Place::FixedNoReplace(at(1600))));
    assert_eq!(between, Err(SpaceError::Occupied { at: at(1600) }));
    space.check().unwrap();
}

#[test]
fn truncation_reaches_all_who_map_an_object() {
    let env = SimMachine::leaked(64);
    let (memory, object) = SimObject::memory(env, 4);
    let spaces = [1, 2].map(|id| Space::new(env, SpaceId(id), Config::new(bounds())).unwrap());
    for space in &spaces {
        space.map(anon(4).showing(object.clone(), 0).shared()).unwrap();
    }
    spaces[0].fill(at(0), 4 * 4096, 5).unwrap();
    let mut bytes = [0; 3];
    spaces[1].copy_in(at(3), &mut bytes).unwrap();
    assert_eq!(bytes, [5; 3]);
    let zap = |id: SpaceId| spaces[usize::try_from(id.0).unwrap() - 1].zap(&object, PAGE + 100);
    memory.truncate(PAGE + 100, zap).unwrap();
    assert_eq!(spaces[1].handle_fault(fault(2, Flags::READ)), Err(FaultError::BeyondObject));
    spaces[0].copy_in(VirtAddr::new(at(1).get() + 98), &mut bytes).unwrap();
    assert_eq!(bytes, [5, 5, 0], "behind the end of the last page there are zeros");
    // What was written reaches the store.
    memory.sync().unwrap();
    assert_eq!((memory.store().byte(PAGE + 99), memory.store().byte(PAGE + 100)), (5, 0));
    // The disk is full: the first write to a page is a bus error, nothing else.
    memory.grow(4 * PAGE).unwrap();
    memory.store().set_full(true);
    let full = FaultError::Pager(ObjectError::Store(StoreFailed));
    assert_eq!(spaces[0].handle_fault(fault(2, Flags::WRITE)), Err(full));
    drop((spaces, memory, object));
    assert_eq!(env.used(), 0);
}

#[test]
fn the_heap_begins_where_it_is_told() {
    let space = space(SimMachine::leaked(64));
    space.set_heap(at(0)).unwrap();
    let end = VirtAddr::new(at(2).get() + 5);
    assert_eq!(space.brk(end), Ok(end));
    space.fill(at(0), 2 * 4096 + 5, 1).unwrap();
    assert_eq!(space.brk(at(1)), Ok(at(1)));
    assert_eq!((space.stats().virtual_bytes, space.heap_end()), (PAGE, Some(at(1))));
    assert!(space.brk(VirtAddr::new(BASE - 1)).is_err());
    space.map(anon(1).at(Place::Fixed(at(4)))).unwrap();
    assert_eq!(space.brk(at(6)), Err(SpaceError::Occupied { at: at(4) }));
    assert_eq!(space.heap_end(), Some(at(1)));
}

#[test]
fn strings_and_numbers_are_copied_or_refused() {
    let space = space(SimMachine::leaked(64));
    space.map(anon(1)).unwrap();
    let near_end = VirtAddr::new(at(1).get() - 6);
    space.copy_out(near_end, b"hello\0").unwrap();
    let mut text = [0; 16];
    assert_eq!(space.copy_string(near_end, &mut text), Ok(5));
    let short = space.copy_string(near_end, &mut text[..3]).unwrap_err();
    assert_eq!(short.cause, CopyCause::TooLong);
    space.copy_out(near_end, b"hello!").unwrap();
    let open = space.copy_string(near_end, &mut text).unwrap_err();
    assert_eq!((open.done, open.at), (6, at(1)));
    assert_eq!(space.compare_exchange_u32(at(0), 0, 7), Ok(0));
    assert_eq!(space.compare_exchange_u32(at(0), 0, 8), Ok(7));
    assert_eq!(space.load_u32(at(0)), Ok(7));
    assert_eq!(space.load_u32(near_end).unwrap_err().cause, CopyCause::Misaligned);
    space.protect(range(0, 1), Flags::READ).unwrap();
    assert_eq!(space.copy_out(at(0), &[1]).unwrap_err().cause, CopyCause::Fault(FaultError::Denied));
}

#[test]
fn limits_hold() {
    let env = SimMachine::leaked(64);
    let mut config = Config::new(bounds());
    (config.max_vmas, config.max_bytes, config.max_resident) = (2, 8 * PAGE, 2);
    let space = Space::new(env, SpaceId(1), config).unwrap();
    space.map(anon(8)).unwrap();
    assert_eq!(space.map(anon(1).at(Place::Fixed(at(9)))), Err(SpaceError::TooManyBytes { limit: 8 * PAGE }));
    let cut = space.protect(range(2, 2), Flags::READ);
    assert_eq!(cut, Err(SpaceError::TooManyMappings { limit: 2 }));
    let stopped = space.fill(at(0), 3 * 4096, 1).unwrap_err();
    assert_eq!((stopped.done, stopped.cause), (2 * 4096, CopyCause::Fault(FaultError::OverLimit)));
    // Zeros that are only read cost nothing.
    space.populate(range(0, 8), Flags::READ).unwrap();
    assert_eq!(space.stats().peak_pages, 2);
}

/// Frames in use and their counts, counters, mappings, and what is resident.
fn snapshot(env: SimEnv, space: &Space<SimEnv>) -> (u64, Vec<usize>, SpaceStats, Vec<String>) {
    let mut lines = Vec::new();
    let mut next = Some(VirtAddr::new(0));
    while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
        next = vma.range.last().checked_add(1);
        lines.push(vma.to_string());
    }
    space.runs(bounds(), |run| lines.push(format!("{run:?}"))).unwrap();
    (env.used(), env.counts().map(|(_, refs)| refs).collect(), space.stats(), lines)
}

#[test]
fn every_failing_allocation_changes_nothing() {
    type Op = fn(&Space<SimEnv>, &SimObject) -> bool;
    let ops: [(&str, Op); 7] = [
        ("map", |space, object| {
            let far = Place::Fixed(VirtAddr::new(BASE + (1 << 30)));
            space.map(anon(4).at(far).showing(object.clone(), 0)).is_ok()
        }),
        ("map over", |space, _| space.map(MapRequest::new(2 * PAGE, RW).at(Place::Fixed(at(1)))).is_ok()),
        ("unmap", |space, _| space.unmap(range(1, 2)).is_ok()),
        ("protect", |space, _| space.protect(range(1, 2), Flags::READ).is_ok()),
        ("move", |space, _| {
            space.remap(range(0, 8), 9 * PAGE, Move::To(VirtAddr::new(BASE + (1 << 30)))).is_ok()
        }),
        ("fault", |space, _| space.handle_fault(fault(3, RW)).is_ok()),
        ("write after fork", |space, _| space.handle_fault(fault(0, RW)).is_ok()),
    ];
    for (name, op) in ops {
        let env = SimMachine::leaked(400);
        let space = space(env);
        let (memory, object) = SimObject::memory(env, 8);
        space.map(anon(8)).unwrap();
        space.fill(at(0), 3 * 4096, 1).unwrap();
        let child = space.fork(SpaceId(2)).unwrap();
        let before = snapshot(env, &space);
        for k in 0.. {
            env.frames.arm(k);
            if op(&space, &object) {
                assert!(env.frames.disarm(), "{name}");
                break;
            }
            assert_eq!(snapshot(env, &space), before, "{name}, failing at {k}");
        }
        space.check().unwrap();
        drop((space, child, memory, object));
        assert_eq!(env.used(), 0, "{name}");
    }
}

#[test]
fn what_a_program_wrote_it_never_runs() {
    const RX: Flags = Flags::READ.union(Flags::EXECUTE);
    let env = SimMachine::leaked(100);
    let mut config = Config::new(bounds());
    config.wx = WxPolicy::DenyHistory;
    let space = Space::new(env, SpaceId(1), config).unwrap();
    space.map(anon(4)).unwrap();
    let denied = |first| Err(SpaceError::Denied { at: at(first), rights: RX });
    // Untouched, touched, and after all rights were taken away: the mapping is one of data.
    assert_eq!(space.protect(range(0, 1), RX), denied(0));
    space.copy_out(at(1), b"code").unwrap();
    assert_eq!(space.protect(range(1, 1), RX), denied(1));
    space.protect(range(2, 1), Flags::empty()).unwrap();
    assert_eq!(space.protect(range(2, 1), RX), denied(2));
    // Code may become data, and stays that, in a child too.
    space.map(MapRequest::new(2 * PAGE, RX).at(Place::Fixed(at(8)))).unwrap();
    space.protect(range(8, 1), RW).unwrap();
    assert_eq!(space.protect(range(8, 2), RX), denied(8));
    assert_eq!(space.fork(SpaceId(2)).unwrap().protect(range(8, 1), RX), denied(8));
    space.protect(range(9, 1), RX).unwrap();
    space.check().unwrap();
}

/// A space that wants huge pages, 2 MiB of it for each number.
fn huge(env: SimEnv, max_resident: u64) -> Space<SimEnv> {
    let mut config = Config::new(bounds());
    (config.huge, config.max_resident) = (true, max_resident);
    let space = Space::new(env, SpaceId(1), config).unwrap();
    space.map(anon(2 * 512)).unwrap();
    space
}

#[test]
fn a_touch_takes_a_huge_page_where_one_fits() {
    let env = SimMachine::leaked(1600);
    let space = huge(env, 1 << 20);
    space.fill(at(0), 1, 1).unwrap();
    assert_eq!(space.stats().huge_faults, 0, "there is no block");
    env.set_huge(true);
    space.fill(at(1), 1, 1).unwrap();
    assert_eq!(space.stats().huge_faults, 0, "a page is in the way");
    space.fill(at(600), 4096, 7).unwrap();
    assert_eq!((space.stats().huge_faults, space.stats().resident()), (1, 2 + 512));
    let mut all = vec![1; 512 * 4096];
    space.copy_in(at(512), &mut all).unwrap();
    let written = 88 * 4096..89 * 4096;
    assert!(
        all.iter().enumerate().all(|(index, byte)| *byte == if written.contains(&index) { 7 } else { 0 })
    );
    space.check().unwrap();
    recount(env, [&space], []).unwrap();
    // A part of it goes, the rest is split and shared with a child, who writes his own.
    space.unmap(range(700, 4)).unwrap();
    assert_eq!(space.stats().resident(), 2 + 508);
    let child = space.fork(SpaceId(2)).unwrap();
    child.fill(at(600), 4096, 9).unwrap();
    for (space, byte) in [(&space, 7), (&child, 9)] {
        let mut page = [0; 4096];
        space.copy_in(at(600), &mut page).unwrap();
        assert_eq!(page, [byte; 4096]);
        assert!(space.copy_in(at(701), &mut page).is_err());
        space.check().unwrap();
    }
    recount(env, [&space, &child], []).unwrap();
    drop((space, child));
    assert_eq!(env.used(), 0);
}

#[test]
fn a_huge_page_that_cannot_be_mapped_is_given_back_whole() {
    let env = SimMachine::leaked(1600);
    env.set_huge(true);
    let few = huge(env, 100);
    few.fill(at(600), 1, 7).unwrap();
    assert_eq!((few.stats().huge_faults, few.stats().resident()), (0, 1), "more than it may have");
    drop(few);
    let mut k = 0;
    loop {
        let space = huge(env, 1 << 20);
        let before = env.used();
        env.frames.arm(k);
        let filled = space.fill(at(600), 1, 7);
        if env.frames.disarm() {
            assert!(filled.is_ok() && space.stats().huge_faults == 1 && k > 0, "{k} allocations failed");
            break;
        }
        let resident = space.stats().resident();
        assert!(resident <= 1 && (resident == 1 || env.used() == before), "failing at {k}: {filled:?}");
        space.check().unwrap();
        recount(env, [&space], []).unwrap();
        k += 1;
    }
    assert_eq!(env.used(), 0);
}
