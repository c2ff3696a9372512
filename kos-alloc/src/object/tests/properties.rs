//! Random calls beside a list of who uses what.

use core::cell::RefCell;
use core::ptr;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{Machine, TestCache};
use crate::object::ObjBox;
use crate::testing::{Bytes, cases};

/// Frames: few, so that they end.
const FRAMES: usize = 12;

const BYTES: usize = 480;

struct Model<'c, 'm> {
    cache: &'c TestCache<'m, BYTES>,
    machine: &'m Machine,
    used: Vec<(ObjBox<'c, super::Probe<'m, BYTES>>, usize)>,
    /// Where each object lay when it was made.
    homes: BTreeMap<usize, usize>,
    peak: usize,
}

impl Model<'_, '_> {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.u8() % 16 {
            0..=7 => self.allocate(usize::from(bytes.u8())),
            8..=12 => self.give_back(usize::from(bytes.u8())),
            13 => self.machine.fail_construction(usize::from(bytes.u8()) % 16),
            14 => self.machine.frames.fail_at(Some(usize::from(bytes.u8()) % 4)),
            _ => {
                self.cache.shrink();
                assert_eq!(self.cache.stats().empty, 0);
            }
        }
        let stats = self.cache.stats();
        assert_eq!((stats.live, stats.peak), (self.used.len(), self.peak));
        assert_eq!((stats.objects(), stats.slabs), (self.machine.alive(), self.machine.frames.live_frames()));
        assert_eq!(self.cache.check(), Ok(()));
    }

    fn allocate(&mut self, mark: usize) {
        let objects = self.cache.stats().objects();
        let Ok(mut object) = self.cache.allocate() else {
            assert_eq!(objects, self.used.len(), "there was a free object");
            return;
        };
        let home = ptr::from_ref(&*object).addr();
        assert_eq!(*self.homes.entry(object.number).or_insert(home), home, "an object does not move");
        let twice = self.used.iter().find(|(other, _)| ptr::eq(&raw const **other, &raw const *object));
        assert!(twice.is_none(), "used twice");
        object.uses = mark;
        self.used.push((object, mark));
        self.peak = self.peak.max(self.used.len());
    }

    fn give_back(&mut self, number: usize) {
        if let Some(index) = number.checked_rem(self.used.len()) {
            let (object, mark) = self.used.swap_remove(index);
            assert_eq!(object.uses, mark, "nobody else wrote to it");
        }
    }
}

fn object_ops(machine: &Machine, data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let cache = machine.cache::<BYTES>();
    let mut model = Model { cache: &cache, machine, used: Vec::new(), homes: BTreeMap::new(), peak: 0 };
    while !bytes.is_empty() {
        model.step(&mut bytes);
    }
    drop(model);
    assert_eq!((cache.stats().live, cache.check()), (0, Ok(())));
    drop(cache);
    assert_eq!((machine.alive(), machine.frames.live_frames()), (0, 0));
}

std::thread_local! {
    /// Used by one input after the other: to map memory takes longer than to run most inputs.
    static MACHINE: RefCell<Machine> = RefCell::new(Machine::new(FRAMES));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(cases())
    })]

    #[test]
    fn caches_equal_the_model(data in proptest::collection::vec(any::<u8>(), 0..250)) {
        MACHINE.with_borrow_mut(|machine| {
            machine.env.reset();
            *machine.fail_at.get_mut() = usize::MAX;
            machine.frames.fail_at(None);
            object_ops(machine, &data);
        });
    }
}
