//! Spaces, by story and beside the model.

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::{env, fs};

use super::*;
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::testing::{Choices, StdEnv, cap_model, fuzz};
use crate::wait::Progress;

/// An object that counts how many handles there are.
#[derive(Clone, Debug)]
pub(super) struct Thing(pub(super) u8, pub(super) Arc<()>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        self.0
    }
}

pub(super) type Space<'s> = CapSpace<'s, StdEnv, Thing>;

pub(super) const SALT: u64 = 0x0123_4567_89ab_cdef;

pub(super) fn slots<const N: usize>() -> [CapSlot<Thing>; N] {
    core::array::from_fn(|_| CapSlot::new())
}

pub(super) fn thing(kind: u8) -> Thing {
    Thing(kind, Arc::new(()))
}

/// A number that names nothing is refused as such.
pub(super) fn is_nothing<T>(result: &Result<T, CapError>) -> bool {
    matches!(result, Err(CapError::Malformed | CapError::Stale { .. }))
}

/// Runs `story` with cells and a quota.
pub(super) fn with_cells(
    count: usize,
    limits: Limits,
    story: impl for<'c> FnOnce(&'c Cells<'c, StdEnv>, Quota<'c, StdEnv>),
) {
    let (mut nodes, mut cells) = ([(); 4].map(|()| QuotaNode::new()), Vec::new());
    cells.resize_with(count, Cell::new);
    let tree = Quotas::new(&mut nodes);
    let cells = Cells::new(&mut cells, &tree);
    let quota = tree.root(limits).unwrap();
    story(&cells, quota.clone());
    assert_eq!((cells.in_use(), cells.check()), (0, Ok(())), "a cell is left");
    assert_eq!((quota.used(Resource::Slots), quota.used(Resource::Cells)), (0, 0));
}

fn with(story: impl for<'c> FnOnce(&'c Cells<'c, StdEnv>, Quota<'c, StdEnv>)) {
    with_cells(64, Limits::UNLIMITED, story);
}

const ALL: Rights = Rights::all();

/// 200,000 operations by default; `KOS_CAP_OPS` for more.
#[test]
fn spaces_hold_what_the_graph_holds() {
    let ops: u64 = env::var("KOS_CAP_OPS").map_or(200_000, |ops| ops.parse().unwrap());
    const LENGTH: u64 = 250;
    (0..ops / LENGTH).for_each(|seed| cap_model::run(&mut Choices::random(seed, LENGTH)));
}

#[test]
fn the_corpus_of_cap_ops_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/cap_ops");
    let corpus: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| fuzz::cap_ops(&fs::read(path).unwrap()));
}

#[test]
fn rights_never_grow() {
    with(|cells, quota| {
        let mut slots = slots::<8>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let most = Rights::READ | Rights::DUPLICATE | Rights::MINT;
        let id = space.insert(thing(1), most, 0).unwrap();
        let missing = CapError::MissingRights(Rights::WRITE);
        assert_eq!(space.duplicate(id, most | Rights::WRITE), Err(missing));
        assert_eq!(space.mint(id, most | Rights::WRITE, 1), Err(missing));
        let badged = space.mint(id, most, 7).unwrap();
        assert_eq!(space.mint(badged, most, 8), Err(CapError::Badged(7)));
        let copy = space.duplicate(badged, Rights::READ).unwrap();
        assert_eq!(space.check(copy, Rights::READ).unwrap().badge, 7);
        space.narrow(id, Rights::READ).unwrap();
        space.narrow(id, ALL).unwrap();
        assert_eq!(space.check(id, Rights::empty()).unwrap().rights, Rights::READ);
    });
}

#[test]
fn a_guard_outlives_the_close_of_its_capability() {
    with(|cells, quota| {
        let mut slots = slots::<1>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let object = thing(1);
        let id = space.insert(object.clone(), ALL, 0).unwrap();
        let guard = space.get(id, 1, Rights::READ).unwrap();
        space.close(id).unwrap();
        assert!(is_nothing(&space.get(id, 1, Rights::READ).map(drop)) && is_nothing(&space.close(id)));
        assert_eq!((Arc::strong_count(&guard.1), space.stats().live), (2, 0));
        assert_eq!(space.insert(thing(2), ALL, 0).unwrap_err().reason, CapError::Full);
        drop(guard);
        assert_eq!(Arc::strong_count(&object.1), 1);
        let next = space.insert(thing(2), ALL, 0).unwrap();
        assert!(next != id && is_nothing(&space.check(id, Rights::empty())));
        assert_eq!(space.check_all(), Ok(()));
    });
}

