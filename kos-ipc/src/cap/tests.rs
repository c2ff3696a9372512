//! Spaces beside a map of what everybody should hold.

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::collections::HashMap;
use std::env;

use super::*;
use crate::testing::{Rng, StdEnv, cases};

/// An object that counts how many handles there are.
#[derive(Clone, Debug)]
struct Thing(u8, Arc<()>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        self.0
    }
}

type Space<'s> = CapSpace<'s, StdEnv, Thing>;

const SALT: u64 = 0x0123_4567_89ab_cdef;

fn slots<const N: usize>() -> [CapSlot<Thing>; N] {
    core::array::from_fn(|_| CapSlot::new())
}

fn thing(kind: u8) -> Thing {
    Thing(kind, Arc::new(()))
}

/// Each right with even chances.
fn some_rights(rng: &mut Rng) -> Rights {
    let [a, b, c, d, ..] = rng.next().to_le_bytes();
    Rights::from_bits_truncate(u32::from_le_bytes([a, b, c, d]))
}

/// What a capability should be.
#[derive(Clone, Debug)]
struct Known {
    info: CapInfo,
    object: usize,
}

/// A space, what it should hold, and numbers that should be stale.
struct Model<'s> {
    space: Space<'s>,
    objects: [Thing; 3],
    known: HashMap<u64, Known>,
    stale: Vec<CapId>,
    capacity: usize,
}

impl<'s> Model<'s> {
    fn new(slots: &'s mut [CapSlot<Thing>]) -> Self {
        let capacity = slots.len();
        let space = Space::new(slots, SALT).unwrap();
        let objects = [thing(1), thing(2), thing(2)];
        Self { space, objects, known: HashMap::new(), stale: Vec::new(), capacity }
    }

    /// A number: of a capability that is there, that was there, or that never was.
    fn pick(&self, rng: &mut Rng) -> CapId {
        let mut there: Vec<u64> = self.known.keys().copied().collect();
        there.sort_unstable();
        match rng.below(8) {
            0 => CapId::from_raw(rng.next()),
            1 if !self.stale.is_empty() => self.stale[rng.below(self.stale.len())],
            2 if !there.is_empty() => CapId::from_raw(there[rng.below(there.len())] ^ 1 << rng.below(64)),
            _ if !there.is_empty() => CapId::from_raw(there[rng.below(there.len())]),
            _ => CapId::from_raw(rng.next()),
        }
    }

    fn add(&mut self, made: Result<CapId, CapError>, expected: Result<Known, CapError>) {
        match (made, expected) {
            (Ok(id), Ok(known)) => {
                assert!(self.known.len() < self.capacity && !self.stale.contains(&id), "a number came back");
                assert!(self.known.insert(id.raw(), known).is_none());
            }
            (Err(CapError::Full), Ok(_)) => assert_eq!(self.known.len(), self.capacity),
            (made, expected) => assert_eq!(made.err(), expected.err()),
        }
    }

    /// What a call that needs `need` should say of `id`, before it asks for a slot.
    fn known(&self, id: CapId, need: Rights) -> Option<Result<Known, CapError>> {
        let known = self.known.get(&id.raw())?;
        let missing = need.difference(known.info.rights);
        Some(if missing.is_empty() { Ok(known.clone()) } else { Err(CapError::MissingRights(missing)) })
    }

    fn derive(&mut self, id: CapId, badge: Option<u64>, rights: Rights) {
        let need = if badge.is_some() { Rights::MINT } else { Rights::DUPLICATE };
        let made =
            badge.map_or_else(|| self.space.duplicate(id, rights), |to| self.space.mint(id, rights, to));
        let Some(expected) = self.known(id, need) else { return assert!(refused(&made)) };
        let expected = expected.and_then(|of| {
            let missing = rights.difference(of.info.rights);
            match (missing.is_empty(), badge, of.info.badge) {
                (false, ..) => Err(CapError::MissingRights(missing)),
                (true, Some(_), had @ 1..) => Err(CapError::Badged(had)),
                (true, badge, had) => {
                    Ok(Known { info: CapInfo { rights, badge: badge.unwrap_or(had), ..of.info }, ..of })
                }
            }
        });
        self.add(made, expected);
    }

