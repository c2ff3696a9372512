//! Two CPUs for the models: [`Cpus`], whose lock is loom's, or excludes nobody.

use core::cell::Cell;
use core::fmt;
use std::sync::OnceLock;

use loom::sync::{Condvar, Mutex};

use crate::error::Violation;
use crate::ports::Env;
use crate::testing::HostEnv;
use crate::types::{CpuIndex, DirectMap, FrameRange};

loom::thread_local! {
    static CPU: Cell<usize> = Cell::new(0);
}

/// Makes the calling thread CPU number `cpu`.
pub(super) fn enter(cpu: usize) {
    CPU.with(|number| number.set(cpu));
}

/// A machine of two CPUs with memory of its own.
#[derive(Debug)]
pub(super) struct Cpus<const EXCLUDES: bool>(HostEnv);

impl<const EXCLUDES: bool> Cpus<EXCLUDES> {
    pub(super) fn new(memory: FrameRange) -> Self {
        Self(HostEnv::new(memory))
    }
}

// SAFETY: as for the host's environment; whether the lock excludes is what the models are about.
unsafe impl<const EXCLUDES: bool> Env for Cpus<EXCLUDES> {
    type Lock = Lock<EXCLUDES>;
    type Irq = ();

    fn irq_save(&self) {}

    fn cpus(&self) -> usize {
        2
    }

    fn cpu(&self) -> Option<CpuIndex> {
        Some(CpuIndex(CPU.with(Cell::get)))
    }

    fn direct_map(&self) -> DirectMap {
        self.0.direct_map()
    }

    fn secret(&self) -> u64 {
        self.0.secret()
    }

    fn violation(&self, violation: &Violation) {
        panic!("{violation}");
    }
}

/// A lock that loom knows, made where it is first used: loom's own cannot be constants.
pub(super) struct Lock<const EXCLUDES: bool>(OnceLock<(Mutex<bool>, Condvar)>);

impl<const EXCLUDES: bool> Lock<EXCLUDES> {
    fn parts(&self) -> &(Mutex<bool>, Condvar) {
        self.0.get_or_init(|| (Mutex::new(false), Condvar::new()))
    }
}

impl<const EXCLUDES: bool> fmt::Debug for Lock<EXCLUDES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

// SAFETY: who finds the flag clear sets it, under loom's mutex; or nobody is excluded, which the models must find.
unsafe impl<const EXCLUDES: bool> lock_api::RawMutex for Lock<EXCLUDES> {
    const INIT: Self = Self(OnceLock::new());

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        if EXCLUDES {
            let (taken, released) = self.parts();
            let mut taken = taken.lock().unwrap();
            while *taken {
                taken = released.wait(taken).unwrap();
            }
            *taken = true;
        }
    }

    fn try_lock(&self) -> bool {
        if EXCLUDES {
            let mut taken = self.parts().0.lock().unwrap();
            return !core::mem::replace(&mut *taken, true);
        }
        true
    }

    unsafe fn unlock(&self) {
        if EXCLUDES {
            let (taken, released) = self.parts();
            *taken.lock().unwrap() = false;
            released.notify_one();
        }
    }
}
