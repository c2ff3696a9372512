//! Several CPUs at once.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::cpus::{Cpus, on};
use super::{free, keeping_nothing, with_zones};
use crate::frame::zone::{ZoneKind, Zones};
use crate::ports::FrameAlloc;
use crate::types::{FrameRange, FrameRequest, Pfn};

const CPUS: usize = 4;
const FRAMES: FrameRange = FrameRange::between(Pfn(0x800), Pfn(0x8800));
const TABLE: [ZoneKind; 2] = [ZoneKind::new("low", Pfn(0x4000)), ZoneKind::new("high", Pfn::MAX)];

/// Who owns each frame: 0 for nobody, else the number of a CPU and 1.
struct Owners(Vec<AtomicUsize>);

impl Owners {
    /// Moves every frame of `range` from `old` to `new`, or panics.
    fn change(&self, range: FrameRange, old: usize, new: usize) {
        for frame in range.start().0..range.end().0 {
            let owner = &self.0[frame - FRAMES.start().0];
            let found = owner.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
            assert_eq!(found, Ok(old), "frame {frame:#x}");
        }
    }
}

/// Each CPU allocates, frees what it has, and sends some of it to its neighbour, who frees it; memory ends now and then.
#[test]
fn frames_have_one_owner_whatever_cpu_frees_them() {
    let env = Cpus::new(CPUS, FrameRange::EMPTY);
    with_zones(&env, &keeping_nothing(&TABLE), &[FRAMES], |zones| {
        let before = zones.histogram();
        let owners = Owners((0..FRAMES.count()).map(|_| AtomicUsize::new(0)).collect());
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..CPUS).map(|_| mpsc::channel::<FrameRange>()).unzip();
        std::thread::scope(|scope| {
            for (cpu, inbox) in receivers.into_iter().enumerate() {
                let neighbour = senders[(cpu + 1) % CPUS].clone();
                let worker = Worker { cpu, zones, owners: &owners, mine: Vec::new() };
                scope.spawn(move || on(cpu, || worker.run(neighbour, inbox)));
            }
            drop(senders);
        });
        assert_eq!(zones.stats().free, FRAMES.count());
        zones.check().unwrap();
        (0..CPUS).for_each(|cpu| {
            on(cpu, || zones.drain_local());
        });
        assert_eq!(zones.histogram(), before);
    });
}

/// What one CPU does and has.
struct Worker<'a, 'm, 'e> {
    cpu: usize,
    zones: &'a Zones<'m, &'e Cpus>,
    owners: &'a Owners,
    mine: Vec<FrameRange>,
}

impl Worker<'_, '_, '_> {
    fn run(mut self, neighbour: mpsc::Sender<FrameRange>, inbox: mpsc::Receiver<FrameRange>) {
        for turn in 0..6000 {
            self.allocate(turn);
            if turn % 500 == 499 {
                self.zones.drain_local();
            }
            if self.mine.len() > 150 {
                let range = self.mine.swap_remove(turn % 150);
                if turn % 3 == 0 {
                    self.owners.change(range, self.cpu + 1, (self.cpu + 1) % CPUS + 1);
                    neighbour.send(range).unwrap();
                } else {
                    self.give_back(range);
                }
            }
            inbox.try_iter().for_each(|range| self.give_back(range));
        }
        let rest = core::mem::take(&mut self.mine);
        rest.into_iter().for_each(|range| self.give_back(range));
        drop(neighbour);
        inbox.into_iter().for_each(|range| self.give_back(range));
    }

    fn allocate(&mut self, turn: usize) {
        let counts = [1, 1, 2, 4, 1, 8, 3, 1, 512, 37];
        let request = FrameRequest::new(counts[(turn * 7 + self.cpu) % counts.len()]);
        if let Ok(range) = self.zones.allocate(&request) {
            self.owners.change(range, 0, self.cpu + 1);
            self.mine.push(range);
        }
    }

    fn give_back(&self, range: FrameRange) {
        self.owners.change(range, self.cpu + 1, 0);
        free(self.zones, range).unwrap();
    }
}

/// Of several CPUs that free the same frame, one does, and the others are told.
#[test]
fn of_racing_double_frees_one_wins() {
    let env = Cpus::new(CPUS, FrameRange::EMPTY);
    with_zones(&env, &keeping_nothing(&TABLE), &[FRAMES], |zones| {
        for round in 0..200 {
            let block = zones.allocate(&FrameRequest::new([1, 4, 512, 100][round % 4])).unwrap();
            let freed: usize = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..CPUS)
                    .map(|cpu| scope.spawn(move || on(cpu, || usize::from(free(zones, block).is_ok()))))
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(freed, 1, "{block:?}");
        }
        assert_eq!(zones.stats().free, FRAMES.count());
    });
}
