//! Work for another CPU, and the interrupt that tells of it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{explore, must_find};
use crate::core::doorbell::{Doorbell, Rung};
use crate::seeded::Bug;

/// A CPU with a wake list that only counts, and its interrupt line.
struct Cpu {
    bell: Doorbell,
    work: AtomicU32,
    line: AtomicU32,
}

impl Cpu {
    fn new() -> Arc<Self> {
        Arc::new(Self { bell: Doorbell::new(), work: AtomicU32::new(0), line: AtomicU32::new(0) })
    }

    /// As a waker does: publish, then ring if nothing was there.
    fn send(&self) {
        if self.work.fetch_add(1, Ordering::AcqRel) == 0 {
            let rung = self.bell.ring(|| {
                self.line.fetch_add(1, Ordering::AcqRel);
                Ok(())
            });
            assert_ne!(rung, Rung::Failed);
        }
    }

    fn take(&self) -> u32 {
        self.work.swap(0, Ordering::AcqRel)
    }

    /// Delivers an interrupt if there is one.
    fn deliver(&self) -> u32 {
        let pending = self.line.load(Ordering::Acquire);
        if pending == 0 {
            return 0;
        }
        self.line.fetch_sub(1, Ordering::AcqRel);
        self.bell.answer(|| self.take())
    }
}

/// A CPU that is interrupted while two wakers send.
fn kick_bit() {
    let cpu = Cpu::new();
    let wakers = [0, 1].map(|_| {
        let cpu = Arc::clone(&cpu);
        thread::spawn(move || cpu.send())
    });
    let mut done = cpu.deliver();
    wakers.into_iter().for_each(|waker| waker.join().unwrap());
    while cpu.line.load(Ordering::Acquire) > 0 {
        done += cpu.deliver();
    }
    assert_eq!(done, 2, "work that no interrupt tells of");
}

/// A CPU that polled goes to halt while a waker sends.
fn idle_entry() {
    let cpu = Cpu::new();
    cpu.bell.poll();
    let other = Arc::clone(&cpu);
    let waker = thread::spawn(move || other.send());
    let halts = cpu.bell.may_halt(|| cpu.work.load(Ordering::Relaxed) > 0);
    waker.join().unwrap();
    if halts {
        assert!(cpu.line.load(Ordering::Acquire) > 0, "it halts beside its work");
    }
}

#[test]
fn no_kick_is_swallowed() {
    explore(kick_bit);
}

#[test]
fn regress_tgoskits_1381_a_kick_bit_that_outlives_delivery_is_found() {
    must_find(Bug::KickClearedLate, kick_bit);
}

#[test]
fn no_cpu_halts_beside_its_work() {
    explore(idle_entry);
}

#[test]
fn regress_serenity_26443_a_halt_without_a_last_look_is_found() {
    must_find(Bug::HaltUnchecked, idle_entry);
}
