//! A kernel below a process table that writes down what it is asked: [`FakeKernel`], and the part of a process that knows how
//! many of it there are: [`FakeExt`].

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ports::{BlockReason, CriticalSection, Interrupt, Park, ProcessExt, Resume, SignalSink};
use crate::process::Signal;
use crate::testing::{HostIrq, HostPark, HostTask, MaskedLock};
use crate::time::Instant;

/// A call of a port that was told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

#[derive(Debug, Default)]
struct World {
    exts: AtomicUsize,
    /// Calls until one fails, counted from 1; 0: none fails.
    fuse: AtomicU32,
    wakes: Mutex<Vec<(u32, bool)>>,
    current: AtomicU32,
}

/// Tasks are numbers and nobody sleeps: [`park`](Park::park) panics. It panics too where a lock is held that must not be.
/// Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    world: Arc<World>,
    host: HostPark,
}

impl FakeKernel {
    /// Nobody was woken, nothing is to fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A part for a process.
    #[must_use]
    pub fn ext(&self) -> FakeExt {
        self.world.exts.fetch_add(1, Ordering::Relaxed);
        FakeExt { world: Arc::clone(&self.world), posted: 0, space: 0 }
    }

    /// How many parts there are.
    #[must_use]
    pub fn exts(&self) -> usize {
        self.world.exts.load(Ordering::Relaxed)
    }

    /// Lets the `calls`-th of the following calls of [`attempt`](Self::attempt) and fork fail; 0: none.
    pub fn fail_in(&self, calls: u32) {
        self.world.fuse.store(calls, Ordering::Relaxed);
    }

    /// Whether the call that was to fail has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.world.fuse.load(Ordering::Relaxed) == 0
    }

    /// A call that may be the one that fails.
    ///
    /// # Errors
    /// [`Refused`] if it is.
    pub fn attempt(&self) -> Result<(), Refused> {
        self.world.attempt()
    }

    /// Whom the table woke since the last call, and whether to leave.
    #[must_use]
    pub fn take_wakes(&self) -> Vec<(u32, bool)> {
        core::mem::take(&mut *self.world.wakes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes `task` the running one.
    pub fn run_as(&self, task: u32) {
        self.world.current.store(task, Ordering::Relaxed);
    }

    fn woke(&self, task: u32, leave: bool) {
        self.host.unpark(self.host.current()); // panics if a lock is held
        self.world.wakes.lock().unwrap_or_else(PoisonError::into_inner).push((task, leave));
    }
}

impl World {
    fn attempt(&self) -> Result<(), Refused> {
        let fuse = self.fuse.load(Ordering::Relaxed);
        self.fuse.store(fuse.saturating_sub(1), Ordering::Relaxed);
        if fuse == 1 { Err(Refused) } else { Ok(()) }
    }
}

impl CriticalSection for FakeKernel {
    type Lock = MaskedLock;
    type Irq = HostIrq;

    fn irq_save(&self) -> HostIrq {
        self.host.irq_save()
    }
}

impl Park for FakeKernel {
    type Task = u32;

    fn current(&self) -> u32 {
        self.world.current.load(Ordering::Relaxed)
    }

    #[expect(clippy::panic, reason = "a fake for tests in which nobody sleeps")]
    fn park(&self, _: Option<Instant>, _: BlockReason) -> Resume {
        panic!("task {} would sleep", self.current())
    }

    fn unpark(&self, task: u32) {
        self.woke(task, false);
    }
}

impl Interrupt for FakeKernel {
    fn interrupt(&self, task: u32) {
        self.woke(task, true);
    }
}

/// Everything is permitted but signal 63; everything is pending, and signals 32 and above wake.
impl SignalSink<FakeExt> for FakeKernel {
    fn permits(&self, _: &FakeExt, _: &FakeExt, signal: Signal) -> bool {
        signal.number() != 63
    }

    fn post(&self, target: &mut FakeExt, signal: Signal) -> bool {
        target.posted |= 1 << (signal.number() - 1);
        signal.number() >= 32
    }

    fn pending(&self, _: &FakeExt) -> bool {
        false
    }
}

/// The integrator's part of a process: the signals posted to it, and the number of its image.
#[derive(Debug)]
pub struct FakeExt {
    world: Arc<World>,
    /// Signal `n` is bit `n - 1`.
    pub posted: u64,
    /// The image.
    pub space: u32,
}

impl Clone for FakeExt {
    fn clone(&self) -> Self {
        self.world.exts.fetch_add(1, Ordering::Relaxed);
        Self { world: Arc::clone(&self.world), posted: self.posted, space: self.space }
    }
}

impl Drop for FakeExt {
    fn drop(&mut self) {
        HostPark::new().unpark(HostPark::new().current()); // panics if a lock is held
        self.world.exts.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ProcessExt for FakeExt {
    type Space = u32;
    type Error = Refused;

    fn fork(&self) -> Result<Self, Refused> {
        self.world.attempt()?;
        let mut child = self.clone();
        child.posted = 0;
        Ok(child)
    }

    fn replace_space(&mut self, space: u32) -> u32 {
        core::mem::replace(&mut self.space, space)
    }
}

/// Killed by hand.
impl Interrupt for HostPark {
    fn interrupt(&self, task: HostTask) {
        self.unpark(task); // panics if a lock is held
        self.kill(task);
    }
}

/// No signal but KILL, STOP and CONT has an effect.
impl<X> SignalSink<X> for HostPark {
    fn permits(&self, _: &X, _: &X, _: Signal) -> bool {
        true
    }

    fn post(&self, _: &mut X, _: Signal) -> bool {
        false
    }

    fn pending(&self, _: &X) -> bool {
        false
    }
}

/// A process of which nothing is the integrator's.
impl ProcessExt for () {
    type Space = ();
    type Error = core::convert::Infallible;

    fn fork(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn replace_space(&mut self, (): ()) {}
}