/// The last generation of a slot is used, and then the slot never again: no number comes back.
#[test]
fn stale_numbers_are_refused_across_retirement() {
    with(|cells, quota| {
        let mut slots = [CapSlot::new().starting_at(u32::MAX - 2), CapSlot::new().starting_at(u32::MAX)];
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let mut given: Vec<CapId> = Vec::new();
        loop {
            match space.insert(thing(1), ALL, 0) {
                Ok(id) => {
                    assert!(!given.contains(&id), "a number came back");
                    space.close(id).unwrap();
                    given.push(id);
                }
                Err(refused) => break assert_eq!(refused.reason, CapError::Full),
            }
            assert!(given.iter().all(|&id| is_nothing(&space.check(id, Rights::empty()))));
        }
        assert_eq!((given.len(), space.stats().retired, space.check_all()), (4, 2, Ok(())));
    });
}

#[test]
fn a_sealed_space_takes_nothing_and_gives_the_object_back() {
    with(|cells, quota| {
        let mut slots = slots::<4>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let id = space.insert(thing(1), ALL, 0).unwrap();
        space.seal();
        let refused = space.insert(thing(9), ALL, 0).unwrap_err();
        assert_eq!((refused.reason, refused.object.0), (CapError::Sealed, 9));
        assert_eq!(space.duplicate(id, Rights::READ), Err(CapError::Sealed));
        assert_eq!((space.check(id, Rights::READ).is_ok(), space.close(id)), (true, Ok(())));
    });
}

#[test]
fn numbers_of_one_space_mean_nothing_in_another() {
    with(|cells, quota| {
        let (mut ours, mut theirs) = (slots::<4>(), slots::<4>());
        let ours = Space::new(&mut ours, cells, quota.clone(), SALT).unwrap();
        let theirs = Space::new(&mut theirs, cells, quota, !SALT).unwrap();
        let id = ours.insert(thing(1), ALL, 0).unwrap();
        theirs.insert(thing(1), ALL, 0).unwrap();
        assert!(is_nothing(&theirs.check(id, Rights::empty())));
    });
}

/// A message keeps what it carries while the spaces are borrowed anew for each operation, as by counted pointers to processes.
#[test]
fn a_message_outlives_the_borrow_of_its_space() {
    with(|cells, quota| {
        let (mut ours, mut theirs) = (slots::<2>(), slots::<2>());
        let ours = Arc::new(Space::new(&mut ours, cells, quota.clone(), SALT).unwrap());
        let theirs = Arc::new(Space::new(&mut theirs, cells, quota, !SALT).unwrap());
        let mut message = [None];
        let id = ours.insert(thing(1), ALL, 3).unwrap();
        Arc::clone(&ours).prepare(&[id]).unwrap().commit(|at, cap| message[at] = Some(cap));
        drop(ours);
        let mut id = None;
        Arc::clone(&theirs).accept(&mut message, |_, there| id = Some(there)).unwrap();
        assert_eq!(theirs.check(id.unwrap(), Rights::READ).unwrap().badge, 3);
    });
}

#[test]
fn a_forgotten_guard_keeps_its_slot_from_a_later_space() {
    let mut nodes = [(); 1].map(|()| QuotaNode::new());
    let tree = Quotas::<StdEnv>::new(&mut nodes);
    let (cells, quota) = (Cells::new(&mut [], &tree), tree.root(Limits::UNLIMITED).unwrap());
    let (mut slots, object) = (slots::<2>(), thing(1));
    let space = Space::new(&mut slots, &cells, quota.clone(), SALT).unwrap();
    let id = space.insert(object.clone(), Rights::READ, 0).unwrap();
    #[expect(clippy::mem_forget, reason = "what happens then is the question")]
    core::mem::forget(space.get(id, 1, Rights::READ).unwrap());
    drop(space);
    let later = Space::new(&mut slots, &cells, quota, SALT).unwrap();
    assert_eq!((later.stats().retired, later.check_all()), (1, Ok(())));
    assert_eq!(Arc::strong_count(&object.1), 2, "whoever was forgotten may still look");
}

