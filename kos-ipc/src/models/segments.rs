//! A segment that is mapped while it is revoked, sealed or shrunk, and one whose last two references go at a time.

use alloc::boxed::Box;
use alloc::vec::Vec;
use loom::thread;

use super::park::ModelEnv;
use super::{SOME, explore_within, must_find};
use crate::caller::Caller;
use crate::cap::{CapId, CapSlot, CapSpace, Cell, Cells, Object, Rights};
use crate::policy::NoPolicy;
use crate::ports::Access;
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::shm::{
    MapError, MappingId, MappingSlot, Seals, Segment, SegmentCount, SegmentMemory, SegmentObject,
    SegmentSlot, Segments, Unmap, UnmapStep,
};
use crate::sync::Bug;
use crate::testing::{HostPages, PAGE};

type Pages = &'static HostPages;
type Table = Segments<'static, ModelEnv, Pages>;

const KIND: u8 = 3;
const WRITE: Access = Access::WRITE;

#[derive(Clone, Debug)]
struct Shared(Segment<'static, ModelEnv, Pages>);

impl Object for Shared {
    fn kind(&self) -> u8 {
        KIND
    }
}

impl SegmentObject<'static, ModelEnv, Pages> for Shared {
    fn segment(&self) -> Option<&Segment<'static, ModelEnv, Pages>> {
        Some(&self.0)
    }
}

/// One segment of two pages, and two capabilities to it, of which the second is a copy of the first.
#[derive(Clone, Copy)]
struct World {
    pages: Pages,
    table: &'static Table,
    space: &'static CapSpace<'static, ModelEnv, Shared>,
    quota: &'static Quota<'static, ModelEnv>,
    owner: CapId,
    copy: CapId,
}

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn some<T>(count: usize, make: impl Fn() -> T) -> &'static mut [T] {
    (0..count).map(|_| make()).collect::<Vec<_>>().leak()
}

fn world() -> World {
    let quotas = leak(Quotas::new(some(1, QuotaNode::new)));
    let cells = leak(Cells::new(some(2, Cell::new), quotas));
    let quota = leak(quotas.root(Limits::UNLIMITED).unwrap());
    let pages = leak(HostPages::new());
    let memory = SegmentMemory {
        segments: some(1, SegmentSlot::new),
        counts: some(1, SegmentCount::new),
        mappings: some(2, MappingSlot::new),
    };
    let table: &Table = leak(Segments::new(&*pages, cells, memory));
    let space = leak(CapSpace::new(some(3, CapSlot::new), cells, quota.clone(), 0).unwrap());
    let segment = table.create(&Caller::new(&0, (), &NoPolicy), quota, 2 * PAGE, 0, 0).unwrap();
    let owner = space.insert(Shared(segment), Rights::all(), 0).unwrap();
    let copy = space.duplicate(owner, Rights::all() & !Rights::REVOKE).unwrap();
    World { pages, table, space, quota, owner, copy }
}

impl World {
    fn segment(self) -> Segment<'static, ModelEnv, Pages> {
        self.space.get(self.owner, KIND, Rights::empty()).unwrap().0.clone()
    }

    fn map(self, place: u64) -> Result<MappingId, MapError<Pages>> {
        let caller = Caller::new(&0, (), &NoPolicy);
        self.table.map(&caller, (self.space, self.copy, KIND), &place, 0..2 * PAGE, WRITE)
    }

    fn end(self, unmap: Unmap<Pages>) {
        self.pages.unmap(*unmap.place());
        self.table.unmapped(unmap).unwrap();
    }

    /// Takes back what was made of the owner's capability; whether it came to the end.
    fn revoke(self) -> bool {
        let mut unmapping = self.table.revoke(self.space, self.owner, KIND).unwrap();
        for _ in 0..12 {
            match unmapping.step(4) {
                UnmapStep::Unmap(unmap) => self.end(unmap),
                UnmapStep::Done => return true,
                UnmapStep::More | UnmapStep::Wait => thread::yield_now(),
            }
        }
        false
    }
}

/// Somebody maps while what he maps by is revoked: either end leaves nothing mapped.
fn map_and_revoke() {
    let world = world();
    let mapper = thread::spawn(move || match world.map(1) {
        Err(MapError::Revoked(unmap)) => world.end(unmap),
        Ok(_) | Err(_) => {}
    });
    let done = world.revoke();
    mapper.join().unwrap();
    assert!(done || world.revoke(), "no end of it");
    assert_eq!((world.pages.mapped(), world.table.check()), (0, Ok(())), "revoked, and mapped");
}

/// Of an unmap and a revoke one gets what is to be unmapped.
fn unmap_and_revoke() {
    let world = world();
    let id = world.map(1).unwrap();
    let unmapper = thread::spawn(move || world.table.unmap(id).map(|unmap| world.end(unmap)).is_ok());
    let done = world.revoke();
    unmapper.join().unwrap();
    assert!(done || world.revoke(), "no end of it");
    assert_eq!((world.pages.mapped(), world.segment().mapped()), (0, 0));
}

/// What is sealed is mapped by nobody who may write.
fn seal_and_map() {
    let world = world();
    let mapper = thread::spawn(move || world.map(1).is_ok());
    let sealed = world.segment().seal(&Caller::new(&0, (), &NoPolicy), Seals::WRITE).is_ok();
    assert!(mapper.join().unwrap() != sealed);
    assert_eq!(world.table.check(), Ok(()));
}

/// Nothing is mapped behind the end.
fn shrink_and_map() {
    let world = world();
    let mapper = thread::spawn(move || world.map(1).is_ok());
    let shrunk = world.segment().resize(&Caller::new(&0, (), &NoPolicy), PAGE).is_ok();
    assert!(mapper.join().unwrap() != shrunk);
    assert_eq!(world.table.check(), Ok(()));
}

/// The last two references to a segment, one of which is a mapping, go at a time: it is freed once.
fn close_and_unmap() {
    let world = world();
    let id = world.map(1).unwrap();
    world.space.close(world.owner).unwrap();
    let unmapper = thread::spawn(move || world.end(world.table.unmap(id).unwrap()));
    world.space.close(world.copy).unwrap();
    unmapper.join().unwrap();
    assert_eq!((world.pages.bytes(), world.quota.used(Resource::Bytes)), (0, 0));
}

#[test]
fn what_is_revoked_is_mapped_by_nobody() {
    explore_within(SOME, map_and_revoke);
}

#[test]
fn a_mapping_that_is_not_looked_at_is_found() {
    must_find(Bug::MappedUnlooked, map_and_revoke);
}

#[test]
fn one_of_two_unmaps() {
    explore_within(SOME, unmap_and_revoke);
}

#[test]
fn a_sealed_segment_has_no_writer() {
    explore_within(SOME, seal_and_map);
}

#[test]
fn a_seal_in_two_steps_is_found() {
    must_find(Bug::SealedInTwoSteps, seal_and_map);
}

#[test]
fn a_mapping_ends_within_its_segment() {
    explore_within(SOME, shrink_and_map);
}

#[test]
fn a_segment_that_shrinks_late_is_found() {
    must_find(Bug::ShrunkLate, shrink_and_map);
}

#[test]
fn the_last_reference_frees() {
    explore_within(SOME, close_and_unmap);
}

#[test]
fn references_counted_in_two_steps_are_found() {
    must_find(Bug::ReleasedInTwoSteps, close_and_unmap);
}
