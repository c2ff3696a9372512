//! Tasks of a model: loom's threads, parked and woken through loom: [`Tasks`].

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use std::sync::OnceLock;
use std::thread;

use loom::sync::{Condvar, Mutex};

use crate::ports::{BlockReason, CriticalSection, Park, Resume};
use crate::time::Instant;

loom::thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// Makes the calling thread task `number`, 0 to 2.
pub(super) fn enter(number: usize) {
    NUMBER.with(|own| own.set(number));
}

/// Three tasks. A park with a deadline times out as soon as it finds no permit: when that is, loom tries.
#[derive(Clone, Debug)]
pub(super) struct Tasks(Arc<[(Mutex<bool>, Condvar); 3]>);

impl Tasks {
    pub(super) fn new() -> Self {
        Self(Arc::new([(); 3].map(|()| (Mutex::new(false), Condvar::new()))))
    }
}

impl CriticalSection for Tasks {
    type Lock = Lock;
    type Irq = ();

    fn irq_save(&self) {}
}

impl Park for Tasks {
    type Task = usize;

    fn current(&self) -> usize {
        NUMBER.with(Cell::get)
    }

    fn park(&self, until: Option<Instant>, _why: BlockReason) -> Resume {
        let (permit, given) = &self.0[self.current()];
        let mut permit = permit.lock().unwrap();
        while !*permit {
            if until.is_some() {
                return Resume::TimedOut;
            }
            permit = given.wait(permit).unwrap();
        }
        *permit = false;
        Resume::Woken
    }

    fn unpark(&self, task: usize) {
        if thread::panicking() {
            return;
        }
        let (permit, given) = &self.0[task];
        *permit.lock().unwrap() = true;
        given.notify_one();
    }
}

/// A lock that loom knows, made where it is first used: loom's own cannot be constants. It does nothing while loom takes down
/// the tasks of a schedule that failed.
pub(super) struct Lock(OnceLock<(Mutex<bool>, Condvar)>);

impl Lock {
    fn parts(&self) -> &(Mutex<bool>, Condvar) {
        self.0.get_or_init(|| (Mutex::new(false), Condvar::new()))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

// SAFETY: who finds the flag clear sets it, under loom's mutex.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl lock_api::RawMutex for Lock {
    const INIT: Self = Self(OnceLock::new());

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        if thread::panicking() {
            return;
        }
        let (taken, released) = self.parts();
        let mut taken = taken.lock().unwrap();
        while *taken {
            taken = released.wait(taken).unwrap();
        }
        *taken = true;
    }

    fn try_lock(&self) -> bool {
        !core::mem::replace(&mut *self.parts().0.lock().unwrap(), true)
    }

    unsafe fn unlock(&self) {
        if thread::panicking() {
            return;
        }
        let (taken, released) = self.parts();
        *taken.lock().unwrap() = false;
        released.notify_one();
    }
}
