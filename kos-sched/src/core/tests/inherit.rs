//! What a task inherits changes its place at once, wherever it is, and nothing else.

use super::{all, at, fifo, machine, only, rr};
use crate::class::{Deadline, Fair, Idle, Rt, Stop};
use crate::core::{Config, TaskError, Urgency};
use crate::cpu::CpuId;
use crate::task::{DlParams, Nice, Policy, TaskId};
use crate::testing::{Machine, with_machine};
use crate::time::Duration;

const MS: u64 = 1_000_000;

type Whole = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

fn whole<R>(cpus: u32, work: impl FnOnce(&mut Machine<'_, Whole>) -> R) -> R {
    let classes = || (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))));
    with_machine(cpus, 64, Config::default(), classes, work)
}

fn nice(nice: i8) -> Policy {
    Policy::Fair { nice: Nice::new(nice).unwrap(), slice: Policy::SLICE }
}

fn deadline(runtime: u64, period: u64) -> Policy {
    let [runtime, period] = [runtime * MS, period * MS].map(Duration::from_ticks);
    Policy::Deadline(DlParams::new(runtime, period, period).unwrap())
}

fn urgency(policy: Policy) -> Option<Urgency> {
    Some(Urgency::of(&policy))
}

#[test]
fn a_waiting_task_overtakes_in_the_step_in_which_it_inherits() {
    machine(2, |machine| {
        let mid = machine.spawn(fifo(20), only(1));
        let low = machine.spawn(fifo(10), only(1));
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(mid));
        machine.on(0).sched.inherit(low, urgency(fifo(30)), machine.now()).unwrap();
        assert_eq!(machine.platform.pending_kicks(), 1, "the other CPU is told");
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(low));
        machine.sched.inherit(low, None, machine.now()).unwrap();
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(mid));
        assert_eq!(machine.sched.urgency(low), urgency(fifo(10)));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn a_running_task_that_inherits_runs_on_without_an_interrupt() {
    machine(2, |machine| {
        let low = machine.spawn(fifo(10), only(1));
        machine.quiesce();
        machine.on(0).sched.inherit(low, urgency(fifo(30)), machine.now()).unwrap();
        assert_eq!(machine.platform.pending_kicks(), 0);
        let mid = machine.spawn(fifo(20), only(1));
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(low));
        machine.sched.inherit(low, None, machine.now()).unwrap();
        assert!(machine.deliver(), "who is urgent no more is preempted");
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(mid));
    });
}

