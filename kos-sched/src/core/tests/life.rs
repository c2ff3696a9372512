//! Tasks come, sleep, wake, leave.

use alloc::vec::Vec;

use super::{all, at, fifo, machine, only, rr};
use crate::core::{Config, SpawnArgs, SpawnFailure, TaskError, TaskState, Woken};
use crate::cpu::{CpuId, CpuSet};
use crate::ports::{BlockReason, Resume};
use crate::task::Policy;
use crate::time::Duration;

#[test]
fn one_cpu_runs_a_task_from_spawn_to_reap() {
    machine(1, |machine| {
        let task = machine.spawn(fifo(5), all());
        assert_eq!(machine.sched.state(task), Some(TaskState::Runnable));
        assert_eq!(machine.settle(), Some(task));
        assert_eq!(machine.sched.state(task), Some(TaskState::Running));
        assert_eq!(machine.sched.with_current(|&payload| payload), Some(0));
        assert!(machine.block(None));
        assert_eq!(machine.sched.state(task), Some(TaskState::Blocked));
        assert_eq!(machine.settle(), None);
        assert_eq!(machine.sched.wake(task, machine.now()), Woken::Enqueued);
        assert_eq!(machine.settle(), Some(task));
        assert_eq!(machine.sched.resume(), Resume::Woken);
        assert_eq!(machine.sched.reap(task), Err(TaskError::Alive));
        machine.exit();
        assert_eq!(machine.sched.state(task), Some(TaskState::Zombie));
        assert_eq!(machine.sched.reap(task), Ok(0));
        assert_eq!(machine.sched.reap(task), Err(TaskError::Gone));
        assert_eq!(machine.sched.wake(task, machine.now()), Woken::Gone);
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn an_early_wake_is_remembered() {
    machine(1, |machine| {
        let task = machine.spawn(fifo(5), all());
        machine.settle();
        assert_eq!(machine.sched.wake(task, machine.now()), Woken::Remembered);
        assert_eq!(machine.sched.prepare(BlockReason::Park), Err(Resume::Woken));
        assert!(machine.block(None), "only once");
    });
}

#[test]
fn a_sleep_ends_at_its_time_and_not_before() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), only(0));
        machine.settle();
        assert_eq!(machine.sched.sleeps_until(task), None);
        assert!(machine.block(at(1_000)));
        let end = at(1_000).map(|end| (end, CpuId::new(0)));
        assert_eq!(machine.sched.sleeps_until(task), end);
        machine.pass(Duration::from_ticks(999));
        assert_eq!(machine.sched.state(task), Some(TaskState::Blocked));
        machine.pass(Duration::from_ticks(1));
        assert_eq!(machine.on(0).settle(), Some(task));
        assert_eq!(machine.sched.resume(), Resume::TimedOut);
        assert_eq!(machine.sched.sleeps_until(task), None);
        assert!(!machine.block(at(10)), "over before it begins");
        assert_eq!(machine.sched.resume(), Resume::TimedOut);
        assert!(machine.block(at(5_000)));
        assert_eq!(machine.on(1).sched.wake(task, machine.now()), Woken::Enqueued);
        machine.quiesce();
        machine.on(0);
        assert_eq!(machine.sched.resume(), Resume::Woken);
        assert_eq!(machine.sched.next_event(CpuId::new(0)), None, "its deadline is gone");
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn a_killed_task_wakes_and_does_not_sleep_before_it_knows() {
    machine(1, |machine| {
        let task = machine.spawn(fifo(5), all());
        machine.settle();
        assert!(machine.block(None));
        assert_eq!(machine.sched.interrupt(task, machine.now()), Woken::Enqueued);
        machine.settle();
        assert_eq!(machine.sched.resume(), Resume::Interrupted);
        assert_eq!(machine.sched.prepare(BlockReason::Park), Err(Resume::Interrupted));
        assert!(machine.sched.take_interrupt());
        assert!(machine.block(None));
    });
}

#[test]
fn what_cannot_be_spawned_comes_back() {
    machine(1, |machine| {
        let args = SpawnArgs { allowed: only(1), ..SpawnArgs::new(fifo(1), 17) };
        let error = machine.sched.try_spawn(args, machine.now()).unwrap_err();
        assert_eq!(error.args.payload, 17);
        let error = machine
            .sched
            .try_spawn(SpawnArgs::new(Policy::Custom { class: 0, params: [0; 2] }, 18), machine.now());
        assert_eq!(error.unwrap_err().args.payload, 18);
        for _ in 0..machine.sched.capacity() {
            machine.spawn(fifo(1), all());
        }
        let error = machine.sched.try_spawn(SpawnArgs::new(fifo(1), 19), machine.now()).unwrap_err();
        assert_eq!((error.args.payload, error.why), (19, SpawnFailure::NoSlot));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn who_joins_is_woken_at_the_end() {
    machine(2, |machine| {
        let parent = machine.spawn(fifo(5), only(0));
        let child = machine.spawn(fifo(5), only(1));
        machine.quiesce();
        assert_eq!(machine.on(0).sched.join(child), Ok(false));
        assert!(machine.block(None));
        machine.on(1).exit();
        machine.quiesce();
        assert_eq!(machine.sched.state(parent), Some(TaskState::Running));
        assert_eq!(machine.on(0).sched.join(child), Ok(true));
        assert_eq!(machine.sched.reap(child), Ok(0));
    });
}

#[test]
fn the_dead_that_nobody_joins_are_reaped_one_by_one() {
    machine(1, |machine| {
        let mut tasks: Vec<_> = (0..3)
            .map(|payload| {
                let args = SpawnArgs { detached: true, ..SpawnArgs::new(fifo(5), payload) };
                machine.sched.try_spawn(args, machine.now()).unwrap()
            })
            .collect();
        machine.settle();
        (0..3).for_each(|_| machine.exit());
        assert_eq!(machine.sched.reap(tasks[0]), Err(TaskError::Joined));
        let mut reaped: Vec<_> =
            core::iter::from_fn(|| machine.sched.reap_any()).map(|(task, _)| task).collect();
        tasks.sort_unstable();
        reaped.sort_unstable();
        assert_eq!(reaped, tasks);
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn equals_take_turns_at_the_timer() {
    machine(1, |machine| {
        let tasks = [machine.spawn(rr(), all()), machine.spawn(rr(), all())];
        let mut seen = [0; 2];
        machine.settle();
        for _ in 0..20 {
            machine.pass(Duration::from_ticks(1_000_000));
            seen[usize::from(machine.settle() == Some(tasks[1]))] += 1;
        }
        assert_eq!(seen, [10, 10]);
    });
}

#[test]
fn preemption_waits_until_it_is_enabled() {
    machine(1, |machine| {
        let low = machine.spawn(fifo(1), all());
        machine.settle();
        machine.sched.preempt_disable();
        machine.sched.preempt_disable();
        let high = machine.spawn(fifo(2), all());
        assert!(!machine.sched.should_preempt());
        assert!(!machine.sched.preempt_enable());
        assert_eq!(machine.settle(), Some(low));
        assert!(machine.sched.preempt_enable());
        assert_eq!(machine.settle(), Some(high));
    });
}

#[test]
fn every_nanosecond_is_somebodys() {
    machine(3, |machine| {
        let tasks = [machine.spawn(rr(), all()), machine.spawn(rr(), all())];
        machine.quiesce();
        machine.pass(Duration::from_ticks(777_777));
        machine.on(0).sched.enter_user(machine.now());
        machine.pass(Duration::from_ticks(5_000_001));
        machine.on(0).sched.leave_user(machine.now());
        machine.pass(Duration::from_ticks(13));
        let now = machine.now();
        let cpus: u64 = machine.cpus().map(|cpu| machine.sched.cpu_times(cpu, now).total().as_ticks()).sum();
        assert_eq!(cpus, 3 * now.as_ticks());
        let idle: u64 = machine.cpus().map(|cpu| machine.sched.cpu_times(cpu, now).idle.as_ticks()).sum();
        let used: u64 =
            tasks.iter().map(|&task| machine.sched.usage(task, now).unwrap().total().as_ticks()).sum();
        assert_eq!(used + idle, cpus);
        let user: u64 = machine.cpus().map(|cpu| machine.sched.cpu_times(cpu, now).user.as_ticks()).sum();
        assert_eq!(user, 5_000_001);
        assert!(!machine.platform.is_masked());
        assert!(all().count() > 0);
    });
}

#[test]
fn an_interrupt_that_failed_is_sent_again_though_its_sender_has_nothing_to_decide() {
    machine(2, |machine| {
        let sleeper = machine.spawn(fifo(5), only(1));
        let alone = machine.spawn(fifo(5), only(0));
        machine.quiesce();
        machine.on(1).block(None);
        machine.platform.fail_kick(Some(0));
        machine.on(0).sched.wake(sleeper, machine.now());
        machine.settle();
        assert_eq!((machine.sched.current(), machine.platform.pending_kicks()), (Some(alone), 0));
        assert!(machine.platform.timer(CpuId::new(0)).is_some(), "nobody would try again");
        machine.platform.fail_kick(None);
        machine.pass(Config::default().retry);
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(sleeper));
        assert_eq!(machine.sched.stats().ipis_failed, 2);
    });
}
