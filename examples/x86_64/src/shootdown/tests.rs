//! CPUs as threads: each has a page that it moves again and again, and a memory of where the pages of all are.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Mutex;
use std::thread;

use alloc::vec::Vec;

use super::*;

const CPUS: u32 = 4;
const ROUNDS: u64 = 300;

/// Page n belongs to CPU n; its "translation" is a number that only grows.
struct Machine {
    slots: Vec<Slot>,
    /// The page tables.
    table: Vec<AtomicU64>,
    /// The table value that is in no TLB any more.
    settled: Vec<AtomicU64>,
    /// Whether an interrupt waits.
    pending: Vec<AtomicBool>,
}

/// A thread's view: its TLB is its own.
struct View<'m> {
    machine: &'m Machine,
    own: u32,
    tlb: Mutex<Vec<Option<u64>>>,
}

fn at<T>(all: &[T], cpu: u32) -> &T {
    &all[cpu as usize]
}

impl Cpus for View<'_> {
    fn slot(&self, cpu: u32) -> Option<&Slot> {
        self.machine.slots.get(cpu as usize)
    }

    fn interrupt(&self, cpu: u32) {
        at(&self.machine.pending, cpu).store(true, SeqCst);
    }

    fn invalidate(&self, stale: Stale) {
        let mut tlb = self.tlb.lock().unwrap();
        match stale {
            Stale::All | Stale::Request(_) => tlb.fill(None),
            Stale::Pages { first, count, .. } => {
                (first..first + count).for_each(|page| tlb[usize::try_from(page).unwrap()] = None);
            }
        }
    }

    fn pause(&self) {
        thread::yield_now();
    }
}

impl View<'_> {
    /// Uses every page: what this CPU remembers is no older than what settled before the look.
    fn use_all(&self) {
        for page in 0..CPUS {
            let settled = at(&self.machine.settled, page).load(SeqCst);
            let mut tlb = self.tlb.lock().unwrap();
            let seen = *tlb[page as usize].get_or_insert_with(|| at(&self.machine.table, page).load(SeqCst));
            assert!(seen >= settled, "CPU {} uses {seen} of page {page}, {settled} settled", self.own);
        }
    }

    fn take_interrupts(&self) {
        if at(&self.machine.pending, self.own).swap(false, SeqCst) {
            serve(self, self.own);
        }
    }

    fn run(&self, online: &CpuSet, finished: &CpuSet) {
        for round in 1..=ROUNDS {
            self.use_all();
            at(&self.machine.table, self.own).store(round, SeqCst);
            let pages = Stale::Pages { first: u64::from(self.own), stride: 1, count: 1 };
            shoot(self, self.own, online.iter(), if round % 7 == 0 { Stale::All } else { pages });
            at(&self.machine.settled, self.own).store(round, SeqCst);
            self.take_interrupts();
        }
        finished.insert(self.own);
        while finished.len() < CPUS {
            self.take_interrupts();
            self.use_all();
            thread::yield_now();
        }
    }
}

#[test]
fn nobody_uses_a_translation_that_was_shot_down() {
    let numbers = || (0..CPUS).map(|_| AtomicU64::new(0)).collect();
    let machine = Machine {
        slots: (0..CPUS).map(|_| Slot::new()).collect(),
        table: numbers(),
        settled: numbers(),
        pending: (0..CPUS).map(|_| AtomicBool::new(false)).collect(),
    };
    let (online, finished) = (CpuSet::new(), CpuSet::new());
    (0..CPUS).for_each(|cpu| assert!(online.insert(cpu)));
    thread::scope(|scope| {
        for own in 0..CPUS {
            let (machine, online, finished) = (&machine, &online, &finished);
            let tlb = Mutex::new(alloc::vec![None; CPUS as usize]);
            scope.spawn(move || View { machine, own, tlb }.run(online, finished));
        }
    });
}

#[test]
fn a_request_survives_its_way() {
    let slot = Slot::new();
    assert_eq!(slot.read(), Stale::All);
    let pages = Stale::Pages { first: 1 << 63, stride: 4096, count: 33 };
    for stale in [pages, Stale::All, Stale::Request(u64::MAX)] {
        slot.write(stale);
        assert_eq!(slot.read(), stale);
    }
}
