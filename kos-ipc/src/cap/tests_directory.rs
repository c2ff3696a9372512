//! Names: beside a map, and with those who wait for them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::tests::{SALT, Space, Thing, is_nothing, slots, thing, with_cells};
use super::*;
use crate::caller::Caller;
use crate::error::WaitError;
use crate::policy::NoPolicy;
use crate::quota::{Limits, QuotaNode, Quotas};
use crate::testing::{Rng, SimBody, SimEnv, StdEnv, StdPark, cases, simulate};
use crate::time::Instant;

fn name(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(3)).map(|_| b'a' + u8::try_from(rng.below(3)).unwrap()).collect()
}

fn entries<'c, const N: usize>() -> [DirEntry<'c, StdEnv, Thing>; N] {
    [const { DirEntry::new() }; N]
}

/// Takes a new capability with `badge` out of `space`.
fn carried<'a>(space: &'a Space<'_>, badge: u64) -> Carried<'a, StdEnv, Thing> {
    let id = space.insert(thing(1), Rights::all() & !Rights::REVOKE, badge).unwrap();
    let mut taken = None;
    space.prepare(&[id]).unwrap().commit(|_, cap| taken = Some(cap));
    taken.unwrap()
}

fn beside_a_map(seed: u64) {
    let (park, mut rng) = (StdPark::new(), Rng::new(seed));
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    with_cells(0, Limits::UNLIMITED, |cells, quota| {
        let mut slots = slots::<4>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let mut entries = entries::<5>();
        let directory = Directory::new(park.clone(), &mut entries, 0, 0);
        let mut known: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for badge in 1..200 {
            let name = name(&mut rng);
            let expected = match (name.len(), known.get(&name), known.len()) {
                (0, ..) => Err(DirectoryError::BadName { len: 0 }),
                (_, found, len) => Ok((found.copied(), len == 5)),
            };
            match (rng.below(3), expected) {
                (0, expected) => {
                    let published = directory.publish(&caller, &name, carried(&space, badge));
                    let expected = expected.and_then(|(found, full)| match (found, full) {
                        (Some(_), _) => Err(DirectoryError::Exists),
                        (None, true) => Err(DirectoryError::Full),
                        (None, false) => Ok(()),
                    });
                    assert_eq!(published.as_ref().err().map(|refused| refused.reason), expected.err());
                    assert!(published.is_ok() || published.unwrap_err().cap.badge() == badge);
                    if expected.is_ok() {
                        known.insert(name, badge);
                    }
                }
                (1, Ok((found, _))) => {
                    let opened = directory.open(&caller, &name, &space, Rights::READ);
                    assert_eq!(opened.map(|id| space.check(id, Rights::READ).unwrap().badge).ok(), found);
                    _ = opened.map(|id| space.close(id).unwrap());
                }
                (_, Ok((found, _))) => {
                    assert_eq!(directory.unlink(&caller, &name).map(|cap| cap.badge()).ok(), found);
                    known.remove(&name);
                }
                (_, Err(refusal)) => assert_eq!(directory.unlink(&caller, &name).err(), Some(refusal)),
            }
            assert_eq!((directory.len(), directory.check()), (known.len(), Ok(())));
        }
    });
}

#[test]
fn a_directory_holds_what_the_map_holds() {
    (0..u64::from(cases()) / 4).for_each(beside_a_map);
}

/// A service that is revoked is found by nobody, and what was made of it is of no use.
#[test]
fn a_published_capability_is_revoked_like_any() {
    let park = StdPark::new();
    let token = park.token();
    let caller = Caller::new(&token, (), &NoPolicy);
    with_cells(4, Limits::UNLIMITED, |cells, quota| {
        let mut slots = slots::<8>();
        let space = Space::new(&mut slots, cells, quota, SALT).unwrap();
        let owner = space.insert(thing(1), Rights::all(), 0).unwrap();
        let given = space.mint(owner, Rights::all() & !Rights::REVOKE, 3).unwrap();
        let mut entries = entries::<2>();
        let directory = Directory::new(park.clone(), &mut entries, 0, 0);
        space.prepare(&[given]).unwrap().commit(|_, cap| directory.publish(&caller, b"log", cap).unwrap());
        assert!(is_nothing(&space.check(given, Rights::READ)));
        let opened = directory.open(&caller, b"log", &space, Rights::READ).unwrap();
        let too_much = directory.open(&caller, b"log", &space, Rights::all());
        assert_eq!(too_much, Err(DirectoryError::Cap(CapError::MissingRights(Rights::REVOKE))));
        let long = [b'x'; MAX_NAME + 1];
        assert_eq!(
            directory.unlink(&caller, &long).err(),
            Some(DirectoryError::BadName { len: MAX_NAME + 1 })
        );
        space.revoke(owner).unwrap().finish();
        assert_eq!(space.check(opened, Rights::READ), Err(CapError::Revoked));
        let revoked = Err(DirectoryError::Cap(CapError::Revoked));
        assert_eq!(directory.open(&caller, b"log", &space, Rights::READ), revoked);
        assert!(directory.unlink(&caller, b"log").unwrap().is_revoked());
    });
}

/// Somebody who waits for a name is woken by its coming, in any order of events.
#[test]
fn who_waits_for_a_service_is_told_of_it() {
    for seed in 0..u64::from(cases()) / 4 {
        let mut nodes = [(); 1].map(|()| QuotaNode::new());
        let tree = Quotas::<SimEnv>::new(&mut nodes);
        let cells = Cells::new(&mut [], &tree);
        let mut slots = slots::<2>();
        let quota = tree.root(Limits::UNLIMITED).unwrap();
        let space = CapSpace::<SimEnv, Thing>::new(&mut slots, &cells, quota, SALT).unwrap();
        let mut entries = [const { DirEntry::new() }; 2];
        let directory = std::sync::OnceLock::new();
        let ids = [0, 1].map(|badge| space.insert(thing(1), Rights::TRANSFER, badge).unwrap());
        simulate(seed, |park| {
            _ = directory.set(Directory::new(park.clone(), &mut entries, 0, 0));
            let (directory, space) = (directory.get().unwrap(), &space);
            let waiter = |until: Option<Instant>| {
                Box::new(move |me| {
                    let found = directory.wait_for(&Caller::new(&me, (), &NoPolicy), b"b", until);
                    assert!(found.is_ok() || until.is_some() && found == Err(WaitError::TimedOut));
                }) as SimBody<'_>
            };
            let publisher = Box::new(move |me| {
                let caller = Caller::new(&me, (), &NoPolicy);
                for (id, name) in ids.into_iter().zip([b"a", b"b"]) {
                    space
                        .prepare(&[id])
                        .unwrap()
                        .commit(|_, cap| directory.publish(&caller, name, cap).unwrap());
                }
            });
            std::vec![waiter(None), waiter(Some(Instant::from_ticks(3))), publisher]
        })
        .unwrap();
    }
}
