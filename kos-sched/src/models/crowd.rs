//! Eight tasks on four CPUs, with the scheduler as it is shipped: everybody wakes, moves and blocks everybody, and a CPU comes
//! and goes.

use alloc::sync::Arc;

use shuttle::rand::{Rng, thread_rng};

use super::machine::{CPUS, Lent, NOW, TASKS, all, machine, only};
use super::{explore, must_find};
use crate::atomic::{AtomicU32, Ordering};
use crate::core::TaskState;
use crate::cpu::{CpuId, CpuSet};
use crate::ports::BlockReason;
use crate::seeded::Bug;
use crate::task::TaskId;

/// What each CPU does before it stops.
const STEPS: usize = 8;

/// The tasks, by the number of their stacks, and how often each was called and has not answered.
struct Crowd {
    tasks: [TaskId; TASKS],
    calls: [AtomicU32; TASKS],
}

impl Crowd {
    fn new(machine: Lent) -> Arc<Self> {
        let tasks = core::array::from_fn(|stack| machine.spawn(stack, 5, all()));
        Arc::new(Self { tasks, calls: core::array::from_fn(|_| AtomicU32::new(0)) })
    }

    /// One step of CPU `cpu`, as its task or as an interrupt.
    fn step(&self, machine: Lent, cpu: u32) {
        machine.deliver();
        let other = thread_rng().gen_range(0..TASKS);
        let at = only(thread_rng().gen_range(0..3));
        match thread_rng().gen_range(0..8) {
            0 | 1 => self.call(machine, other),
            2 => machine.sched.set_affinity(self.tasks[other], &at, NOW).unwrap(),
            3 => machine.sched.set_affinity(self.tasks[other], &all(), NOW).unwrap(),
            4 if cpu == 3 => come_or_go(machine),
            5 => machine.carry_out(machine.sched.yield_now(NOW)),
            _ => self.answer(machine),
        }
    }

    fn call(&self, machine: Lent, task: usize) {
        self.calls[task].fetch_add(1, Ordering::SeqCst);
        machine.sched.wake(self.tasks[task], NOW);
    }

    /// The running task answers a call, or sleeps if there is none.
    fn answer(&self, machine: Lent) {
        let Some(task) =
            machine.sched.current().and_then(|id| self.tasks.iter().position(|&task| task == id))
        else {
            return;
        };
        if machine.sched.prepare(BlockReason::Wait).is_err() {
            return;
        }
        if self.calls[task].swap(0, Ordering::SeqCst) == 0 {
            machine.carry_out(machine.sched.block(None, NOW));
        } else {
            machine.sched.cancel();
        }
    }

    /// When all is quiet: nobody sleeps beside a call, and everybody can end.
    fn finish(&self, machine: Lent) {
        machine.quiesce();
        assert_eq!(machine.sched.check(), Ok(()));
        for (&task, calls) in self.tasks.iter().zip(&self.calls) {
            let state = machine.sched.state(task);
            let awake = matches!(state, Some(TaskState::Runnable | TaskState::Running));
            assert!(
                awake || state == Some(TaskState::Blocked) && calls.load(Ordering::SeqCst) == 0,
                "{state:?}"
            );
            machine.sched.wake(task, NOW);
            machine.quiesce();
        }
        machine.end_all();
        for task in self.tasks {
            machine.reuse(machine.sched.reap(task).unwrap());
        }
        assert_eq!(machine.sched.check(), Ok(()));
    }
}

/// CPU 3 leaves, or is there again. All can run on the others.
fn come_or_go(machine: Lent) {
    let own = CpuId::new(3);
    if machine.sched.online_cpus().contains(own) {
        let done = machine.sched.offline(own, NOW, |task| panic!("{task:?} is stranded")).unwrap();
        assert_eq!(done.stranded, 0);
    } else {
        machine.sched.online(own, NOW).unwrap();
    }
    machine.settle();
}

fn crowd() {
    machine(u32::try_from(CPUS).unwrap(), |machine| {
        let crowd = Crowd::new(machine);
        let cpus: [_; CPUS] = core::array::from_fn(|cpu| {
            let crowd = Arc::clone(&crowd);
            machine.cpu(cpu, move |machine| {
                (0..STEPS).for_each(|_| crowd.step(machine, u32::try_from(cpu).unwrap()));
                machine.deliver();
            })
        });
        cpus.into_iter().for_each(|cpu| cpu.join().unwrap());
        crowd.finish(machine);
    });
}

#[test]
fn nobody_is_lost_in_a_crowd() {
    explore(crowd);
}

#[test]
fn a_task_that_runs_before_it_was_left_is_found_in_a_crowd() {
    must_find(Bug::OnCpuIgnored, crowd);
}

#[test]
fn an_affinity_that_is_not_looked_at_is_found_in_a_crowd() {
    must_find(Bug::AffinityUnchecked, crowd);
}

#[test]
fn a_cpu_that_is_not_looked_at_is_found_in_a_crowd() {
    must_find(Bug::OfflineUnchecked, crowd);
}

#[test]
fn a_wake_list_taken_in_two_steps_is_found_in_a_crowd() {
    must_find(Bug::TakenInTwoSteps, crowd);
}