#[test]
fn a_revoke_of_a_million_copies_is_one_store() {
    with(|cells, quota| {
        let count = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
        let mut slots: Vec<CapSlot<Thing>> = Vec::new();
        slots.resize_with(count + 1, CapSlot::new);
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let id = space.insert(thing(1), ALL, 0).unwrap();
        let rights = Rights::READ | Rights::DUPLICATE;
        let mut last = space.duplicate(id, rights).unwrap();
        let copies: Vec<CapId> = (1..count)
            .map(|number| {
                last = space.duplicate(if number % 2 == 0 { id } else { last }, rights).unwrap();
                last
            })
            .collect();
        assert_eq!(cells.in_use(), 1, "copies share a cell");
        let mut revocation = space.revoke(id).unwrap();
        let refused = Err(CapError::Revoked);
        assert!(copies.iter().all(|&copy| space.check(copy, Rights::READ) == refused), "before any step");
        assert_eq!(revocation.step(1), Progress::Done);
        drop(revocation);
        let again = space.close(copies[0]).and_then(|()| space.duplicate(id, Rights::READ)).unwrap();
        assert!(space.check(again, Rights::READ).is_ok() && space.check(id, ALL).is_ok());
    });
}

/// Copies of copies that may revoke, three deep and two wide: each step takes one off, and what is made meanwhile is not touched.
#[test]
fn a_revoke_goes_down_step_by_step() {
    with(|cells, quota| {
        let mut slots = slots::<64>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let root = space.insert(thing(1), ALL, 0).unwrap();
        let mut level = std::vec![root];
        let mut all = Vec::new();
        for _ in 0..3 {
            let two = level.iter().flat_map(|&of| [(); 2].map(|()| space.duplicate(of, ALL).unwrap()));
            level = two.collect();
            all.extend_from_slice(&level);
        }
        let mut revocation = space.revoke(root).unwrap();
        let kept = space.duplicate(root, ALL).unwrap();
        let steps = core::iter::repeat_with(|| revocation.step(1));
        let steps = steps.take_while(|&progress| progress == Progress::More).count();
        assert_eq!(steps, all.len());
        assert!(all.iter().all(|&id| space.check(id, Rights::READ) == Err(CapError::Revoked)));
        assert!(space.check(kept, ALL).is_ok() && space.duplicate(kept, ALL).is_ok());
        drop(revocation);
        space.revoke(root).unwrap().finish();
        assert_eq!(space.check(kept, Rights::READ), Err(CapError::Revoked));
        assert!(all.into_iter().all(|id| space.close(id).is_ok()));
        assert_eq!(cells.check(), Ok(()));
    });
}

#[test]
fn a_revoke_that_was_left_is_ended_by_the_next() {
    with(|cells, quota| {
        let mut slots = slots::<16>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let root = space.insert(thing(1), ALL, 0).unwrap();
        let child = space.duplicate(root, ALL).unwrap();
        let grandchild = space.duplicate(child, ALL & !Rights::REVOKE).unwrap();
        drop(space.revoke(root).unwrap());
        assert_eq!(space.duplicate(child, Rights::READ), Err(CapError::Revoked), "at once");
        assert!(space.check(grandchild, Rights::READ).is_ok(), "not yet");
        space.revoke(root).unwrap().finish();
        assert_eq!(space.check(grandchild, Rights::READ), Err(CapError::Revoked));
    });
}

#[test]
fn an_orphan_is_revoked_from_above() {
    with(|cells, quota| {
        let mut slots = slots::<16>();
        let space = Space::new(&mut slots, cells, quota.clone(), SALT).unwrap();
        let root = space.insert(thing(1), ALL, 0).unwrap();
        let middle = space.duplicate(root, ALL).unwrap();
        let leaf = space.duplicate(middle, Rights::READ).unwrap();
        space.close(middle).unwrap();
        assert_eq!((cells.in_use(), quota.used(Resource::Cells)), (2, 2), "its cell stays for the leaf");
        assert!(space.check(leaf, Rights::READ).is_ok());
        space.revoke(root).unwrap().finish();
        assert_eq!(space.check(leaf, Rights::READ), Err(CapError::Revoked));
        space.close(leaf).unwrap();
        assert_eq!(quota.used(Resource::Cells), 1);
    });
}

