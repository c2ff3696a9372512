//! [`Executor`]: futures as tasks that need a stack only while they are polled.
//!
//! Its futures are polled by *runners*, which are ordinary tasks that call [`Executor::run`], one for each CPU that is to take
//! part. So all that is true of tasks is true of futures: they run in the class and with the affinity of their runners, a poll
//! is preempted like any code, and its time is in the runner's account, of which each future's share is kept beside it. An
//! executor for each class gives futures in each class. Rejected: futures in the run queues themselves. A poll that is
//! preempted keeps its stack, so their number would have to be that of the futures again, or polls not be preemptible.
//!
//! Futures that are ready are polled in the order in which they were woken. A waker is the address of a slot and allocates
//! nothing; waking is allowed in interrupt context, takes constant time, and wakes a runner if one sleeps.

mod shared;
mod waker;

use core::fmt;
use core::pin::Pin;
use core::task::Context;

use self::shared::{Job, Shared};
use self::waker::Handle;
use crate::ports::{BlockReason, CpuTime, CriticalSection, Park, Resume};
use crate::time::Duration;

/// A future whose memory the caller keeps.
pub type LentFuture = Pin<&'static mut (dyn Future<Output = ()> + Send)>;

/// One future, past or present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureId {
    index: u32,
    generation: u32,
}

/// All slots are taken. The future comes back.
pub struct ExecutorFull(pub LentFuture);

impl fmt::Debug for ExecutorFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExecutorFull")
    }
}

impl fmt::Display for ExecutorFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all slots of the executor are taken")
    }
}

impl core::error::Error for ExecutorFull {}

/// There are as many runners as the executor can wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRunners;

impl fmt::Display for TooManyRunners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the executor has all its runners")
    }
}

impl core::error::Error for TooManyRunners {}

/// Up to `N` futures and up to `RUNNERS` tasks that poll them. It lives for ever, as wakers may.
pub struct Executor<C: CriticalSection, P: Park, const N: usize, const RUNNERS: usize> {
    section: C,
    park: P,
    shared: lock_api::Mutex<C::Lock, Shared<P::Task, N, RUNNERS>>,
    handles: [Handle; N],
}

impl<C: CriticalSection, P: CpuTime, const N: usize, const RUNNERS: usize> Executor<C, P, N, RUNNERS> {
    /// An executor without futures, whose runners sleep by `park`.
    pub const fn new(section: C, park: P) -> Self {
        Self { section, park, shared: lock_api::Mutex::new(Shared::new()), handles: Handle::array() }
    }

    /// Takes a future in; a runner polls it soon. Any context. The executor forgets it when it is ready.
    ///
    /// # Errors
    /// [`ExecutorFull`] gives the future back.
    pub fn spawn(&'static self, future: LentFuture) -> Result<FutureId, ExecutorFull> {
        let (id, runner) = self.locked(|shared| shared.add(future)).map_err(ExecutorFull)?;
        self.rouse(runner);
        Ok(id)
    }

    /// CPU time that its polls have taken, the last one not counted while it lasts. [`None`] if it is ready and gone.
    pub fn usage(&self, id: FutureId) -> Option<Duration> {
        self.locked(|shared| shared.usage(id))
    }

    /// Makes the running task a runner, until it is to die. Task context.
    ///
    /// # Errors
    /// [`TooManyRunners`].
    pub fn run(&'static self) -> Result<(), TooManyRunners> {
        let me = self.park.current();
        if !self.locked(Shared::join) {
            return Err(TooManyRunners);
        }
        loop {
            if let Some(job) = self.locked(|shared| shared.take(me)) {
                self.poll(job);
            } else if self.park.park(None, BlockReason::Wait) == Resume::Interrupted {
                break;
            }
        }
        let runner = self.locked(|shared| shared.leave(me));
        self.rouse(runner);
        Ok(())
    }

    fn poll(&'static self, mut job: Job) {
        let waker = self.waker(job.id);
        let before = self.park.cpu_time();
        let ready = job.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let after = self.park.cpu_time();
        job.spent = after.as_ticks().saturating_sub(before.as_ticks());
        self.locked(|shared| if ready { shared.remove(&job) } else { shared.put_back(job) });
    }

    /// The waker of slot `index` was used; `tag` is the end of the generation that it is for.
    fn wake(&self, index: u32, tag: u32) {
        let runner = self.locked(|shared| shared.wake(index, tag));
        self.rouse(runner);
    }

    fn rouse(&self, runner: Option<P::Task>) {
        if let Some(runner) = runner {
            self.park.unpark(runner);
        }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Shared<P::Task, N, RUNNERS>) -> T) -> T {
        let _masked = self.section.irq_save();
        work(&mut self.shared.lock())
    }
}

impl<C: CriticalSection, P: Park, const N: usize, const RUNNERS: usize> fmt::Debug
    for Executor<C, P, N, RUNNERS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("futures", &N).field("runners", &RUNNERS).finish_non_exhaustive()
    }
}
