//! The core on two or three CPUs: switch, wake, migration, end, hot plug.

use super::machine::{NOW, all, machine, only};
use super::{SOME, explore, explore_within, must_find};
use crate::core::TaskError;
use crate::cpu::CpuId;
use crate::ports::BlockReason;
use crate::seeded::Bug;

/// A task falls asleep on one CPU while another, which has nothing to do, wakes it.
fn hand_over() {
    machine(2, |machine| {
        let task = machine.spawn(0, 5, all());
        machine.quiesce();
        let home = machine.sched.cpu_of(task).unwrap().as_usize();
        let sleeper = machine.cpu(home, |cpu| cpu.block());
        let waker = machine.cpu(1 - home, move |cpu| {
            cpu.sched.wake(task, NOW);
            cpu.deliver();
        });
        sleeper.join().unwrap();
        waker.join().unwrap();
        machine.quiesce();
        machine.assert_runs(task, None);
    });
}

/// A CPU that leaves its task does not go on before another has woken that. (As if that one, too, was leaving a task, which
/// this one wakes.)
fn wake_of_who_is_left() {
    machine(1, |machine| {
        let task = machine.spawn(0, 5, only(0));
        machine.quiesce();
        machine.sched.prepare(BlockReason::Park).unwrap();
        let waker = machine.cpu(1, move |cpu| _ = cpu.sched.wake(task, NOW));
        machine.sched.block(None, NOW).carry_out(|_, _| waker.join().unwrap());
        machine.quiesce();
        machine.assert_runs(task, Some(0));
    });
}

/// A CPU that gets idle takes a task from another while a third forbids it.
fn narrowed_while_moved() {
    machine(2, |machine| {
        machine.spawn(0, 9, only(0));
        machine.spawn(1, 9, only(1));
        let moved = machine.spawn(2, 5, only(0));
        machine.quiesce();
        machine.sched.set_affinity(moved, &all(), NOW).unwrap();
        let thief = machine.cpu(1, |cpu| cpu.block());
        machine.sched.set_affinity(moved, &only(0), NOW).unwrap();
        thief.join().unwrap();
        machine.quiesce();
        assert_eq!((machine.sched.check(), machine.sched.cpu_of(moved)), (Ok(()), Some(CpuId::new(0))));
    });
}

/// A sleeping task is woken for the CPU where it was while another forbids that.
fn narrowed_while_woken() {
    machine(2, |machine| {
        let task = machine.spawn(0, 5, only(1));
        machine.quiesce();
        machine.sched.set_affinity(task, &all(), NOW).unwrap();
        machine.cpu(1, |cpu| cpu.block()).join().unwrap();
        let waker = machine.cpu(2, move |cpu| _ = cpu.sched.wake(task, NOW));
        machine.sched.set_affinity(task, &only(0), NOW).unwrap();
        waker.join().unwrap();
        machine.quiesce();
        machine.assert_runs(task, Some(0));
    });
}

/// A task ends while another joins it; its stack is used again.
fn exit_and_join() {
    machine(2, |machine| {
        let parent = machine.spawn(0, 5, only(0));
        let child = machine.spawn(1, 5, only(1));
        machine.quiesce();
        let leaver = machine.cpu(1, |cpu| cpu.carry_out(cpu.sched.exit_current(NOW)));
        let mut ended = machine.sched.join(child).unwrap();
        if !ended {
            machine.block();
            leaver.join().unwrap();
            machine.quiesce();
            machine.assert_runs(parent, Some(0));
            ended = machine.sched.join(child).unwrap();
        }
        assert!(ended, "woken before the end");
        machine.reuse(machine.sched.reap(child).unwrap());
        assert_eq!(machine.sched.reap(child), Err(TaskError::Gone));
    });
}

/// A CPU leaves while a task is woken that ran there last.
fn wake_beside_offline() {
    machine(2, |machine| {
        let task = machine.spawn(0, 5, only(1));
        machine.quiesce();
        machine.cpu(1, |cpu| cpu.block()).join().unwrap();
        machine.sched.set_affinity(task, &all(), NOW).unwrap();
        let leaver = machine.cpu(1, |cpu| {
            let _ = cpu.sched.offline(CpuId::new(1), NOW, |_| panic!("CPU 0 is there")).unwrap();
            cpu.settle();
        });
        machine.sched.wake(task, NOW);
        leaver.join().unwrap();
        machine.quiesce();
        machine.assert_runs(task, Some(0));
    });
}

#[test]
fn a_task_runs_elsewhere_only_when_it_was_left() {
    explore(hand_over);
}

#[test]
fn regress_zephyr_40795_a_task_that_runs_before_it_was_left_is_found() {
    must_find(Bug::OnCpuIgnored, hand_over);
}

#[test]
fn no_waker_waits_for_a_switch() {
    explore(wake_of_who_is_left);
}

#[test]
fn regress_tgoskits_1495_a_waker_that_waits_for_a_switch_is_found() {
    must_find(Bug::OnCpuAwaited, wake_of_who_is_left);
}

#[test]
fn no_task_is_moved_where_it_must_not_be() {
    explore(narrowed_while_moved);
}

#[test]
fn regress_tgoskits_1775_an_affinity_narrowed_while_a_task_is_moved_is_seen() {
    must_find(Bug::AffinityUnchecked, narrowed_while_moved);
}

#[test]
fn no_task_is_woken_where_it_must_not_be() {
    explore(narrowed_while_woken);
}

#[test]
fn an_affinity_narrowed_while_a_task_is_woken_is_seen() {
    must_find(Bug::AffinityUnchecked, narrowed_while_woken);
}

#[test]
fn who_joins_is_woken_after_the_stack_is_left() {
    explore_within(SOME, exit_and_join);
}

#[test]
fn a_zombie_on_its_cpu_is_found() {
    must_find(Bug::ZombieEarly, exit_and_join);
}

#[test]
fn a_joiner_that_looks_before_it_is_known_is_found() {
    must_find(Bug::JoinUnregistered, exit_and_join);
}

#[test]
fn no_task_is_woken_onto_a_cpu_that_left() {
    explore_within(SOME, wake_beside_offline);
}

#[test]
fn a_waker_that_does_not_look_at_the_cpu_is_found() {
    must_find(Bug::OfflineUnchecked, wake_beside_offline);
}
