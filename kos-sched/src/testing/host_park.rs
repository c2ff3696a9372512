//! Tasks that are threads of the host: [`HostPark`].
//!
//! The faults that hang a kernel panic here: a lock taken with interrupts enabled or twice by one thread, a park with
//! interrupts masked, interrupt guards dropped out of order. A wake-up with a lock held also ends every park, so that the other
//! threads of the test end too.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ports::{BlockReason, Clock, CriticalSection, Park, Resume};
use crate::time::Instant;

std::thread_local! {
    /// Interrupt guards alive on this thread.
    static MASKED: Cell<u32> = const { Cell::new(0) };
    /// Names this thread in the lock's word.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
}

static NUMBERS: AtomicU32 = AtomicU32::new(1);

fn this_thread() -> u32 {
    if NUMBER.get() == 0 {
        NUMBER.set(NUMBERS.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

/// A task: one thread of one [`HostPark`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostTask(u32);

impl HostTask {
    /// Its number, counted from 1 in the order in which threads of the process first asked.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for HostTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.0)
    }
}

#[derive(Debug, Default)]
struct Sleeper {
    task: u32,
    permit: bool,
    killed: bool,
    parked: bool,
}

#[derive(Debug, Default)]
struct World {
    now: u64,
    /// A rule was broken: nobody sleeps any more.
    broken: bool,
    sleepers: Vec<Sleeper>,
}

impl World {
    #[expect(clippy::indexing_slicing, reason = "the position was just found or made")]
    fn sleeper(&mut self, task: HostTask) -> &mut Sleeper {
        let found = self.sleepers.iter().position(|sleeper| sleeper.task == task.0);
        let position = found.unwrap_or_else(|| {
            self.sleepers.push(Sleeper { task: task.0, ..Sleeper::default() });
            self.sleepers.len() - 1
        });
        &mut self.sleepers[position]
    }
}

/// A scheduler made of host threads, with a clock that moves only when a test moves it. Clones are the same one.
///
/// ```
/// use kos_sched::testing::HostPark;
/// use kos_sched::{BlockReason, Park, Resume};
///
/// let host = HostPark::new();
/// host.unpark(host.current());
/// assert_eq!(host.park(None, BlockReason::Park), Resume::Woken); // the early wake-up was remembered
/// ```
#[derive(Clone, Debug, Default)]
pub struct HostPark(Arc<(Mutex<World>, Condvar)>);

impl HostPark {
    /// Time 0, nobody asleep.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it be `now`; whoever sleeps until then wakes.
    pub fn set_now(&self, now: Instant) {
        self.world().now = now.as_ticks();
        self.0.1.notify_all();
    }

    /// Kills `task`: this and every later park of it returns [`Resume::Interrupted`].
    pub fn kill(&self, task: HostTask) {
        self.world().sleeper(task).killed = true;
        self.0.1.notify_all();
    }

    /// Whether interrupts are masked on this thread.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        MASKED.get() > 0
    }

    /// Waits until `count` tasks are parked.
    pub fn until_parked(&self, count: usize) {
        while self.world().sleepers.iter().filter(|sleeper| sleeper.parked).count() < count {
            thread::yield_now();
        }
    }
}

impl CriticalSection for HostPark {
    type Lock = MaskedLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        MASKED.set(MASKED.get() + 1);
        HostIrq { depth: MASKED.get() }
    }
}

impl Clock for HostPark {
    fn now(&self) -> Instant {
        Instant::from_ticks(self.world().now)
    }
}

impl Park for HostPark {
    type Task = HostTask;

    fn current(&self) -> HostTask {
        HostTask(this_thread())
    }

    fn park(&self, until: Option<Instant>, _why: BlockReason) -> Resume {
        assert_eq!(MASKED.get(), 0, "parked with interrupts masked");
        let task = self.current();
        let mut world = self.world();
        loop {
            let (now, broken) = (world.now, world.broken);
            let sleeper = world.sleeper(task);
            sleeper.parked = false;
            if sleeper.killed || broken {
                return Resume::Interrupted;
            }
            if core::mem::take(&mut sleeper.permit) {
                return Resume::Woken;
            }
            if until.is_some_and(|until| until.as_ticks() <= now) {
                return Resume::TimedOut;
            }
            sleeper.parked = true;
            world = self.0.1.wait(world).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn unpark(&self, task: HostTask) {
        let mut world = self.world();
        world.sleeper(task).permit = true;
        world.broken |= self.is_masked();
        drop(world);
        self.0.1.notify_all();
        assert!(!self.is_masked(), "woke somebody with a lock held");
    }
}

/// The interrupt mask of a host thread.
#[derive(Debug)]
pub struct HostIrq {
    depth: u32,
}

impl Drop for HostIrq {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(MASKED.get(), self.depth, "interrupt guards dropped out of order");
        }
        MASKED.set(self.depth - 1);
    }
}

/// A spinning lock that knows its owner: it panics where a kernel would hang.
#[derive(Debug)]
pub struct MaskedLock(AtomicU32);

// SAFETY: one thread at a time finds 0 and puts its number there.
#[expect(unsafe_code, reason = "implements a lock")]
unsafe impl lock_api::RawMutex for MaskedLock {
    const INIT: Self = Self(AtomicU32::new(0));

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        assert_ne!(self.0.load(Ordering::Relaxed), this_thread(), "locked twice by one thread");
        while !self.try_lock() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        assert_ne!(MASKED.get(), 0, "locked with interrupts enabled");
        self.0.compare_exchange(0, this_thread(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}
