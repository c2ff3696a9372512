//! The set beside a naive list of pages.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::set::VmaSet;
use super::tree::Room;
use super::vma::{Backing, Behaviour, Kind, Vma, range};
use crate::attrs::Flags;
use crate::testing::{Arena, FailAt, cases};

const PAGE: u64 = 4096;
const PAGES: u64 = 64;
const GUARD: u64 = 4 * PAGE;

/// What a page is: rights, behaviour, object and page of the object.
type Page = (u8, Behaviour, Option<(u8, u64)>);

#[derive(Clone, Copy, Debug)]
enum Step {
    Add { rights: u8, grows: bool, object: Option<u8> },
    Remove,
    Protect { rights: u8 },
    Place { align: u8 },
}

fn step() -> impl Strategy<Value = (Step, u64, u64)> {
    let step = prop_oneof![
        (0..3u8, prop::bool::weighted(0.2), prop::option::of(0..2u8))
            .prop_map(|(rights, grows, object)| Step::Add { rights, grows, object }),
        Just(Step::Remove),
        (0..3u8).prop_map(|rights| Step::Protect { rights }),
        (0..3u8).prop_map(|align| Step::Place { align }),
    ];
    (step, 0..PAGES, 1..9u64).prop_map(|(step, first, pages)| (step, first, pages.min(PAGES - first)))
}

fn vma(first: u64, pages: u64, rights: u8, grows: bool, object: Option<u8>) -> Vma<u8> {
    let behaviour = if grows { Behaviour::GROWS_DOWN } else { Behaviour::empty() };
    Vma {
        range: range(first * PAGE, (first + pages) * PAGE - 1),
        rights: Flags::from_bits_truncate(rights),
        limit: Flags::all(),
        kind: Kind::User,
        behaviour,
        backing: object.map(|object| Backing { object, offset: first * PAGE }),
    }
}

struct Rig {
    arena: FailAt<Arena>,
    set: VmaSet<u8>,
    model: BTreeMap<u64, Page>,
}

impl Rig {
    fn new() -> Self {
        Self { arena: FailAt::new(Arena::new(64)), set: VmaSet::new(GUARD), model: BTreeMap::new() }
    }

    fn apply(&mut self, step: Step, first: u64, pages: u64) {
        let (low, high) = (first * PAGE, (first + pages) * PAGE - 1);
        self.set.reserve(&self.arena, VmaSet::<u8>::ROOM).unwrap();
        match step {
            Step::Add { rights, grows, object } => {
                self.set.remove(low, high, drop);
                let new = vma(first, pages, rights, grows, object);
                let behaviour = new.behaviour;
                self.set.add(new);
                let page = |page| (page, (rights, behaviour, object.map(|object| (object, page))));
                self.model.extend((first..first + pages).map(page));
            }
            Step::Remove => {
                let mut gone = 0;
                self.set.remove(low, high, |vma| gone += vma.range.bytes());
                let before = self.model.len();
                self.model.retain(|page, _| !(first..first + pages).contains(page));
                assert_eq!(gone, (before - self.model.len()) as u64 * PAGE);
            }
            Step::Protect { rights } => {
                self.set.change(low, high, |vma| vma.rights = Flags::from_bits_truncate(rights));
                self.model.range_mut(first..first + pages).for_each(|(_, page)| page.0 = rights);
            }
            Step::Place { align } => self.place(pages, 1 << align),
        }
        self.set.trim(&self.arena);
    }

    /// The lowest place is where the model says.
    fn place(&self, pages: u64, align: u64) {
        let room =
            Room { bytes: pages * PAGE, align: align * PAGE, lowest: 8 * PAGE, highest: PAGES * PAGE - 1 };
        let room = if align == 1 { Room { align: 1, ..room } } else { room };
        let found = self.set.lowest_free(room);
        let free = |page: u64| !self.model.contains_key(&page) && !self.guarded(page);
        let fits = |first: &u64| (*first..first + pages).all(free);
        let mut places = (8..=PAGES - pages).filter(fits);
        if align == 1 {
            assert_eq!(found, places.next().map(|page| page * PAGE));
        } else if let Some(found) = found {
            assert!(found.is_multiple_of(align * PAGE) && fits(&(found / PAGE)), "{found:#x}");
        }
    }

