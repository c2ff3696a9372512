use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;
use crate::engine::{self, Engine, Running};

const CPUS: usize = 3;
const CALLS: u64 = 100;

/// CPUs that call each other in a ring, and count what interrupts them.
struct Ring {
    calls: [AtomicU64; CPUS],
    /// What the handler and the interrupted code both change, which only the mask keeps apart.
    shared: [AtomicU64; CPUS],
    inside: [AtomicUsize; CPUS],
    collisions: AtomicU64,
    timers: AtomicU64,
    done: SyncSender<usize>,
}

impl Ring {
    fn new() -> (Arc<Self>, Receiver<usize>) {
        let (done, all) = sync_channel(CPUS);
        let (calls, shared, inside) = Default::default();
        let ring = Self { calls, shared, inside, collisions: 0.into(), timers: 0.into(), done };
        (Arc::new(ring), all)
    }

    /// Not atomic, on purpose; and told if it was entered twice.
    fn change(&self, cpu: usize) {
        if self.inside[cpu].fetch_add(1, SeqCst) != 0 {
            self.collisions.fetch_add(1, SeqCst);
        }
        let before = self.shared[cpu].load(SeqCst);
        core::hint::black_box(before);
        self.shared[cpu].store(before + 1, SeqCst);
        self.inside[cpu].fetch_sub(1, SeqCst);
    }
}

impl Software for Ring {
    fn run(&self, cpu: usize) -> ! {
        engine::unmask();
        if cpu == 0 {
            (1..CPUS).for_each(|cpu| engine::start(cpu).unwrap());
        }
        let mut changes = 0;
        let next = (cpu + 1) % CPUS;
        while [cpu, next].iter().any(|&cpu| self.calls[cpu].load(SeqCst) < CALLS) {
            let masked = engine::mask();
            self.change(cpu);
            drop(masked);
            changes += 1;
            engine::interrupt(next, Interrupt::Call);
        }
        let masked = engine::mask();
        // Every change counts, those of the handler, too.
        let all = changes + self.calls[cpu].load(SeqCst);
        assert_eq!(self.shared[cpu].load(SeqCst), all, "cpu {cpu}");
        drop(masked);
        let before = self.timers.load(SeqCst);
        engine::arm(Some(engine::now() + 1_000_000));
        engine::idle_unless(&|| self.timers.load(SeqCst) != before);
        let masked = engine::mask();
        self.done.send(cpu).unwrap();
        drop(masked);
        loop {
            engine::idle();
        }
    }

    fn interrupt(&self, interrupt: Interrupt) {
        let cpu = engine::cpu().unwrap();
        match interrupt {
            Interrupt::Call => {
                self.change(cpu);
                self.calls[cpu].fetch_add(1, SeqCst);
            }
            Interrupt::Timer => drop(self.timers.fetch_add(1, SeqCst)),
            Interrupt::Drain => {}
        }
    }

    fn await_work(&self) -> bool {
        false
    }

    fn died(&self, death: Death) {
        panic!("{death}");
    }
}

#[test]
fn interrupts_come_between_masked_sections_only() {
    let (ring, all) = Ring::new();
    let running = Running::start(Engine::Threads, CPUS, Arc::<Ring>::clone(&ring)).unwrap();
    let mut finished: Vec<_> = all.iter().take(CPUS).collect();
    finished.sort_unstable();
    assert_eq!(finished, [0, 1, 2]);
    drop(running);
    assert_eq!(ring.collisions.load(SeqCst), 0);
    assert!(ring.timers.load(SeqCst) >= 1);
    assert_eq!(engine::cpu(), None);
}
