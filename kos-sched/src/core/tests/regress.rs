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
fn regress_hermit_2468_a_remote_wake_does_not_wait_for_a_timer() {
    machine(2, |machine| {
        let calm = machine.spawn(fifo(5), only(1));
        let urgent = machine.spawn(fifo(9), only(1));
        machine.quiesce();
        machine.on(1).block(None);
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(calm));
        assert_eq!(machine.platform.timer(CpuId::new(1)), None, "no timer would come");
        machine.on(0).sched.wake(urgent, machine.now());
        while machine.deliver() {}
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(urgent));
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
fn regress_tgoskits_825_a_task_that_forbids_itself_its_cpu_leaves_it() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), only(1));
        machine.quiesce();
        machine.on(1).sched.set_affinity(task, &only(0), machine.now()).unwrap();
        assert!(machine.sched.should_preempt());
        assert_eq!(machine.settle(), None);
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
fn regress_asterinas_2426_a_wake_goes_where_nobody_runs_and_not_back_to_a_busy_cpu() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), all());
        machine.quiesce();
        let home = machine.sched.cpu_of(task).unwrap();
        machine.on(home.get()).block(None);
        machine.spawn(fifo(5), only(home.get()));
        machine.quiesce();
        machine.sched.wake(task, machine.now());
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1 - home.get())), Some(task));
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

#[test]
fn regress_nuttx_11797_a_task_is_not_moved_to_another_cpu_before_it_is_left() {
    machine(2, |machine| {
        let task = machine.spawn(fifo(5), only(1));
        machine.quiesce();
        machine.on(1).sched.set_affinity(task, &only(0), machine.now()).unwrap();
        let switch = machine.sched.reschedule(machine.now());
        assert!(switch.is_switch());
        machine.on(0).settle();
        assert_eq!(machine.sched.current(), None, "its registers are not saved");
        machine.on(1);
        drop(switch);
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(0)), Some(task));
    });
}