    fn look(&self, id: CapId, need: Rights) {
        let found = self.space.check(id, need);
        let Some(expected) = self.known(id, need) else { return assert!(refused(&found)) };
        assert_eq!(found, expected.clone().map(|known| known.info));
        let Ok(known) = expected else { return };
        let guard = self.space.get(id, known.info.kind, need).unwrap();
        assert!(Arc::ptr_eq(&guard.1, &self.objects[known.object].1));
        let other = known.info.kind ^ 3;
        let wrong = CapError::WrongKind { expected: other, found: known.info.kind };
        assert_eq!(self.space.get(id, other, need).err(), Some(wrong));
    }

    /// One random operation.
    fn step(&mut self, rng: &mut Rng) {
        let (id, badge) = (self.pick(rng), rng.next() % 3);
        let rights = some_rights(rng) | some_rights(rng);
        match rng.below(6) {
            0 => {
                let object = rng.below(3);
                let made = self.space.insert(self.objects[object].clone(), rights, badge);
                let info = CapInfo { kind: self.objects[object].0, rights, badge };
                self.add(made.map_err(|refused| refused.reason), Ok(Known { info, object }));
            }
            1 => self.derive(id, None, rights),
            2 => self.derive(id, Some(badge), rights),
            3 => {
                let done = self.space.narrow(id, rights);
                match self.known.get_mut(&id.raw()) {
                    Some(known) => known.info.rights &= rights,
                    None => assert!(refused(&done)),
                }
            }
            4 => {
                let done = self.space.close(id);
                match self.known.remove(&id.raw()) {
                    Some(_) => self.stale.push(id),
                    None => assert!(refused(&done)),
                }
                self.stale.drain(..self.stale.len().saturating_sub(64));
            }
            _ => self.look(id, rights & some_rights(rng) & some_rights(rng)),
        }
        assert_eq!(self.space.stats().live, self.known.len());
    }
}

/// A number that names nothing is refused as such.
fn refused<T>(result: &Result<T, CapError>) -> bool {
    matches!(result, Err(CapError::Malformed | CapError::Stale { .. }))
}

/// 200,000 operations by default; `KOS_CAP_OPS` for more.
#[test]
fn a_space_holds_what_the_map_holds() {
    let ops: u64 = env::var("KOS_CAP_OPS").map_or(200_000, |ops| ops.parse().unwrap());
    let runs = u64::from(cases()).min(ops / 1000);
    for seed in 0..runs {
        let (mut slots, mut rng) = (slots::<24>(), Rng::new(seed));
        let mut model = Model::new(&mut slots);
        (0..ops / runs).for_each(|_| model.step(&mut rng));
        assert_eq!(model.space.check_all(), Ok(()));
        let Model { space, objects, .. } = model;
        drop(space);
        assert!(
            objects.iter().all(|object| Arc::strong_count(&object.1) == 1),
            "an object is held by nobody"
        );
    }
}

#[test]
fn rights_never_grow() {
    let mut slots = slots::<8>();
    let space = Space::new(&mut slots, SALT).unwrap();
    let most = Rights::READ | Rights::DUPLICATE | Rights::MINT;
    let id = space.insert(thing(1), most, 0).unwrap();
    let missing = CapError::MissingRights(Rights::WRITE);
    assert_eq!(space.duplicate(id, most | Rights::WRITE), Err(missing));
    assert_eq!(space.mint(id, most | Rights::WRITE, 1), Err(missing));
    let badged = space.mint(id, most, 7).unwrap();
    assert_eq!(space.mint(badged, most, 8), Err(CapError::Badged(7)));
    assert_eq!(space.check(space.duplicate(badged, Rights::READ).unwrap(), Rights::READ).unwrap().badge, 7);
    space.narrow(id, Rights::READ).unwrap();
    space.narrow(id, Rights::all()).unwrap();
    assert_eq!(space.check(id, Rights::empty()).unwrap().rights, Rights::READ);
}

