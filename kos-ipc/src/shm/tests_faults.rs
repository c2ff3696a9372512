//! Segments when something fails, when somebody dies, and beside a list.

use alloc::vec::Vec;

use super::ledger::Request;
use super::*;
use crate::cap::Rights;
use crate::ports::Access;
use crate::quota::Limits;
use crate::testing::shm_world::{KIND, RW, with};
use crate::testing::{Choices, PAGE, cases, fuzz, shm_model};

/// tock#1993: what the kernel is still mapping is nobody's to name.
#[test]
fn share_is_reported_only_once_mapped() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"a", PAGE).unwrap();
        let segment = world.segment(owner);
        let guard = world.owner.get(owner, KIND, Rights::MAP).unwrap();
        let bond = world.table.cells.bind(&guard).unwrap();
        let number = segment.number;
        let request = Request { segment: number, place: &9, range: 0..PAGE, access: RW, page: PAGE, bond };
        let (_, id) = world.table.ledger.with(|ledger| ledger.reserve(&request)).unwrap();
        assert_eq!(world.table.unmap(id).unwrap_err(), StaleMapping(id), "told of before it is mapped");
        assert_eq!(world.table.ledger.with(|ledger| ledger.undo(id)), Some(9));
        assert_eq!((segment.mapped(), world.table.check()), (0, Ok(())));
        let (_, again) = world.table.ledger.with(|ledger| ledger.reserve(&request)).unwrap();
        world.table.ledger.with(|ledger| ledger.set_mapped(again));
        world.table.retain(number);
        let unmap = world.table.unmap(again).unwrap();
        assert_eq!(again, id, "nobody was told of it");
        world.table.unmapped(unmap).unwrap();
    });
}

/// tock#4371, #5090: a server dies, and comes again under its name.
#[test]
fn restart_leaves_no_stale_view() {
    with(Limits::UNLIMITED, |world| {
        let first = world.create(b"svc", PAGE).unwrap();
        let client = world.open(b"svc", Rights::READ | Rights::WRITE | Rights::MAP);
        let old = world.map(world.client, client, 0..PAGE, RW).unwrap();
        let (old_memory, ..) = world.pages.at(1).unwrap();
        old_memory.bytes().write(0, b"secret").unwrap();
        let mut unmapping = world.table.revoke(world.owner, first, KIND).unwrap();
        drop(world.directory.unlink(world.caller, b"svc").unwrap());
        world.owner.close(first).unwrap();
        let next = world.create(b"svc", PAGE).unwrap();
        assert_eq!(world.pages.bytes(), 2 * PAGE, "the old memory is mapped, and was freed");
        let unmap = core::iter::repeat_with(|| unmapping.step(1)).take(20).find_map(|step| match step {
            UnmapStep::Unmap(unmap) => Some(unmap),
            _ => None,
        });
        world.end(unmap.unwrap());
        assert!((0..20).any(|_| matches!(unmapping.step(1), UnmapStep::Done)));
        drop(unmapping);
        let again = world.map(world.owner, next, 0..PAGE, RW).unwrap();
        assert_ne!(again, old);
        assert_eq!(world.table.unmap(old).unwrap_err(), StaleMapping(old));
        assert!(world.map(world.client, client, 0..PAGE, Access::READ).is_err());
        world.client.close(client).unwrap();
        assert_eq!(world.pages.bytes(), PAGE, "its last reference was a revoked capability");
        old_memory.bytes().write(0, b"stale!").unwrap();
        let mut seen = [1; 6];
        world.pages.at(2).unwrap().0.bytes().read(0, &mut seen).unwrap();
        assert_eq!(seen, [0; 6], "the new one has what was in the old one");
        world.unmap(again);
    });
}

#[test]
fn a_revoke_while_the_kernel_maps_says_what_to_unmap() {
    with(Limits::UNLIMITED, |world| {
        let owner = world.create(b"a", PAGE).unwrap();
        let guard = world.owner.get(owner, KIND, Rights::MAP).unwrap();
        let bond = world.table.cells.bind(&guard).unwrap();
        let segment = guard.0.number;
        drop(guard);
        let mut unmapping = world.table.revoke(world.owner, owner, KIND).unwrap();
        let request = Request { segment, place: &7, range: 0..PAGE, access: RW, page: PAGE, bond };
        let Err(MapError::Revoked(unmap)) = world.table.map_bound(&request) else { panic!("mapped") };
        assert!((0..20).all(|_| !matches!(unmapping.step(3), UnmapStep::Done)), "done, and it is mapped");
        world.end(unmap);
        assert!((0..20).any(|_| matches!(unmapping.step(3), UnmapStep::Done)));
    });
}

/// The k-th call to the kernel fails: the step has no effect, and the rest goes on.
#[test]
fn every_refusal_of_the_kernel_leaves_things_as_they_were() {
    for k in 0..3 {
        with(Limits::UNLIMITED, |world| {
            world.pages.fail_at(k);
            let made = world.create(b"a", PAGE);
            assert_eq!((made.is_ok(), world.used()), (k > 0, if k > 0 { PAGE } else { 0 }));
            let Ok(owner) = made else { return };
            let segment = world.segment(owner);
            let mapped = world.map(world.owner, owner, 0..PAGE, RW);
            assert_eq!((mapped.is_ok(), segment.mapped()), (k > 1, usize::from(k > 1)));
            assert_eq!(segment.resize(world.caller, 2 * PAGE).is_ok(), k > 2);
            assert_eq!((segment.size(), world.used(), world.pages.bytes()), (PAGE, PAGE, PAGE));
            assert_eq!(world.table.check(), Ok(()));
            _ = mapped.map(|id| world.unmap(id));
        });
    }
}

/// A hundred operations for each of `KOS_PROPTEST_CASES` seeds.
#[test]
fn tables_hold_what_the_list_holds() {
    (0..u64::from(cases())).for_each(|seed| shm_model::run(&mut Choices::random(seed, 100)));
}

#[test]
fn the_corpus_of_shm_ops_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/shm_ops");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::shm_ops(&std::fs::read(path).unwrap()));
}
