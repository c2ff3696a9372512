//! The contract checks: the fakes keep the contracts, and what breaks them is found.

mod common;

use common::{Blind, PAGE, at};
use kos_paging::testing::contract::{check_frame_source, check_phys_mapper, check_tlb_control};
use kos_paging::testing::mmu::Access;
use kos_paging::testing::{Arena, FailAt, FakeTlb};
use kos_paging::*;

#[test]
fn the_arena_keeps_its_contracts() {
    let ports = FailAt::new(Arena::new(8));
    assert_eq!(check_frame_source(&ports, 16), Ok(()));
    assert_eq!(check_phys_mapper(&ports), Ok(()));
    assert_eq!(ports.inner().used(), 0);
}

#[test]
fn a_mapper_that_sees_nothing_is_found() {
    let arena = Arena::new(8);
    assert!(check_phys_mapper(&Blind(&arena)).is_err());
    assert_eq!(arena.used(), 0);
}

/// Gives frames without looking at the limit.
struct Limitless<'a>(&'a Arena);

impl FrameSource for Limitless<'_> {
    fn allocate(&self, _: FrameRequest) -> Result<Frame, OutOfFrames> {
        self.0.allocate(FrameRequest::below(PhysAddr::new(u64::MAX)))
    }

    fn free(&self, frame: Frame) {
        self.0.free(frame);
    }
}

#[test]
fn a_source_without_a_limit_is_found() {
    let arena = Arena::new(8);
    assert!(check_frame_source(&Limitless(&arena), 8).is_err());
    assert_eq!(arena.used(), 0);
}

#[test]
fn the_tlb_keeps_its_contract() {
    let mut bench = common::Bench::new();
    bench.map(0, 0, 64 * PAGE);
    let (tlb, mmu) = (FakeTlb::new(), bench.mmu());
    let fill = |page: VirtAddr| assert!(tlb.access(&mmu, page.get(), Access::default()).is_ok());
    assert_eq!(check_tlb_control(&tlb, at(0), fill, |page| tlb.holds(page.get())), Ok(()));
    assert_eq!(tlb.flushes(), 5);
    tlb.set_stuck(true);
    assert!(check_tlb_control(&tlb, at(0), fill, |page| tlb.holds(page.get())).is_err());
}

#[test]
fn a_failed_allocation_is_one() {
    let ports = FailAt::new(Arena::new(4));
    ports.arm(1);
    let limit = FrameRequest::below(PhysAddr::new(u64::MAX));
    let results: Vec<_> = (0..3).map(|_| ports.allocate(limit)).collect();
    assert!(matches!(results.as_slice(), [Ok(_), Err(OutOfFrames), Ok(_)]));
    assert!(!ports.disarm());
}

#[test]
fn an_empty_table_can_be_destroyed() {
    let arena = Arena::new(8);
    let mut table = Table::new(common::long(), &arena, WxPolicy::Deny).unwrap();
    table.map(common::range(0, PAGE), PhysAddr::new(0), Attrs::R, HugePolicy::Largest).unwrap();
    // SAFETY: no CPU loads a table of an arena.
    let mut table = unsafe { table.destroy() }.unwrap_err();
    table
        .unmap(common::range(0, PAGE), SplitPolicy::Refuse)
        .unwrap()
        .flush(&FakeTlb::new())
        .unwrap()
        .release(drop);
    // SAFETY: as above.
    assert!(unsafe { table.destroy() }.is_ok());
    assert_eq!(arena.used(), 0);
}
