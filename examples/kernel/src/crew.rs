//! Work that other CPUs do for the calling one: [`Kernel::everywhere`], [`Kernel::on`].
//!
//! A job is a plain function; what it finds out is a number, and what it shares lies in the kernel. CPUs sleep in between.
//! Each CPU has two counters: jobs asked of it and jobs done. The caller raises the first and waits for the second.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use kos_alloc::{CpuIndex, Locked};

use crate::Kernel;
use crate::platform::{CpuState, Platform};
use crate::time::Duration;

/// Numbers of CPUs that can be told apart; a machine's are below.
pub(crate) const MAX_CPUS: usize = 256;
/// Longest time of a job; an emulated machine on a busy host is slow.
const LIMIT: Duration = Duration::from_secs(30);

/// What a CPU can be asked to do.
pub(crate) type Job<P> = fn(&Kernel<P>, CpuIndex) -> u64;

/// A CPU that did not finish a job in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished(pub(crate) CpuIndex);

impl core::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "cpu {} did not finish within {LIMIT}", self.0.0)
    }
}

impl core::error::Error for Unfinished {}

/// The CPUs as workers.
#[derive(Debug)]
pub(crate) struct Crew<P: Platform> {
    job: Locked<P::Env, Option<Job<P>>>,
    members: [Member; MAX_CPUS],
}

/// One CPU.
#[derive(Debug)]
struct Member {
    asked: AtomicU32,
    done: AtomicU32,
    result: AtomicU64,
    /// A word by which jobs on several CPUs can tell each other something.
    note: AtomicU64,
    /// Alarms that came.
    alarms: AtomicU32,
}

impl<P: Platform> Crew<P> {
    pub(crate) fn new(env: P::Env) -> Self {
        let zero = || AtomicU32::new(0);
        let member = || Member {
            asked: zero(),
            done: zero(),
            result: AtomicU64::new(0),
            note: AtomicU64::new(0),
            alarms: zero(),
        };
        Self { job: Locked::new(env, None), members: core::array::from_fn(|_| member()) }
    }

    fn member(&self, cpu: CpuIndex) -> Option<&Member> {
        self.members.get(cpu.0)
    }

    /// The word of `cpu`; 0 when a job begins.
    pub(crate) fn note(&self, cpu: CpuIndex) -> Option<&AtomicU64> {
        self.member(cpu).map(|member| &member.note)
    }

    /// An alarm came on `cpu`.
    pub(crate) fn count_alarm(&self, cpu: CpuIndex) {
        if let Some(member) = self.member(cpu) {
            member.alarms.fetch_add(1, Release);
        }
    }

    /// Alarms that came on `cpu`.
    pub(crate) fn alarms(&self, cpu: CpuIndex) -> u32 {
        self.member(cpu).map_or(0, |member| member.alarms.load(Acquire))
    }

    /// Whether a job waits for `cpu`.
    pub(crate) fn has_work(&self, cpu: CpuIndex) -> bool {
        self.member(cpu).is_some_and(|member| member.asked.load(Acquire) != member.done.load(Relaxed))
    }

    /// Does what is asked of the calling CPU, if anything is.
    pub(crate) fn work(&self, kernel: &Kernel<P>) {
        let cpu = kernel.platform().cpu();
        let Some(member) = self.member(cpu).filter(|_| self.has_work(cpu)) else { return };
        if let Some(job) = self.job.with(|job| *job) {
            member.result.store(job(kernel, cpu), Relaxed);
        }
        member.done.store(member.asked.load(Relaxed), Release);
    }
}

impl<P: Platform> Kernel<P> {
    /// The CPUs that run.
    pub(crate) fn online(&self) -> impl Iterator<Item = CpuIndex> {
        self.platform().cpus().filter(|cpu| cpu.state == CpuState::Online).map(|cpu| cpu.number)
    }

    /// Lets every CPU that runs do `job`, all at once, the calling one too; waits for them. Each one's answer is then in
    /// [`answer`](Self::answer). One caller at a time.
    pub(crate) fn everywhere(&self, job: Job<P>) -> Result<(), Unfinished> {
        self.on(|_| true, job)
    }

    /// The same for the CPUs that `who` picks.
    pub(crate) fn on(&self, who: impl Fn(CpuIndex) -> bool, job: Job<P>) -> Result<(), Unfinished> {
        self.crew.job.with(|slot| *slot = Some(job));
        let own = self.platform().cpu();
        let picked = || self.online().filter(|&cpu| who(cpu));
        let members = || picked().filter_map(|cpu| Some((cpu, self.crew.member(cpu)?)));
        members().for_each(|(_, member)| member.note.store(0, Relaxed));
        for (cpu, member) in members() {
            member.asked.store(member.done.load(Relaxed).wrapping_add(1), Release);
            if cpu != own {
                self.platform().wake(cpu);
            }
        }
        self.crew.work(self);
        picked().try_for_each(|cpu| self.await_member(cpu))
    }

    fn await_member(&self, cpu: CpuIndex) -> Result<(), Unfinished> {
        let start = self.platform().now();
        while self
            .crew
            .member(cpu)
            .is_some_and(|member| member.asked.load(Relaxed) != member.done.load(Acquire))
        {
            let waited = self.platform().now().checked_duration_since(start);
            if waited.is_some_and(|waited| waited > LIMIT) {
                return Err(Unfinished(cpu));
            }
            core::hint::spin_loop();
        }
        Ok(())
    }

    /// What `cpu` answered to its last job.
    pub(crate) fn answer(&self, cpu: CpuIndex) -> u64 {
        self.crew.member(cpu).map_or(0, |member| member.result.load(Relaxed))
    }
}