    /// Whether the page is in the gap right below a mapping that grows down.
    fn guarded(&self, page: u64) -> bool {
        let next = self.model.range(page..).next();
        next.is_some_and(|(first, (_, behaviour, _))| {
            behaviour.contains(Behaviour::GROWS_DOWN) && first - page <= 4
        })
    }

    fn check(&self) {
        assert!(self.set.is_sound());
        let mut seen = BTreeMap::new();
        for vma in self.set.iter() {
            for page in vma.first() / PAGE..=vma.last() / PAGE {
                let object =
                    vma.backing.as_ref().map(|backing| (backing.object, vma.offset_of(page * PAGE) / PAGE));
                seen.insert(page, (vma.rights.bits(), vma.behaviour, object));
            }
        }
        assert_eq!(seen, self.model);
        // As few as can be: one for each change from a page to the next.
        let pages: Vec<_> = self.model.iter().collect();
        let breaks = pages.windows(2).filter(|pair| !alike(pair[0], pair[1])).count();
        assert_eq!(self.set.len(), breaks + usize::from(!pages.is_empty()));
    }
}

fn alike((page, one): (&u64, &Page), (next, other): (&u64, &Page)) -> bool {
    let object = match (one.2, other.2) {
        (None, None) => true,
        (Some((one, page)), Some((other, next))) => one == other && page + 1 == next,
        _ => false,
    };
    page + 1 == *next && one.0 == other.0 && one.1 == other.1 && object
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(200), rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_set_is_a_list_of_pages(steps in prop::collection::vec(step(), 1..80)) {
        let mut rig = Rig::new();
        for (step, first, pages) in steps {
            rig.apply(step, first, pages);
            rig.check();
        }
        rig.set.clear(&rig.arena);
        prop_assert_eq!(rig.arena.inner().used(), 0);
    }
}

#[test]
fn many_mappings_stay_balanced_and_go_back() {
    let arena = Arena::new(800);
    let mut set = VmaSet::<u8>::new(GUARD);
    let count = 10_000;
    // In an order that jumps about, every second page.
    for step in 0..count {
        set.reserve(&arena, VmaSet::<u8>::ROOM).unwrap();
        set.add(vma(step * 7919 % count * 2, 1, 1, false, None));
    }
    assert!(set.is_sound());
    assert_eq!(set.len(), 10_000);
    let room = Room { bytes: 2 * PAGE, align: 1, lowest: 0, highest: u64::MAX };
    assert_eq!(set.lowest_free(room), Some((2 * count - 1) * PAGE));
    let page = Room { bytes: PAGE, lowest: 5000 * PAGE, ..room };
    assert_eq!(set.lowest_free(page), Some(5001 * PAGE));
    for step in 0..count {
        set.remove(step * 7907 % count * 2 * PAGE, (step * 7907 % count * 2 + 1) * PAGE - 1, drop);
        set.trim(&arena);
    }
    assert_eq!((set.len(), arena.used()), (0, 0));
}

#[test]
fn room_is_taken_whole_or_not() {
    for k in 0..4 {
        let arena = FailAt::new(Arena::new(800));
        let mut set = VmaSet::<u8>::new(GUARD);
        arena.arm(k);
        // More than fits the direct chunks: a table of pointers is among the frames.
        let result = set.reserve(&arena, 300);
        assert!(result.is_err());
        assert_eq!(arena.inner().used(), 0, "failing at {k}");
    }
    let arena = FailAt::new(Arena::new(800));
    let mut set = VmaSet::<u8>::new(GUARD);
    let mut k = 0;
    loop {
        arena.arm(k);
        if set.reserve(&arena, 1000).is_ok() {
            break;
        }
        assert_eq!(arena.inner().used(), 0, "failing at {k}");
        k += 1;
    }
    arena.disarm();
    assert!(k > 9, "a table and more chunks than the direct ones");
    set.trim(&arena);
    assert_eq!(arena.inner().used(), 0);
}
