//! A machine with several CPUs that counts its locks: [`Cpus`].

use alloc::vec::Vec;
use core::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread_local;

use crate::ports::Env;
use crate::testing::{HostEnv, HostIrq, HostLock};
use crate::types::{CpuIndex, DirectMap, FrameRange};

thread_local! {
    static CPU: Cell<Option<usize>> = const { Cell::new(None) };
    static LOCKED: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work` as if on CPU number `cpu`.
pub(super) fn on<R>(cpu: usize, work: impl FnOnce() -> R) -> R {
    let before = CPU.replace(Some(cpu));
    let result = work();
    CPU.set(before);
    result
}

/// How many locks this thread took during `work`.
pub(super) fn locks(work: impl FnOnce()) -> usize {
    let before = LOCKED.get();
    work();
    LOCKED.get() - before
}

/// The environment. A thread is the CPU that it says [`on`].
#[derive(Debug)]
pub(super) struct Cpus {
    host: HostEnv,
    count: usize,
    kicked: Mutex<Vec<usize>>,
}

impl Cpus {
    /// `count` CPUs, and memory behind `frames`.
    pub(super) fn new(count: usize, frames: FrameRange) -> Self {
        Self { host: HostEnv::new(frames), count, kicked: Mutex::new(Vec::new()) }
    }

    /// The CPUs kicked since the last call.
    pub(super) fn take_kicked(&self) -> Vec<usize> {
        core::mem::take(&mut *self.kicked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often interrupts were masked.
    pub(super) fn masked(&self) -> usize {
        self.host.masked()
    }

    pub(super) const fn host(&self) -> &HostEnv {
        &self.host
    }
}

#[expect(unsafe_code, reason = "implements the port")]
// SAFETY: lock, mask and map are the host environment's; a test lets no two threads be the same CPU.
unsafe impl Env for Cpus {
    type Lock = CountingLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.host.irq_save()
    }

    fn cpus(&self) -> usize {
        self.count
    }

    fn cpu(&self) -> Option<CpuIndex> {
        CPU.get().map(CpuIndex)
    }

    fn kick(&self, cpu: CpuIndex) {
        self.kicked.lock().unwrap_or_else(PoisonError::into_inner).push(cpu.0);
    }

    fn direct_map(&self) -> DirectMap {
        self.host.direct_map()
    }

    fn secret(&self) -> u64 {
        self.host.secret()
    }
}

/// The lock of the host environment, counted.
#[derive(Debug)]
pub(super) struct CountingLock(HostLock);

#[expect(unsafe_code, reason = "implements the port")]
// SAFETY: every promise is the inner lock's own.
unsafe impl lock_api::RawMutex for CountingLock {
    const INIT: Self = Self(<HostLock as lock_api::RawMutex>::INIT);

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        LOCKED.set(LOCKED.get() + 1);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.unlock() };
    }
}