#[test]
fn a_sleeping_task_wakes_as_what_it_inherits() {
    machine(1, |machine| {
        let low = machine.spawn(fifo(10), all());
        machine.settle();
        assert!(machine.block(at(MS)));
        let mid = machine.spawn(fifo(20), all());
        machine.settle();
        machine.sched.inherit(low, urgency(fifo(30)), machine.now()).unwrap();
        assert_eq!(machine.sched.current(), Some(mid));
        machine.pass(Duration::from_ticks(MS));
        assert_eq!(machine.sched.current(), Some(low));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn what_a_task_is_of_its_own_may_change_meanwhile() {
    machine(1, |machine| {
        let low = machine.spawn(fifo(10), all());
        let mid = machine.spawn(fifo(20), all());
        let set = |policy| machine.sched.set_attr(low, policy, machine.now()).unwrap();
        let inherit = |policy| machine.sched.inherit(low, policy, machine.now()).unwrap();
        inherit(urgency(fifo(30)));
        assert_eq!(machine.settle(), Some(low));
        set(fifo(5));
        assert_eq!((machine.settle(), machine.sched.urgency(low)), (Some(low), urgency(fifo(30))));
        set(fifo(40));
        assert_eq!((machine.settle(), machine.sched.urgency(low)), (Some(low), urgency(fifo(40))));
        set(rr());
        assert_eq!(machine.sched.urgency(low), urgency(fifo(30)), "it still inherits");
        inherit(None);
        assert_eq!((machine.settle(), machine.sched.urgency(low)), (Some(mid), urgency(rr())));
        assert_eq!(machine.sched.own_urgency(low), urgency(rr()));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

/// How long each ran while `length` passed.
fn run(machine: &mut Machine<'_, Whole>, tasks: [TaskId; 2], length: u64) -> [u64; 2] {
    let used = |machine: &Machine<'_, Whole>| {
        tasks.map(|task| machine.sched.usage(task, machine.now()).unwrap().total().as_ticks())
    };
    let before = used(machine);
    machine.pass(Duration::from_ticks(length));
    let after = used(machine);
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn a_fair_task_inherits_the_weight_of_who_waits() {
    whole(1, |machine| {
        let tasks = [machine.spawn(nice(19), all()), machine.spawn(nice(0), all())];
        machine.settle();
        let inherit = |machine: &Machine<'_, Whole>, from| {
            machine.sched.inherit(tasks[0], from, machine.now()).unwrap();
        };
        let [low, other] = run(machine, tasks, 3_000 * MS);
        assert!(low * 40 < other, "{low} {other}");
        inherit(machine, urgency(nice(-20)));
        let [low, other] = run(machine, tasks, 3_000 * MS);
        assert!(low > other * 40, "{low} {other}");
        inherit(machine, None);
        let [low, other] = run(machine, tasks, 3_000 * MS);
        assert!(low * 40 < other, "{low} {other}");
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn what_it_did_not_get_is_owed_to_it_after_the_boost() {
    whole(1, |machine| {
        let tasks = [machine.spawn(nice(0), all()), machine.spawn(nice(0), all())];
        machine.settle();
        // Many short boosts: each begins where the task has just had a turn. They must not clear what it owes.
        let mut got = [0; 2];
        for _ in 0..1_000 {
            let ran = run(machine, tasks, 2 * MS);
            (got[0], got[1]) = (got[0] + ran[0], got[1] + ran[1]);
            machine.sched.inherit(tasks[0], urgency(fifo(1)), machine.now()).unwrap();
            machine.sched.inherit(tasks[0], None, machine.now()).unwrap();
            machine.settle();
        }
        assert!(got[0].abs_diff(got[1]) <= 8 * MS, "{got:?}");
    });
}

#[test]
fn a_lent_deadline_is_not_throttled_and_the_own_budget_is_kept() {
    whole(1, |machine| {
        let own = machine.spawn(deadline(3, 10), all());
        machine.settle();
        let [ran, _] = run(machine, [own, own], MS);
        assert_eq!(ran, MS);
        // Somebody with 1 ms in 4 waits for it: it runs as long as it needs.
        machine.sched.inherit(own, urgency(deadline(1, 4)), machine.now()).unwrap();
        machine.settle();
        let [ran, _] = run(machine, [own, own], 6 * MS);
        assert_eq!(ran, 6 * MS);
        machine.sched.inherit(own, None, machine.now()).unwrap();
        machine.settle();
        // 2 ms were left, in 3 ms: more than its share, so a new budget begins now.
        let [ran, _] = run(machine, [own, own], 10 * MS);
        assert_eq!(ran, 3 * MS);
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn a_fair_task_that_inherits_a_deadline_goes_before_real_time_and_elsewhere_too() {
    whole(2, |machine| {
        let low = machine.spawn(nice(0), only(0));
        machine.spawn(fifo(50), only(0));
        machine.spawn(fifo(50), only(1));
        let waiter = machine.spawn(deadline(3, 4), only(1));
        machine.quiesce();
        machine.sched.inherit(low, machine.sched.own_urgency(waiter), machine.now()).unwrap();
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(0)), Some(low));
        // The bandwidth of the other CPU is given away; what is lent needs none.
        machine.on(1).block(None);
        machine.sched.set_affinity(low, &only(1), machine.now()).unwrap();
        machine.quiesce();
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(low));
        assert_eq!(machine.sched.stats().overcommitted, 0);
        machine.sched.inherit(low, None, machine.now()).unwrap();
        machine.quiesce();
        assert_ne!(machine.sched.running_on(CpuId::new(1)), Some(low));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn a_throttled_task_that_may_run_again_wakes_its_idle_cpu() {
    let changes: [fn(&Machine<'_, Whole>, TaskId); 2] = [
        |machine, task| machine.sched.set_attr(task, nice(0), machine.now()).unwrap(),
        |machine, task| machine.sched.inherit(task, urgency(deadline(10, 10)), machine.now()).unwrap(),
    ];
    for change in changes {
        whole(2, |machine| {
            let task = machine.spawn(deadline(1, 100), only(1));
            machine.quiesce();
            machine.pass(Duration::from_ticks(2 * MS));
            assert_eq!(machine.sched.running_on(CpuId::new(1)), None, "throttled");
            change(machine.on(0), task);
            machine.quiesce();
            assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(task));
        });
    }
}

#[test]
fn an_ended_task_inherits_nothing_and_has_no_policy() {
    machine(1, |machine| {
        let task = machine.spawn(fifo(10), all());
        machine.settle();
        machine.exit();
        assert_eq!(machine.sched.inherit(task, urgency(fifo(30)), machine.now()), Err(TaskError::Gone));
        assert_eq!(machine.sched.set_attr(task, fifo(30), machine.now()), Err(TaskError::Gone));
        assert_eq!(machine.sched.reap(task), Ok(0));
    });
}
