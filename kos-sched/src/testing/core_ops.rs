//! Random operations on a [`Machine`], beside a model that knows what each task wants. After each operation no task is lost, none
//! is on two CPUs, and [`Scheduler::check`](crate::Scheduler::check) holds. At a rest, when every interrupt has arrived, none runs
//! where it must not; and a balance interval later no CPU idles beside a task that waits and might run there.

use alloc::vec::Vec;

use super::{Machine, with_machine};
use crate::class::{Deadline, Fair, Idle, Rt, Stop};
use crate::core::{Config, SpawnArgs, SpawnFailure, TaskError, TaskState, Urgency, Woken};
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::error::AttrError;
use crate::task::{DlParams, Nice, Policy, RtPriority, TaskId};
use crate::time::{Duration, Instant};

type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));
type Mask = CpuMask<4>;

const TASKS: usize = 24;

/// What a task of the model is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// It wants to run.
    Ready,
    /// It sleeps, until then at most.
    Asleep(Option<Instant>),
    /// It has ended.
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: TaskId,
    want: Want,
    allowed: Mask,
    own: Policy,
    inherited: Option<Urgency>,
}

impl Entry {
    /// How urgent it is to be.
    fn urgency(&self) -> Urgency {
        self.inherited.unwrap_or(Urgency::NONE).max(Urgency::of(&self.own))
    }
}

/// Bytes as numbers.
struct Source<'a>(core::slice::Iter<'a, u8>);

impl Source<'_> {
    fn next(&mut self) -> Option<usize> {
        self.0.next().map(|&byte| usize::from(byte))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next().unwrap_or(0) % bound.max(1)
    }
}

/// A machine and what is known of its tasks.
struct Run<'m, 's> {
    machine: &'m mut Machine<'s, Classes>,
    tasks: Vec<Entry>,
    online: Mask,
    ended: usize,
}

