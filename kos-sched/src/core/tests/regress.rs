//! What others shipped broken.

use super::{all, fifo, machine, only, rr};
use crate::core::{TaskState, Woken};
use crate::cpu::CpuId;
use crate::testing::HostLock;
use crate::time::Duration;

#[test]
fn regress_tgoskits_926_a_remote_wake_sends_an_interrupt() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), only(1));
        machine.quiesce();
        machine.on(1).block(None);
        assert_eq!(machine.on(0).sched.wake(task, machine.now()), Woken::Enqueued);
        assert_eq!(machine.platform.pending_kicks(), 1);
        assert!(machine.deliver());
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(task));
    });
}

#[test]
fn regress_tgoskits_1426_a_wake_holds_one_lock_at_most() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), all());
        machine.quiesce();
        let home = machine.sched.cpu_of(task).unwrap().get();
        machine.on(home).block(None);
        let _ = HostLock::most_held();
        machine.on(1 - home).sched.wake(task, machine.now());
        machine.quiesce();
        assert_eq!(HostLock::most_held(), 1);
    });
}

#[test]
fn regress_nuttx_19680_a_running_task_leaves_after_one_interrupt() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), only(1));
        machine.quiesce();
        machine.on(0).sched.set_affinity(task, &only(0), machine.now()).unwrap();
        assert_eq!(machine.platform.pending_kicks(), 1);
        assert!(machine.deliver());
        assert_eq!(machine.sched.running_on(CpuId::new(1)), None);
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(0)), Some(task));
    });
}

#[test]
fn regress_asterinas_1890_two_wakes_choose_two_idle_cpus() {
    machine(4, |machine| {
        let tasks = [fifo(5); 3].map(|policy| machine.spawn(policy, all()));
        let homes = tasks.map(|task| machine.sched.cpu_of(task));
        assert!(homes[0] != homes[1] && homes[1] != homes[2] && homes[0] != homes[2]);
    });
}

#[test]
fn regress_scx_1185_a_pinned_task_gets_its_turn() {
    machine(2, |machine| {
        for _ in 0..6 {
            machine.spawn(rr(), all());
        }
        machine.quiesce();
        let pinned = machine.spawn(rr(), only(0));
        machine.pass(Duration::from_ticks(50_000_000));
        let ran = machine.sched.usage(pinned, machine.now()).unwrap().total();
        assert!(ran.as_ticks() >= 5_000_000, "{ran}");
    });
}

#[test]
fn regress_zephyr_40795_a_task_is_not_woken_onto_another_cpu_before_it_is_left() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), all());
        machine.quiesce();
        let home = machine.sched.cpu_of(task).unwrap();
        // The CPU has another task to run, so the one that wakes would suit better.
        machine.spawn(fifo(4), only(home.get()));
        machine.on(home.get()).sched.prepare(crate::ports::BlockReason::Park).unwrap();
        let switch = machine.sched.block(None, machine.now());
        machine.on(1 - home.get()).sched.wake(task, machine.now());
        machine.settle();
        assert_eq!(machine.sched.current(), None, "its registers are not saved");
        assert_eq!(machine.sched.state(task), Some(TaskState::Waking));
        machine.on(home.get());
        drop(switch);
        machine.settle();
        assert_eq!(machine.sched.current(), Some(task));
    });
}
