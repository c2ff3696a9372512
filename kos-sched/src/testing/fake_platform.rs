//! [`FakePlatform`]: CPUs that one thread plays in turn, with a clock that the test moves.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cpu::CpuId;
use crate::error::IpiError;
use crate::ports::{Clock, Platform};
use crate::time::Instant;

const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Inner {
    cpu: AtomicU32,
    now: AtomicU64,
    masked: AtomicU32,
    /// How often the mask ended.
    unmasked: AtomicU64,
    timers: Vec<AtomicU64>,
    kicks: Mutex<VecDeque<CpuId>>,
    /// Interrupts to send before one fails; never at the greatest.
    failing_in: AtomicU64,
}

/// The machine. Clones are the same one.
#[derive(Clone, Debug)]
pub struct FakePlatform(Arc<Inner>);

/// Masks interrupts while it lives.
#[derive(Debug)]
pub struct FakeIrq(Arc<Inner>);

impl Drop for FakeIrq {
    fn drop(&mut self) {
        if self.0.masked.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.unmasked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl FakePlatform {
    /// A machine of `cpus` CPUs at time 0; the first is the calling one.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        Self(Arc::new(Inner {
            cpu: AtomicU32::new(0),
            now: AtomicU64::new(0),
            masked: AtomicU32::new(0),
            unmasked: AtomicU64::new(0),
            timers: (0..cpus).map(|_| AtomicU64::new(NEVER)).collect(),
            // One on its way to each CPU, and then some.
            kicks: Mutex::new(VecDeque::with_capacity(4 * cpus as usize + 16)),
            failing_in: AtomicU64::new(NEVER),
        }))
    }

    /// Makes `cpu` the calling one.
    pub fn enter(&self, cpu: CpuId) {
        self.0.cpu.store(cpu.get(), Ordering::Relaxed);
    }

    /// Moves the clock.
    pub fn set_now(&self, now: Instant) {
        self.0.now.store(now.as_ticks(), Ordering::Relaxed);
    }

    /// When the timer of `cpu` fires.
    #[must_use]
    pub fn timer(&self, cpu: CpuId) -> Option<Instant> {
        let at = self.0.timers.get(cpu.as_usize())?.load(Ordering::Relaxed);
        (at != NEVER).then(|| Instant::from_ticks(at))
    }

    /// The oldest interrupt that was sent and not taken yet.
    #[must_use]
    pub fn take_kick(&self) -> Option<CpuId> {
        self.0.kicks.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// How many interrupts were sent and not taken yet.
    #[must_use]
    pub fn pending_kicks(&self) -> usize {
        self.0.kicks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets the interrupt after the next `after` fail; [`None`]: no more.
    pub fn fail_kick(&self, after: Option<u64>) {
        self.0.failing_in.store(after.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// How often interrupts were enabled again: that many masked sections there were.
    #[must_use]
    pub fn masked_sections(&self) -> u64 {
        self.0.unmasked.load(Ordering::Relaxed)
    }

    /// Whether interrupts are masked: not between two operations.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.0.masked.load(Ordering::Relaxed) > 0
    }
}

impl Clock for FakePlatform {
    fn now(&self) -> Instant {
        Instant::from_ticks(self.0.now.load(Ordering::Relaxed))
    }
}

impl Platform for FakePlatform {
    type Irq = FakeIrq;

    fn irq_save(&self) -> FakeIrq {
        self.0.masked.fetch_add(1, Ordering::Relaxed);
        FakeIrq(Arc::clone(&self.0))
    }

    fn cpu(&self) -> CpuId {
        CpuId::new(self.0.cpu.load(Ordering::Relaxed))
    }

    fn arm_timer(&self, at: Option<Instant>) {
        if let Some(timer) = self.0.timers.get(self.cpu().as_usize()) {
            timer.store(at.map_or(NEVER, |at| at.as_ticks()), Ordering::Relaxed);
        }
    }

    fn kick(&self, cpu: CpuId) -> Result<(), IpiError> {
        let left = self.0.failing_in.load(Ordering::Relaxed);
        if left == 0 {
            return Err(IpiError { cpu });
        }
        if left != NEVER {
            self.0.failing_in.store(left - 1, Ordering::Relaxed);
        }
        self.0.kicks.lock().unwrap_or_else(PoisonError::into_inner).push_back(cpu);
        Ok(())
    }

    fn idle(&self, irq: FakeIrq) {
        drop(irq);
    }
}