/// Runs the operations that `data` says.
///
/// # Panics
/// If the scheduler breaks a promise.
pub fn core_ops(data: &[u8]) {
    let mut source = Source(data.iter());
    let cpus = u32::try_from(source.below(5)).unwrap_or(0) + 1;
    let classes = || (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
    with_machine(cpus, TASKS, Config::default(), classes, |machine| {
        let mut run = Run { machine, tasks: Vec::new(), online: Mask::first_cpus(cpus), ended: 0 };
        while let Some(op) = source.next() {
            run.step(op, &mut source);
            run.check();
        }
        run.rest();
        run.machine.platform.fail_kick(None);
        run.rest();
    });
}

impl Run<'_, '_> {
    fn step(&mut self, op: usize, source: &mut Source<'_>) {
        let cpu = u32::try_from(source.below(self.machine.sched.cpus())).unwrap_or(0);
        self.machine.on(cpu);
        match op % 21 {
            0..=2 => self.spawn(source),
            3..=5 => self.block(source),
            6..=8 => self.wake(source),
            9 => self.exit(),
            10 => drop(self.machine.sched.yield_now(self.machine.now())),
            11..=13 => self.set_affinity(source),
            14 => self.set_attr(source),
            15 => self.plug(cpu),
            16 => _ = self.machine.deliver(),
            17 => _ = self.machine.settle(),
            18 => self.inherit(source),
            19 => self.machine.pass(Duration::from_ticks(source.below(256) as u64 * 40_000)),
            _ => self.odd(source),
        }
    }

    fn spawn(&mut self, source: &mut Source<'_>) {
        let (policy, allowed) = (policy(source), self.mask(source));
        let room = self.tasks.len() < TASKS;
        let refused = !room || allowed.and(&self.online).is_empty();
        let args = SpawnArgs { allowed, ..SpawnArgs::new(policy, 7) };
        match self.machine.sched.try_spawn(args, self.machine.now()) {
            Ok(id) => {
                self.tasks.push(Entry { id, want: Want::Ready, allowed, own: policy, inherited: None });
            }
            Err(error) => {
                let full = matches!(error.why, SpawnFailure::Attr(AttrError::Admission { .. }));
                assert!((refused || full && is_deadline(&policy)) && error.args.payload == 7, "{error}");
            }
        }
    }

    /// The task that runs on the CPU that acts.
    fn current(&mut self) -> Option<&mut Entry> {
        let current = self.machine.sched.current()?;
        self.tasks.iter_mut().find(|task| task.id == current)
    }

    fn block(&mut self, source: &mut Source<'_>) {
        let delay = source.below(64) as u64;
        let until =
            (delay < 32).then(|| Instant::from_ticks(self.machine.now().as_ticks() + delay * 100_000));
        let Some(&mut Entry { id, .. }) = self.current() else { return };
        if self.machine.sched.prepare(crate::ports::BlockReason::Wait).is_err() {
            let _ = self.machine.sched.resume();
            self.machine.sched.take_interrupt();
            return;
        }
        let now = self.machine.now();
        match self.pick(source).filter(|to| to.id != id && source.below(4) == 0) {
            Some(to) => {
                drop(self.machine.sched.hand_off(to.id, until, now));
                self.note(to.id, Want::Ready);
            }
            None => drop(self.machine.sched.block(until, now)),
        }
        if self.machine.sched.state(id) != Some(TaskState::Running) {
            self.note(id, Want::Asleep(until));
        }
    }

    fn note(&mut self, id: TaskId, want: Want) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) {
            task.want = want;
        }
    }

    fn pick(&self, source: &mut Source<'_>) -> Option<Entry> {
        self.tasks.get(source.below(self.tasks.len())).copied()
    }

    fn wake(&mut self, source: &mut Source<'_>) {
        let Some(task) = self.pick(source) else { return };
        let woken = match source.below(4) {
            0 => self.machine.sched.interrupt(task.id, self.machine.now()),
            _ => self.machine.sched.wake(task.id, self.machine.now()),
        };
        match task.want {
            Want::Asleep(until) => {
                // The deadline may have come first.
                let over = until.is_some_and(|until| until <= self.machine.now());
                assert!(woken == Woken::Enqueued || over);
                self.note(task.id, Want::Ready);
            }
            Want::Ready => assert_eq!(woken, Woken::Remembered),
            Want::Ended => assert_eq!(woken, Woken::Gone),
        }
    }

    fn exit(&mut self) {
        let Some(&mut Entry { id, .. }) = self.current() else { return };
        drop(self.machine.sched.exit_current(self.machine.now()));
        self.note(id, Want::Ended);
        assert_eq!(self.machine.sched.reap(id), Ok(7));
        self.tasks.retain(|task| task.id != id);
        self.ended += 1;
    }

    fn mask(&self, source: &mut Source<'_>) -> Mask {
        match source.below(256) as u64 {
            bits @ 0..=127 => Mask::from_words([bits, 0, 0, 0]),
            _ => Mask::first_cpus(256),
        }
    }

    fn set_affinity(&mut self, source: &mut Source<'_>) {
        let allowed = self.mask(source);
        let Some(Entry { id, .. }) = self.pick(source) else { return };
        let done = self.machine.sched.set_affinity(id, &allowed, self.machine.now());
        let nowhere = allowed.and(&self.online).is_empty();
        assert_eq!(done == Err(AttrError::NoAllowedCpu.into()), nowhere);
        if let Err(TaskError::Attr(AttrError::Admission { .. })) = done {
            assert!(self.tasks.iter().any(|task| task.id == id && is_deadline(&task.own)));
        } else {
            assert_eq!(done.is_err(), nowhere);
        }
        if done.is_ok()
            && let Some(task) = self.tasks.iter_mut().find(|task| task.id == id)
        {
            task.allowed = allowed;
        }
        let now = self.tasks.iter().find(|task| task.id == id).map(|task| task.allowed);
        assert_eq!(self.machine.sched.affinity(id), now);
    }

    fn set_attr(&mut self, source: &mut Source<'_>) {
        let policy = policy(source);
        let Some(Entry { id, .. }) = self.pick(source) else { return };
        match self.machine.sched.set_attr(id, policy, self.machine.now()) {
            Ok(()) => self.tasks.iter_mut().filter(|task| task.id == id).for_each(|task| task.own = policy),
            Err(error) => {
                let full = matches!(error, TaskError::Attr(AttrError::Admission { .. }));
                assert!(full && is_deadline(&policy), "{error}");
            }
        }
    }

    fn inherit(&mut self, source: &mut Source<'_>) {
        let inherited =
            Some(source.below(4)).filter(|&which| which > 0).map(|_| Urgency::of(&policy(source)));
        let Some(Entry { id, .. }) = self.pick(source) else { return };
        assert_eq!(self.machine.sched.inherit(id, inherited, self.machine.now()), Ok(()));
        self.tasks.iter_mut().filter(|task| task.id == id).for_each(|task| task.inherited = inherited);
    }

    /// `cpu` goes, or comes back.
    fn plug(&mut self, cpu: u32) {
        let cpu = CpuId::new(cpu);
        let now = self.machine.now();
        if !self.online.contains(cpu) {
            self.online.insert(cpu);
            assert_eq!(self.machine.sched.online(cpu, now), Ok(()));
        } else if self.online.count() > 1 {
            self.online.remove(cpu);
            let mut stranded = Vec::new();
            let done = self.machine.sched.offline(cpu, now, |task| stranded.push(task)).ok();
            assert_eq!(done.map(|done| done.stranded as usize), Some(stranded.len()));
            for id in stranded {
                let task = self.tasks.iter().find(|task| task.id == id);
                assert!(task.is_some_and(|task| task.allowed.and(&self.online).is_empty()));
            }
        }
    }

    fn odd(&mut self, source: &mut Source<'_>) {
        match source.below(4) {
            0 => self.machine.platform.fail_kick(Some(source.below(3) as u64)),
            1 => self.machine.platform.fail_kick(None),
            _ => self.rest(),
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let Machine { sched, .. } = &*self.machine;
        assert_eq!(sched.check(), Ok(()));
        assert!(!self.machine.platform.is_masked());
        let now = self.machine.now();
        for task in &mut self.tasks {
            assert_eq!(sched.urgency(task.id), Some(task.urgency()));
            let state = sched.state(task.id);
            let awake = matches!(
                state,
                Some(TaskState::Runnable | TaskState::Running | TaskState::Waking | TaskState::Blocking)
            );
            match task.want {
                Want::Asleep(Some(until)) if until <= now && awake => task.want = Want::Ready,
                Want::Asleep(_) => assert_eq!(state, Some(TaskState::Blocked), "{:?}", task.id),
                Want::Ready => assert!(awake, "{:?} is {state:?}", task.id),
                Want::Ended => assert_eq!(state, None),
            }
        }
    }

    /// Lets everything arrive, and checks what holds then.
    fn rest(&mut self) {
        self.machine.platform.fail_kick(None);
        self.machine.quiesce();
        self.check();
        for cpu in self.machine.cpus() {
            let Some(id) = self.machine.sched.running_on(cpu) else { continue };
            let task = self.tasks.iter().find(|task| task.id == id);
            assert!(
                task.is_some_and(|task| task.allowed.contains(cpu) && self.online.contains(cpu)),
                "{id} on {cpu}"
            );
        }
        self.obeys();
        self.machine.pass(Config::default().balance_interval);
        self.check();
        self.conserves();
    }

    /// No CPU runs a task beside a real-time one that is more urgent and waits there.
    fn obeys(&self) {
        let Machine { sched, .. } = &*self.machine;
        for cpu in self.machine.cpus().filter(|&cpu| self.online.contains(cpu)) {
            let Some(running) = sched.running_on(cpu) else { continue };
            let running = self.tasks.iter().find(|task| task.id == running).map(Entry::urgency);
            let waits = |task: &&Entry| {
                sched.cpu_of(task.id) == Some(cpu) && sched.state(task.id) == Some(TaskState::Runnable)
            };
            let real_time = |task: &Entry| matches!(task.urgency().policy(), Some(Policy::Fifo(_)));
            for task in self.tasks.iter().filter(waits).filter(|task| real_time(task)) {
                assert!(running >= Some(task.urgency()), "{} waits on CPU {cpu} behind {running:?}", task.id);
            }
        }
    }

    /// No CPU idles beside a task that waits and might run there, but for deadline tasks: their bandwidth is where they are.
    fn conserves(&self) {
        let Machine { sched, .. } = &*self.machine;
        let idle = |cpu: &CpuId| self.online.contains(*cpu) && sched.running_on(*cpu).is_none();
        for cpu in self.machine.cpus().filter(idle) {
            for task in &self.tasks {
                let stays = task.urgency().policy().is_some_and(|policy| is_deadline(&policy));
                let waits = !stays && sched.state(task.id) == Some(TaskState::Runnable);
                assert!(!(waits && task.allowed.contains(cpu)), "CPU {cpu} idles beside {}", task.id);
            }
        }
    }
}

