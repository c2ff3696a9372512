//! Handing the CPU to another task.

use super::{all, fifo, only};
use crate::class::{Fair, Idle, Rt, Stop};
use crate::core::{Config, TaskState};
use crate::cpu::CpuId;
use crate::ports::BlockReason;
use crate::task::{Policy, TaskId};
use crate::testing::{Machine, with_machine};
use crate::time::Duration;

type Classes = (Stop, (Rt, (Fair, (Idle, ()))));

fn machine<R>(cpus: u32, work: impl FnOnce(&mut Machine<'_, Classes>) -> R) -> R {
    let classes = || (Stop::new(), (Rt::new(), (Fair::new(), (Idle::new(), ()))));
    with_machine(cpus, 64, Config::default(), classes, work)
}

fn hand_off(machine: &Machine<'_, Classes>, to: TaskId) -> Option<TaskId> {
    machine.sched.prepare(BlockReason::Wait).unwrap();
    drop(machine.sched.hand_off(to, None, machine.now()));
    let next = machine.sched.current();
    machine.quiesce();
    next
}

/// A task that sleeps and has slept long enough to be owed something.
fn sleeper(machine: &mut Machine<'_, Classes>) -> TaskId {
    let task = machine.spawn(Policy::NORMAL, all());
    machine.quiesce();
    for cpu in machine.cpus() {
        if machine.sched.running_on(cpu) == Some(task) {
            assert!(machine.on(cpu.get()).block(None));
        }
    }
    machine.on(0);
    task
}

#[test]
fn the_one_who_is_called_runs_next_though_others_wait_and_cpus_idle() {
    machine(2, |machine| {
        let server = sleeper(machine);
        let client = machine.spawn(Policy::NORMAL, only(0));
        machine.quiesce();
        let waiter = machine.spawn(Policy::NORMAL, only(0));
        machine.quiesce();
        assert_eq!((machine.settle(), machine.sched.running_on(CpuId::new(1))), (Some(client), None));
        assert_eq!(hand_off(machine, server), Some(server), "here, and before {waiter}");
        assert_eq!(machine.sched.state(client), Some(TaskState::Blocked));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn two_who_call_each_other_starve_nobody() {
    machine(1, |machine| {
        let mut pair = [sleeper(machine), machine.spawn(Policy::NORMAL, all())];
        machine.settle();
        let waiter = machine.spawn(Policy::NORMAL, all());
        for _ in 0..10_000 {
            if machine.sched.current() == Some(pair[1]) {
                hand_off(machine, pair[0]);
                pair.reverse();
            }
            machine.pass(Duration::from_ticks(20_000));
        }
        let ran = machine.sched.usage(waiter, machine.now()).unwrap().total().as_ticks();
        assert!(ran * 5 >= machine.now().as_ticks() * 2, "{ran} of {}", machine.now());
    });
}

#[test]
fn who_is_more_urgent_goes_before_the_one_who_is_called() {
    machine(1, |machine| {
        let server = sleeper(machine);
        machine.spawn(fifo(1), all());
        let client = machine.spawn(fifo(2), all());
        assert_eq!(machine.settle(), Some(client));
        assert_ne!(hand_off(machine, server), Some(server));
        assert_eq!(machine.sched.state(server), Some(TaskState::Runnable));
    });
}

#[test]
fn who_may_not_run_here_or_is_awake_is_woken_where_it_may() {
    machine(2, |machine| {
        let server = machine.spawn(Policy::NORMAL, only(1));
        machine.quiesce();
        assert!(machine.on(1).block(None));
        let client = machine.on(0).spawn(Policy::NORMAL, only(0));
        assert_eq!(machine.settle(), Some(client));
        assert_eq!(hand_off(machine, server), None);
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(server));
        machine.sched.wake(client, machine.now());
        assert_eq!(machine.on(0).settle(), Some(client));
        assert_eq!(hand_off(machine, server), None, "it runs already");
        assert_eq!(machine.sched.state(server), Some(TaskState::Running));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}
