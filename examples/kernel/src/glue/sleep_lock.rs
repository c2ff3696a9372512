//! The lock of kos-vfs: who waits for it sleeps, as holders may wait for a disk.
//!
//! `lock_api` makes locks without a word about whose they are; so one that must sleep looks up the kernel of the CPU that it runs
//! on ([`Platform::with_kernel`]). Before there is a kernel there is one thread, and a thread of the host that is no CPU spins.
//!
//! Invariant: the word counts readers, or says that there is one writer. Whoever goes to sleep has set `WAITED` in a word that
//! did not let him in, and whoever lets go last clears it and wakes all.
#![expect(unsafe_code, reason = "a lock")]

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use kos_alloc::Env;
use kos_sched::sync::WaitQueue;
use kos_sched::{BlockReason, CriticalSection, Park, Resume, TaskId};
use lock_api::{GuardSend, RawMutex, RawRwLock};

use crate::platform::Platform;
use crate::time::Instant;

/// One writer has it.
const WRITER: usize = 1;
/// Somebody sleeps.
const WAITED: usize = 2;
/// One reader has it; so many times.
const READER: usize = 4;

/// One writer or many readers. A reader who comes while somebody sleeps waits, too, so that writers get their turn.
pub struct SleepLock<P: Platform> {
    word: AtomicUsize,
    waiters: WaitQueue<Ambient<P>>,
}

impl<P: Platform> fmt::Debug for SleepLock<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SleepLock").field("word", &self.word).finish_non_exhaustive()
    }
}

impl<P: Platform> SleepLock<P> {
    #[expect(
        clippy::declare_interior_mutable_const,
        reason = "each use is a new lock, as `lock_api` wants it"
    )]
    const NEW: Self = Self { word: AtomicUsize::new(0), waiters: WaitQueue::new(Ambient::new()) };

    /// Takes the lock as soon as `enter` says what the word becomes; sleeps meanwhile.
    fn wait(&self, enter: fn(usize) -> Option<usize>) {
        while !self.take(enter) {
            let slept = P::with_kernel(|_| self.waiters.wait_for(None, || self.take_or_mark(enter)));
            match slept {
                Some(Ok(())) => return,
                // A thread that is to end finishes what it has begun; others take their turn.
                Some(Err(_)) => {
                    P::with_kernel(|kernel| kernel.threads.runtime().yield_now()).unwrap_or_default();
                }
                None => core::hint::spin_loop(),
            }
        }
    }

    fn take(&self, enter: fn(usize) -> Option<usize>) -> bool {
        self.word.fetch_update(Acquire, Relaxed, enter).is_ok()
    }

    /// Takes it, or leaves word that somebody sleeps.
    fn take_or_mark(&self, enter: fn(usize) -> Option<usize>) -> Option<()> {
        let before = self.word.fetch_update(Acquire, Relaxed, |word| enter(word).or(Some(word | WAITED)));
        // `fetch_update` with an answer for each word cannot fail.
        enter(before.unwrap_or_else(|word| word)).map(drop)
    }
}

const fn write(word: usize) -> Option<usize> {
    if word & !WAITED == 0 { Some(word | WRITER) } else { None }
}

const fn read(word: usize) -> Option<usize> {
    if word & (WRITER | WAITED) == 0 { word.checked_add(READER) } else { None }
}

// SAFETY: a word of 0 or `WAITED` becomes one with `WRITER` for one caller alone, and no other function lets anybody in as long as
// it is there; both orders are acquire and release.
unsafe impl<P: Platform> RawMutex for SleepLock<P> {
    const INIT: Self = Self::NEW;

    type GuardMarker = GuardSend;

    fn lock(&self) {
        self.wait(write);
    }

    fn try_lock(&self) -> bool {
        self.take(write)
    }

    unsafe fn unlock(&self) {
        if self.word.swap(0, Release) & WAITED != 0 {
            self.waiters.wake_all();
        }
    }
}

// SAFETY: as above; readers are let in only where there is no writer, and a writer only where the count of readers is 0.
unsafe impl<P: Platform> RawRwLock for SleepLock<P> {
    const INIT: Self = Self::NEW;

    type GuardMarker = GuardSend;

    fn lock_shared(&self) {
        self.wait(read);
    }

    fn try_lock_shared(&self) -> bool {
        self.take(read)
    }

    unsafe fn unlock_shared(&self) {
        let left = self.word.fetch_sub(READER, Release) - READER;
        // If somebody came meanwhile, he wakes the others.
        if left == WAITED && self.word.compare_exchange(WAITED, 0, Relaxed, Relaxed).is_ok() {
            self.waiters.wake_all();
        }
    }

    fn lock_exclusive(&self) {
        RawMutex::lock(self);
    }

    fn try_lock_exclusive(&self) -> bool {
        RawMutex::try_lock(self)
    }

    unsafe fn unlock_exclusive(&self) {
        // SAFETY: the caller's promise is passed on.
        unsafe { RawMutex::unlock(self) };
    }
}

/// The kernel of the CPU that calls, as the environment of wait queues.
#[derive(Debug)]
pub struct Ambient<P>(PhantomData<fn() -> P>);

impl<P> Ambient<P> {
    /// All are alike.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> Default for Ambient<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> CriticalSection for Ambient<P> {
    type Lock = <P::Env as Env>::Lock;
    type Irq = Option<<P::Scheduler as kos_sched::Platform>::Irq>;

    fn irq_save(&self) -> Self::Irq {
        P::with_kernel(|kernel| {
            kos_sched::Platform::irq_save(kernel.threads.runtime().scheduler().platform())
        })
    }
}

impl<P: Platform> Park for Ambient<P> {
    type Task = TaskId;

    fn current(&self) -> TaskId {
        P::with_kernel(|kernel| kernel.threads.runtime().current()).unwrap_or(TaskId::NOBODY)
    }

    fn park(&self, until: Option<Instant>, why: BlockReason) -> Resume {
        P::with_kernel(|kernel| kernel.threads.runtime().park(until, why)).unwrap_or(Resume::Woken)
    }

    fn unpark(&self, task: TaskId) {
        P::with_kernel(|kernel| kernel.threads.runtime().unpark(task)).unwrap_or_default();
    }
}