fn is_deadline(policy: &Policy) -> bool {
    matches!(policy, Policy::Deadline(_))
}

/// A tenth to eight tenths of a CPU.
fn deadline(tenths: u8) -> Policy {
    let [runtime, period] = [u64::from(tenths % 8) + 1, 10].map(|ms| Duration::from_ticks(ms * 1_000_000));
    DlParams::new(runtime, period, period).map_or(Policy::NORMAL, Policy::Deadline)
}

fn policy(source: &mut Source<'_>) -> Policy {
    let level = source.below(40);
    let small = u8::try_from(level % 4).unwrap_or(0);
    let priority = RtPriority::new(small).unwrap_or_default();
    let nice = Nice::new(i8::try_from(level).unwrap_or(0) - 20).unwrap_or_default();
    match level % 5 {
        0 if level == 0 => deadline(priority.get()),
        0 => Policy::Fifo(priority),
        1 if level == 1 => deadline(priority.get() + 4),
        1 => Policy::RoundRobin(priority, Duration::from_ticks(1_000_000)),
        2 => Policy::Batch(nice),
        _ => Policy::Fair { nice, slice: Policy::SLICE },
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use alloc::vec::Vec;
    use std::fs;
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::test_runner::{Config, RngSeed, TestRunner};

    use super::core_ops;
    use crate::testing::cases;

    #[test]
    fn random_operations_keep_every_promise() {
        let config = Config {
            cases: cases() / 4,
            rng_seed: RngSeed::Fixed(4),
            failure_persistence: None,
            ..Config::default()
        };
        let ops = vec(any::<u8>(), 0..600);
        let run = |bytes: Vec<u8>| {
            core_ops(&bytes);
            Ok(())
        };
        TestRunner::new(config).run(&ops, run).unwrap();
    }

    #[test]
    fn the_corpus_of_core_ops_passes() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/core_ops");
        let files = fs::read_dir(corpus).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        assert!(files.map(|data| core_ops(&data)).count() > 10);
    }
}