#[test]
fn the_last_epoch_of_a_cell_is_its_end() {
    let (mut nodes, mut one) = ([(); 1].map(|()| QuotaNode::new()), [(); 1].map(|()| Cell::new()));
    let tree = Quotas::<StdEnv>::new(&mut nodes);
    let cells = Cells::new(&mut one, &tree);
    let mut slots = slots::<8>();
    let space = Space::new(&mut slots, &cells, tree.root(Limits::UNLIMITED).unwrap(), SALT).unwrap();
    let id = space.insert(thing(1), ALL, 0).unwrap();
    cells.set_epoch(0, u32::MAX - 1);
    let copy = space.duplicate(id, Rights::READ).unwrap();
    for _ in 0..3 {
        space.revoke(id).unwrap().finish();
        assert_eq!(space.check(copy, Rights::READ), Err(CapError::Revoked), "no epoch comes back");
        assert_eq!(space.duplicate(id, Rights::READ), Err(CapError::Revoked));
    }
    assert!(space.check(id, ALL).is_ok());
    space.close(id).and_then(|()| space.close(copy)).unwrap();
    let next = space.insert(thing(1), ALL, 0).unwrap();
    assert!(space.duplicate(next, Rights::READ).is_ok(), "the cell is as new");
}

#[test]
fn those_that_revoke_stand_so_deep() {
    with(|cells, quota| {
        let mut slots = slots::<16>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let mut id = space.insert(thing(1), ALL, 0).unwrap();
        for _ in 1..MAX_DEPTH {
            id = space.duplicate(id, ALL).unwrap();
        }
        assert_eq!(space.duplicate(id, ALL), Err(CapError::TooDeep));
        assert_eq!(space.stats().live, MAX_DEPTH, "nothing is half made");
        assert!(space.duplicate(id, ALL & !Rights::REVOKE).is_ok());
    });
}

/// Refuses whatever runs short at each place in turn: nothing has changed, and nothing is paid for.
#[test]
fn what_runs_short_changes_nothing() {
    for (slot_limit, cell_limit, cell_count) in
        (0..6).flat_map(|s| (0..4).flat_map(move |c| (0..4).map(move |n| (s, c, n))))
    {
        let limits = Limits { slots: slot_limit, cells: cell_limit, ..Limits::UNLIMITED };
        with_cells(cell_count, limits, |cells, quota| {
            let mut slots = slots::<4>();
            let space = Space::new(&mut slots, cells, quota.clone(), SALT).unwrap();
            let mut made: Vec<CapId> = Vec::new();
            for _ in 0..6 {
                let before =
                    (space.stats(), cells.in_use(), quota.used(Resource::Slots), quota.used(Resource::Cells));
                let short = before.0.live == slot_limit.min(4) || before.1 == cell_limit.min(cell_count);
                let result = match made.last() {
                    None => space.insert(thing(1), ALL, 0).map_err(|refused| refused.reason),
                    Some(&id) => space.duplicate(id, ALL),
                };
                assert_eq!(result.is_err(), short, "{result:?}");
                match result {
                    Ok(id) => made.push(id),
                    Err(_) => assert_eq!(
                        before,
                        (
                            space.stats(),
                            cells.in_use(),
                            quota.used(Resource::Slots),
                            quota.used(Resource::Cells)
                        )
                    ),
                }
                assert_eq!((space.check_all(), cells.check()), (Ok(()), Ok(())));
            }
        });
    }
}

#[test]
fn a_process_ends_in_bounded_steps() {
    with(|cells, quota| {
        let mut slots = slots::<100>();
        let space = Space::new(&mut slots, cells, quota.clone(), SALT).unwrap();
        let object = thing(1);
        (0..50).for_each(|_| assert!(space.insert(object.clone(), ALL, 0).is_ok()));
        let mut closing = space.close_all();
        let mut closed = 0;
        while closing.step(7) == Progress::More {
            let now = 50 - space.stats().live;
            assert!(now - core::mem::replace(&mut closed, now) <= 7);
        }
        assert_eq!(
            (space.stats().live, quota.used(Resource::Slots), Arc::strong_count(&object.1)),
            (0, 0, 1)
        );
        assert_eq!(space.insert(object, ALL, 0).unwrap_err().reason, CapError::Sealed);
    });
}

#[test]
fn each_shows_what_is_there_and_what_was_revoked() {
    with(|cells, quota| {
        let mut slots = slots::<4>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let owner = space.insert(thing(3), ALL, 0).unwrap();
        let made = space.mint(owner, Rights::READ, 7).unwrap();
        let closed = space.duplicate(owner, Rights::READ).unwrap();
        space.close(closed).unwrap();
        space.revoke(owner).unwrap().finish();
        let mut seen = Vec::new();
        space.each(|id, info, object| seen.push((id, info.rights, info.badge, object.map(Object::kind))));
        assert_eq!(seen, [(owner, ALL, 0, Some(3)), (made, Rights::READ, 7, None)]);
    });
}
