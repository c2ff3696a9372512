//! Tasks of a model: the checker's threads, parked and woken through it: [`Tasks`]. And its lock: [`Lock`].

use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::{fmt, mem, ptr};
use std::sync::OnceLock;
use std::thread;

use super::checker::sync::{Condvar, Mutex, MutexGuard};
use super::checker::thread_local;
use super::machine::TASKS;
use crate::ports::{BlockReason, CriticalSection, Park, Resume};
use crate::time::Instant;

thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// Makes the calling thread task or CPU `number`.
pub(super) fn enter(number: usize) {
    NUMBER.with(|own| own.set(number));
}

/// Which task or CPU the calling thread is.
pub(super) fn number() -> usize {
    NUMBER.with(Cell::get)
}

/// Some tasks. A park with a deadline times out as soon as it finds no permit: when that is, loom tries.
#[derive(Clone, Debug)]
pub(super) struct Tasks(Arc<[(Mutex<bool>, Condvar); TASKS]>);

impl Tasks {
    pub(super) fn new() -> Self {
        Self(Arc::new([(); TASKS].map(|()| (Mutex::new(false), Condvar::new()))))
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
        number()
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

/// Nobody is killed here.
#[cfg(feature = "process")]
impl crate::ports::Interrupt for Tasks {
    fn interrupt(&self, task: usize) {
        self.unpark(task);
    }
}

#[cfg(feature = "process")]
impl crate::ports::SignalSink<()> for Tasks {
    fn permits(&self, (): &(), (): &(), _: crate::process::Signal) -> bool {
        true
    }

    fn post(&self, (): &mut (), _: crate::process::Signal) -> bool {
        false
    }

    fn pending(&self, (): &()) -> bool {
        false
    }
}

/// A lock that the checker knows, made where it is first used: loom's own cannot be constants. It does nothing while the tasks
/// of a schedule that failed are taken down.
pub(super) struct Lock {
    mutex: OnceLock<Mutex<()>>,
    held: UnsafeCell<Option<MutexGuard<'static, ()>>>,
}

impl Lock {
    #[expect(unsafe_code, reason = "a guard that goes from `lock` to `unlock`")]
    fn mutex(&self) -> &'static Mutex<()> {
        let mutex = ptr::from_ref(self.mutex.get_or_init(|| Mutex::new(())));
        // SAFETY: what is made of it is a guard, which is dropped in `unlock`, that is before the lock is, or never.
        unsafe { &*mutex }
    }
}

// SAFETY: `held` is used only by who has the mutex.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl Sync for Lock {}

// SAFETY: the tasks of a model take turns on one thread, so a guard never leaves the one that made it.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl Send for Lock {}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

// SAFETY: who has the guard of the mutex has the lock.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl lock_api::RawMutex for Lock {
    const INIT: Self = Self { mutex: OnceLock::new(), held: UnsafeCell::new(None) };

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        if thread::panicking() {
            return;
        }
        let guard = self.mutex().lock().unwrap();
        // SAFETY: the caller has the mutex.
        unsafe { *self.held.get() = Some(guard) };
    }

    fn try_lock(&self) -> bool {
        let Ok(guard) = self.mutex().try_lock() else { return false };
        // SAFETY: the caller has the mutex.
        unsafe { *self.held.get() = Some(guard) };
        true
    }

    unsafe fn unlock(&self) {
        // SAFETY: the caller has the mutex.
        let guard = unsafe { (*self.held.get()).take() };
        if thread::panicking() {
            mem::forget(guard);
        }
    }
}
