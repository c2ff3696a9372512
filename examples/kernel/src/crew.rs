//! Work that other CPUs do for the calling thread: [`Kernel::everywhere`], [`Kernel::on`].
//!
//! A job is a plain function; what it finds out is a number, and what it shares lies in the kernel. Each CPU has a worker, a
//! thread that stays on it and sleeps in between; it is made when it is first needed. Each has two counters: jobs asked of it
//! and jobs done. The caller raises the first, and sleeps until the second has followed. Callers take turns.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use kos_alloc::{AllocError, CpuIndex, Locked};
use kos_sched::core::TaskState;
use kos_sched::{BlockReason, CpuId, CpuSet, Park, Resume, TaskId};
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::kernel::Heap;
use crate::platform::{CpuState, Platform};
use crate::text::Text;
use crate::threads::{How, Role, ThreadError, storage};
use crate::time::{Duration, Instant};

/// Longest time of a job; an emulated machine on a busy host is slow.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a caller looks for a CPU that is not up yet.
const LOOK: Duration = Duration::from_micros(200);
/// Bytes of a worker's stack.
const STACK: usize = 16 << 10;

/// What a CPU can be asked to do.
pub(crate) type Job<P> = fn(&Kernel<P>, CpuIndex) -> u64;

/// Why not every CPU has done a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrewError {
    /// It did not finish in time.
    Unfinished(CpuIndex),
    /// It has no worker.
    NoWorker(CpuIndex, ThreadError),
}

impl core::fmt::Display for CrewError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unfinished(cpu) => write!(f, "cpu {} did not finish within {LIMIT}", cpu.0),
            Self::NoWorker(cpu, why) => write!(f, "cpu {} has no worker: {why}", cpu.0),
        }
    }
}

impl core::error::Error for CrewError {}

/// The CPUs as workers.
#[derive(Debug)]
pub(crate) struct Crew<P: Platform> {
    /// Whoever has it is the caller.
    turn: Mutex<SleepLock<P>, ()>,
    order: Locked<P::Env, Order<P>>,
    /// By the CPU's number.
    members: &'static [Member],
}

/// What is to be done, and who waits for it.
#[derive(Debug)]
struct Order<P: Platform> {
    job: Option<Job<P>>,
    caller: TaskId,
    /// The worker of each CPU that has one, by its number.
    workers: &'static mut [TaskId],
}

/// One CPU.
#[derive(Debug, Default)]
struct Member {
    asked: AtomicU32,
    done: AtomicU32,
    result: AtomicU64,
    /// A word by which jobs on several CPUs can tell each other something.
    note: AtomicU64,
}

impl<P: Platform> Crew<P> {
    /// Nobody works yet. There is room for every CPU of the machine.
    ///
    /// # Errors
    /// The heap has none.
    pub(crate) fn new(platform: &P, heap: &Heap<P>) -> Result<Self, AllocError> {
        let cpus = platform.cpus().count().max(1);
        let workers = storage::array(heap, cpus, |_| TaskId::NOBODY)?;
        let members = storage::array(heap, cpus, |_| Member::default())?;
        let order = Order { job: None, caller: TaskId::NOBODY, workers };
        Ok(Self { turn: Mutex::new(()), order: Locked::new(platform.env(), order), members })
    }

    fn member(&self, cpu: CpuIndex) -> Option<&Member> {
        self.members.get(cpu.0)
    }

    /// The word of `cpu`; 0 when a job begins.
    pub(crate) fn note(&self, cpu: CpuIndex) -> Option<&AtomicU64> {
        self.member(cpu).map(|member| &member.note)
    }

    fn worker(&self, cpu: CpuIndex) -> TaskId {
        self.order.with(|order| order.workers.get(cpu.0).copied().unwrap_or(TaskId::NOBODY))
    }

    fn is_done(&self, cpu: CpuIndex) -> bool {
        self.member(cpu).is_none_or(|member| member.asked.load(Relaxed) == member.done.load(Acquire))
    }

    /// Does what is asked of `cpu`, on which the caller runs, if anything is.
    fn work(&self, kernel: &Kernel<P>, cpu: CpuIndex) {
        let Some(member) = self.member(cpu) else { return };
        let asked = member.asked.load(Acquire);
        if asked == member.done.load(Relaxed) {
            return;
        }
        let (job, caller) = self.order.with(|order| (order.job, order.caller));
        if let Some(job) = job {
            member.result.store(job(kernel, cpu), Relaxed);
        }
        member.done.store(asked, Release);
        kernel.threads.runtime().unpark(caller);
    }
}

