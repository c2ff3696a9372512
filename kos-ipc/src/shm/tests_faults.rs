//! Segments when something fails, when somebody dies, and beside a list.

use alloc::vec::Vec;

use super::ledger::Request;
use super::tests::{KIND, RW, Shared, World, with};
use super::*;
use crate::cap::{CapId, Rights};
use crate::ports::Access;
use crate::quota::Limits;
use crate::testing::{PAGE, Rng, cases};

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

/// What should be there of a segment.
struct Known {
    /// None if it was closed.
    cap: Option<CapId>,
    pages: usize,
    seals: Seals,
    maps: Vec<(MappingId, bool)>,
}

const LIMIT: usize = 7;

fn step(world: &World<'_, '_, '_, '_>, known: &mut Vec<Known>, rng: &mut Rng) {
    let used: usize = known.iter().map(|one| one.pages).sum();
    let mapped: usize = known.iter().map(|one| one.maps.len()).sum();
    let (op, pages, count) = (rng.below(7), 1 + rng.below(3), known.len());
    if op == 0 {
        let made = world.table.create(world.caller, world.quota, pages * PAGE - 5, 0, 0);
        assert_eq!(made.is_ok(), used + pages <= LIMIT && count < 3);
        let Ok(segment) = made else { return };
        let rights = Rights::all() & !Rights::REVOKE;
        let cap = Some(world.owner.insert(Shared(segment), rights, 0).unwrap());
        return known.push(Known { cap, pages, seals: Seals::empty(), maps: Vec::new() });
    }
    let Some(one) = known.get_mut(rng.below(count)) else { return };
    if op == 1 && !one.maps.is_empty() {
        let (id, _) = one.maps.swap_remove(rng.below(one.maps.len()));
        world.unmap(id);
        return assert_eq!(world.table.unmap(id).unwrap_err(), StaleMapping(id));
    }
    let Some(cap) = one.cap else { return };
    let segment = world.segment(cap);
    match op {
        2 => one.cap = world.owner.close(cap).err().map(|_| cap),
        3 => {
            let seals = [Seals::GROW, Seals::SHRINK, Seals::WRITE][rng.below(3)];
            let refused = seals == Seals::WRITE && one.maps.iter().any(|&(_, writes)| writes);
            assert_eq!(segment.seal(world.caller, seals).is_err(), refused);
            one.seals |= if refused { Seals::empty() } else { seals };
        }
        4 => {
            let shrinks = pages < one.pages && (one.seals.contains(Seals::SHRINK) || !one.maps.is_empty());
            let grows = pages > one.pages && one.seals.contains(Seals::GROW);
            let fits = used - one.pages + pages <= LIMIT;
            assert_eq!(segment.resize(world.caller, pages * PAGE).is_ok(), !shrinks && !grows && fits);
            one.pages = segment.size() / PAGE;
        }
        _ => {
            let access = [Access::READ, RW][rng.below(2)];
            let start = rng.below(3);
            let done = world.map(world.owner, cap, start * PAGE..pages * PAGE, access);
            let sealed = access == RW && one.seals.contains(Seals::WRITE);
            assert_eq!(done.is_ok(), start < pages && pages <= one.pages && !sealed && mapped < 4);
            one.maps.extend(done.ok().map(|id| (id, access == RW)));
        }
    }
}

/// A hundred operations for each of `KOS_PROPTEST_CASES` seeds.
#[test]
fn tables_hold_what_the_list_holds() {
    for seed in 0..u64::from(cases()) {
        let limits = Limits { bytes: LIMIT * PAGE, ..Limits::UNLIMITED };
        with(limits, |world| {
            let (mut known, mut rng) = (Vec::new(), Rng::new(seed));
            for _ in 0..100 {
                step(world, &mut known, &mut rng);
                known.retain(|one: &Known| one.cap.is_some() || !one.maps.is_empty());
                let pages: usize = known.iter().map(|one| one.pages).sum();
                let maps: usize = known.iter().map(|one| one.maps.len()).sum();
                assert_eq!((world.used(), world.pages.bytes()), (pages * PAGE, pages * PAGE), "seed {seed}");
                assert_eq!((world.pages.mapped(), world.table.check()), (maps, Ok(())), "seed {seed}");
            }
            known.iter().flat_map(|one| &one.maps).for_each(|&(id, _)| world.unmap(id));
        });
    }
}
