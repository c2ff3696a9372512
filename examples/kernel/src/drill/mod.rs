//! Drills: threads do to the scheduler what it must stand, and count.
//!
//! | drill | what its threads do | what must not happen |
//! |---|---|---|
//! | [`wander`] | move themselves from CPU to CPU | one runs where it must not |
//! | [`rally`] | wake each other in turn, across CPUs | a wake is lost, or comes unasked |
//! | [`registers`] | hold values in every register while they are preempted and moved | one changes |
//! | [`delays`] | sleep until a time, fall asleep for one another | it takes too many instructions |
//! | [`masked`] | allocate, make threads, while another's time comes | he waits too many instructions |
//!
//! Each thread of a drill has a [`Lane`]: counters of its own. One drill runs at a time, started by the main thread.

pub(crate) mod delays;
pub(crate) mod masked;
pub(crate) mod rally;
pub(crate) mod registers;
pub(crate) mod wander;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use kos_sched::{CpuId, CpuSet, TaskId};

use crate::Kernel;
use crate::platform::Platform;
use crate::threads::{How, ThreadError};
use crate::time::Duration;

/// Most threads of a drill.
pub(crate) const LANES: usize = 64;
/// Longest time that a CPU takes from its start to its first thread.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a thread looks whether the drill has begun.
const LOOK: Duration = Duration::from_micros(200);

/// What the threads of a drill share.
#[derive(Debug)]
pub(crate) struct Drill {
    begun: AtomicBool,
    over: AtomicBool,
    /// What is still to be done, by all together.
    left: AtomicU64,
    /// In a rally, the hit of the first pair whose wake is left out; 0: none.
    unwoken: AtomicU64,
    lanes: [Lane; LANES],
}

/// The counters of one thread.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Lane {
    /// What it did.
    done: AtomicU64,
    /// What came back.
    answered: AtomicU64,
    /// What must not happen.
    faults: AtomicU64,
    /// What others tell it.
    note: AtomicU64,
    /// The thread: its place and its generation.
    task: [AtomicU32; 2],
}

impl Lane {
    const fn new() -> Self {
        Self {
            done: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            note: AtomicU64::new(0),
            task: [const { AtomicU32::new(0) }; 2],
        }
    }

    fn clear(&self) {
        for counter in [&self.done, &self.answered, &self.faults, &self.note] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    fn set_task(&self, task: TaskId) {
        let [index, generation] = &self.task;
        index.store(task.index().get(), Ordering::Relaxed);
        generation.store(task.generation(), Ordering::Relaxed);
    }

    fn task(&self) -> TaskId {
        let [index, generation] = self.task.each_ref().map(|word| word.load(Ordering::Relaxed));
        TaskId::new(kos_sched::task::TaskIndex::new(index), generation)
    }
}

/// Sums over all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) answered: u64,
    pub(crate) faults: u64,
    /// How long it took.
    pub(crate) took_ns: u64,
}

impl Drill {
    pub(crate) const fn new() -> Self {
        Self {
            begun: AtomicBool::new(false),
            over: AtomicBool::new(false),
            left: AtomicU64::new(0),
            unwoken: AtomicU64::new(0),
            lanes: [const { Lane::new() }; LANES],
        }
    }

    fn lane(&self, lane: usize) -> Option<&Lane> {
        self.lanes.get(lane)
    }

    /// One of what is left, if there is any.
    fn take_one(&self) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.is_ok()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for lane in &self.lanes {
            tally.done += lane.done.load(Ordering::Relaxed);
            tally.answered += lane.answered.load(Ordering::Relaxed);
            tally.faults += lane.faults.load(Ordering::Relaxed);
        }
        tally
    }
}

/// A drill: what each thread does, and what the main thread does meanwhile.
struct Plan<P: Platform, M> {
    /// How many threads.
    lanes: usize,
    /// What they do together.
    work: u64,
    main: fn(&Kernel<P>, usize),
    meanwhile: M,
}

impl<P: Platform> Kernel<P> {
    /// Runs a drill whose threads are as `how` says by lane.
    fn drill<'n, M: FnOnce()>(
        &self,
        plan: Plan<P, M>,
        how: impl Fn(usize) -> How<'n>,
    ) -> Result<Tally, ThreadError> {
        let drill = &self.drill;
        drill.lanes.iter().for_each(Lane::clear);
        drill.left.store(plan.work, Ordering::Relaxed);
        drill.over.store(false, Ordering::Relaxed);
        drill.begun.store(false, Ordering::Relaxed);
        let lanes = || drill.lanes.iter().take(plan.lanes);
        let mut spawned = 0;
        let result = lanes().enumerate().try_for_each(|(index, lane)| {
            lane.set_task(self.spawn(how(index), plan.main, index)?);
            spawned += 1;
            Ok(())
        });
        drill.over.store(result.is_err(), Ordering::Release);
        let started = self.platform().now();
        drill.begun.store(true, Ordering::Release);
        if result.is_ok() {
            (plan.meanwhile)();
        }
        let joined = lanes().take(spawned).map(|lane| self.join(lane.task()).map(drop));
        let joined = joined.fold(Ok(()), Result::and);
        let took = self.platform().now().checked_duration_since(started);
        result.and(joined)?;
        Ok(Tally { took_ns: took.map_or(0, |took| took.as_nanos()), ..drill.tally() })
    }

    /// The calling thread's lane, once the drill has begun; [`None`] if it is over before.
    fn enter(&self, lane: usize) -> Option<&Lane> {
        while !self.drill.begun.load(Ordering::Acquire) {
            let _ = self.threads.sleep(LOOK);
        }
        self.drill.lane(lane).filter(|_| !self.drill.is_over())
    }

    /// The CPUs on which threads run. Those that have only just come online are waited for.
    pub(crate) fn running_cpus(&self) -> P::Cpus {
        let running = || self.threads.runtime().scheduler().online_cpus();
        let expected = self.online().count();
        let until = self.platform().now().checked_add_duration(PATIENCE);
        while (running().count() as usize) < expected
            && until.is_some_and(|until| self.platform().now() < until)
        {
            let _ = self.threads.sleep(LOOK);
        }
        running()
    }
}

/// The CPU of `cpus` that comes `steps` after `from`, going round.
fn step<M: CpuSet>(cpus: &M, from: CpuId, steps: u32) -> CpuId {
    let after = |cpu: CpuId| cpus.next_from(CpuId::new(cpu.get() + 1)).or_else(|| cpus.first());
    (0..steps).fold(from, |cpu, _| after(cpu).unwrap_or(cpu))
}

/// The next number of a sequence that looks random (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