#[test]
fn a_guard_outlives_the_close_of_its_capability() {
    let mut slots = slots::<1>();
    let space = Space::new(&mut slots, SALT).unwrap();
    let object = thing(1);
    let id = space.insert(object.clone(), Rights::all(), 0).unwrap();
    let guard = space.get(id, 1, Rights::READ).unwrap();
    space.close(id).unwrap();
    assert!(refused(&space.get(id, 1, Rights::READ).map(drop)) && refused(&space.close(id)));
    assert_eq!((Arc::strong_count(&guard.1), space.stats().live), (2, 0));
    assert_eq!(space.insert(thing(2), Rights::all(), 0).unwrap_err().reason, CapError::Full);
    drop(guard);
    assert_eq!(Arc::strong_count(&object.1), 1);
    let next = space.insert(thing(2), Rights::all(), 0).unwrap();
    assert!(next != id && refused(&space.check(id, Rights::empty())));
    assert_eq!(space.check_all(), Ok(()));
}

/// The last generation of a slot is used, and then the slot never again: no number comes back.
#[test]
fn stale_numbers_are_refused_across_retirement() {
    let mut slots = [CapSlot::new().starting_at(u32::MAX - 2), CapSlot::new().starting_at(u32::MAX)];
    let space = Space::new(&mut slots, SALT).unwrap();
    let mut given: Vec<CapId> = Vec::new();
    loop {
        match space.insert(thing(1), Rights::all(), 0) {
            Ok(id) => {
                assert!(!given.contains(&id), "a number came back");
                space.close(id).unwrap();
                given.push(id);
            }
            Err(refused) => break assert_eq!(refused.reason, CapError::Full),
        }
        assert!(given.iter().all(|&id| refused(&space.check(id, Rights::empty()))));
    }
    assert_eq!((given.len(), space.stats().retired, space.check_all()), (4, 2, Ok(())));
}

#[test]
fn a_sealed_space_takes_nothing_and_gives_the_object_back() {
    let mut slots = slots::<4>();
    let space = Space::new(&mut slots, SALT).unwrap();
    let id = space.insert(thing(1), Rights::all(), 0).unwrap();
    space.seal();
    let refused = space.insert(thing(9), Rights::all(), 0).unwrap_err();
    assert_eq!((refused.reason, refused.object.0), (CapError::Sealed, 9));
    assert_eq!(space.duplicate(id, Rights::READ), Err(CapError::Sealed));
    assert_eq!((space.check(id, Rights::READ).is_ok(), space.close(id)), (true, Ok(())));
}

#[test]
fn numbers_of_one_space_mean_nothing_in_another() {
    let (mut ours, mut theirs) = (slots::<4>(), slots::<4>());
    let ours = Space::new(&mut ours, SALT).unwrap();
    let theirs = Space::new(&mut theirs, !SALT).unwrap();
    let id = ours.insert(thing(1), Rights::all(), 0).unwrap();
    theirs.insert(thing(1), Rights::all(), 0).unwrap();
    assert!(refused(&theirs.check(id, Rights::empty())));
}

#[test]
fn a_forgotten_guard_keeps_its_slot_from_a_later_space() {
    let (mut slots, object) = (slots::<2>(), thing(1));
    let space = Space::new(&mut slots, SALT).unwrap();
    let id = space.insert(object.clone(), Rights::all(), 0).unwrap();
    #[expect(clippy::mem_forget, reason = "what happens then is the question")]
    core::mem::forget(space.get(id, 1, Rights::READ).unwrap());
    drop(space);
    let later = Space::new(&mut slots, SALT).unwrap();
    assert_eq!((later.stats().retired, later.check_all()), (1, Ok(())));
    assert_eq!(Arc::strong_count(&object.1), 2, "whoever was forgotten may still look");
}
