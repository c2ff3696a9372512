use std::sync::Mutex;

use super::*;
use crate::engine::{self, Engine, Running, simulate};

/// Each CPU adds to its counter, sets its timer, sleeps; the first ends it.
#[derive(Default)]
struct Counting {
    woken: [core::sync::atomic::AtomicU64; CPUS],
    log: Mutex<Vec<(u64, usize, Interrupt)>>,
    asked: Mutex<u32>,
    death: Mutex<Option<Death>>,
    silent: bool,
}

const CPUS: usize = 5;

impl Counting {
    fn work(&self) {
        use core::sync::atomic::Ordering::Relaxed;
        let at = engine::now() + 10_000;
        let masked = engine::mask();
        if !self.silent {
            engine::arm(Some(at));
        }
        engine::idle();
        drop(masked);
        let cpu = engine::cpu().unwrap();
        self.woken[cpu].fetch_add(1, Relaxed);
        assert!(engine::interrupt((cpu + 1) % CPUS, Interrupt::Call));
    }

    fn done(&self) -> bool {
        self.woken.iter().all(|woken| woken.load(core::sync::atomic::Ordering::Relaxed) >= 100)
    }
}

impl Software for Counting {
    fn run(&self, cpu: usize) -> ! {
        engine::unmask();
        if cpu == 0 {
            (1..CPUS).for_each(|cpu| engine::start(cpu).unwrap());
        }
        loop {
            self.work();
            if cpu == 0 && self.done() {
                engine::rest(&|| false);
            }
        }
    }

    fn interrupt(&self, interrupt: Interrupt) {
        let entry = (engine::now(), engine::cpu().unwrap(), interrupt);
        self.log.lock().unwrap().push(entry);
    }

    /// Once only.
    fn await_work(&self) -> bool {
        *self.asked.lock().unwrap() += 1;
        *self.asked.lock().unwrap() == 1
    }

    fn died(&self, death: Death) {
        *self.death.lock().unwrap() = Some(death);
    }
}

fn history(seed: u64) -> Vec<(u64, usize, Interrupt)> {
    let software = Arc::new(Counting::default());
    drop(Running::start(Engine::Sim { seed }, CPUS, Arc::<Counting>::clone(&software)).unwrap());
    assert!(software.done() && software.death.lock().unwrap().is_none());
    core::mem::take(&mut software.log.lock().unwrap())
}

#[test]
fn cpus_take_turns_by_the_seed() {
    assert_eq!(history(11), history(11));
    assert_ne!(history(11), history(12));
    assert!(history(11).iter().map(|entry| entry.0).is_sorted());
}

#[test]
fn who_sleeps_without_an_alarm_is_a_deadlock() {
    let software = Arc::new(Counting { silent: true, ..Counting::default() });
    simulate(CPUS, 1, Arc::<Counting>::clone(&software) as _);
    assert!(matches!(*software.death.lock().unwrap(), Some(Death::Deadlock { after_ns: 1.. })));
    assert_eq!((engine::cpu(), *software.asked.lock().unwrap()), (None, 1));
}