/// A worker: does what is asked of its CPU until it is told to end.
fn serve<P: Platform>(kernel: &Kernel<P>, cpu: usize) {
    while !kernel.is_told_to_end() {
        kernel.crew.work(kernel, CpuIndex(cpu));
        if kernel.threads.runtime().park(None, BlockReason::Wait) == Resume::Interrupted {
            return;
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// The CPUs that run.
    pub(crate) fn online(&self) -> impl Iterator<Item = CpuIndex> {
        self.platform().cpus().filter(|cpu| cpu.state == CpuState::Online).map(|cpu| cpu.number)
    }

    /// Lets every CPU that runs do `job`, all at once, the calling one too; waits for them. Each one's answer is then in
    /// [`answer`](Self::answer), until somebody asks for the next.
    pub(crate) fn everywhere(&self, job: Job<P>) -> Result<(), CrewError> {
        self.on(|_| true, job)
    }

    /// The same for the CPUs that `who` picks.
    pub(crate) fn on(&self, who: impl Fn(CpuIndex) -> bool, job: Job<P>) -> Result<(), CrewError> {
        let runtime = self.threads.runtime();
        let _turn = self.crew.turn.lock();
        let (own, limit) = (self.own_cpu(), runtime.now().checked_add_duration(LIMIT));
        let picked = || self.online().filter(|&cpu| who(cpu));
        picked().filter(|&cpu| Some(cpu) != own).try_for_each(|cpu| self.hire(cpu, limit))?;
        self.crew.order.with(|order| (order.job, order.caller) = (Some(job), runtime.current()));
        let members = || picked().filter_map(|cpu| Some((cpu, self.crew.member(cpu)?)));
        members().for_each(|(_, member)| member.note.store(0, Relaxed));
        for (cpu, member) in members() {
            member.asked.store(member.done.load(Relaxed).wrapping_add(1), Release);
            if Some(cpu) != own {
                runtime.unpark(self.crew.worker(cpu));
            }
        }
        if let Some(own) = own {
            self.crew.work(self, own);
        }
        picked().try_for_each(|cpu| self.await_member(cpu, limit))
    }

    /// The CPU that the caller can work for: the main thread, and who is no thread yet, stays where it is.
    fn own_cpu(&self) -> Option<CpuIndex> {
        self.is_main_thread().then(|| self.platform().cpu())
    }

    /// Makes a worker for `cpu`, which may not be up yet, if it has none.
    fn hire(&self, cpu: CpuIndex, limit: Option<Instant>) -> Result<(), CrewError> {
        let sched = self.threads.runtime().scheduler();
        let alive = |state: TaskState| !matches!(state, TaskState::Exiting | TaskState::Zombie);
        if sched.state(self.crew.worker(cpu)).is_some_and(alive) {
            return Ok(());
        }
        let id = CpuId::new(u32::try_from(cpu.0).unwrap_or(u32::MAX));
        while !sched.online_cpus().contains(id) {
            self.in_time(cpu, limit)?;
            let _ = self.threads.sleep(LOOK);
        }
        let name = Text::new(format_args!("worker/{}", cpu.0));
        let how = How::new(name.as_str()).on(id).stack(STACK).role(Role::Service);
        let worker = self.spawn(how, serve::<P>, cpu.0).map_err(|why| CrewError::NoWorker(cpu, why))?;
        self.crew.order.with(|order| order.workers.get_mut(cpu.0).map(|slot| *slot = worker));
        Ok(())
    }

    fn await_member(&self, cpu: CpuIndex, limit: Option<Instant>) -> Result<(), CrewError> {
        while !self.crew.is_done(cpu) {
            self.in_time(cpu, limit)?;
            // Who is to end himself still waits.
            if self.threads.runtime().park(limit, BlockReason::Wait) == Resume::Interrupted {
                self.threads.runtime().yield_now();
            }
        }
        Ok(())
    }

    fn in_time(&self, cpu: CpuIndex, limit: Option<Instant>) -> Result<(), CrewError> {
        let late = limit.is_some_and(|limit| self.threads.runtime().now() > limit);
        if late { Err(CrewError::Unfinished(cpu)) } else { Ok(()) }
    }

    /// What `cpu` answered to its last job.
    pub(crate) fn answer(&self, cpu: CpuIndex) -> u64 {
        self.crew.member(cpu).map_or(0, |member| member.result.load(Relaxed))
    }
}
