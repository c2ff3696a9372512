//! CPUs go and come, and interrupts are not masked for long meanwhile.

use alloc::vec::Vec;

use super::{all, fifo, machine, only};
use crate::class::{Deadline, Rt};
use crate::core::{Config, TaskError};
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::error::AttrError;
use crate::task::{DlParams, Policy};
use crate::testing::with_machine;
use crate::time::Duration;

#[test]
fn a_cpu_goes_and_comes_in_short_masked_sections() {
    with_machine(
        2,
        2_000,
        Config::default(),
        || (Rt::new(), ()),
        |machine| {
            let free: Vec<_> = (0..500)
                .map(|_| {
                    machine.quiesce();
                    machine.spawn(fifo(3), all())
                })
                .collect();
            let pinned: Vec<_> = (0..500).map(|_| machine.spawn(fifo(3), only(1))).collect();
            machine.quiesce();
            let before = machine.platform.masked_sections();
            let there =
                free.iter().filter(|&&task| machine.sched.cpu_of(task) == Some(CpuId::new(1))).count();
            assert!(there > 100, "{there} tasks to move");
            let mut named = Vec::new();
            let gone = machine.sched.offline(CpuId::new(1), machine.now(), |task| named.push(task)).unwrap();
            let sections = machine.platform.masked_sections() - before;
            // The one that runs leaves when its CPU reschedules.
            assert!(gone.moved as usize >= there - 1 && gone.stranded == 500);
            assert_eq!(named, pinned);
            assert!(sections >= 2_000 / 64 && sections >= there as u64 / 4, "{sections} sections");
            let before = machine.platform.masked_sections();
            machine.sched.online(CpuId::new(1), machine.now()).unwrap();
            assert!(machine.platform.masked_sections() - before >= 2_000 / 64);
            machine.quiesce();
            assert!(pinned.iter().all(|&task| machine.sched.cpu_of(task) == Some(CpuId::new(1))));
            assert_eq!(machine.sched.check(), Ok(()));
        },
    );
}

#[test]
fn a_deadline_task_moves_only_where_its_bandwidth_is() {
    with_machine(
        3,
        16,
        Config::default(),
        || (Deadline::new(), (Rt::new(), ())),
        |machine| {
            let half = |tenths: u64| {
                let [runtime, period] = [tenths, 10].map(|ms| Duration::from_ticks(ms * 1_000_000));
                Policy::Deadline(DlParams::new(runtime, period, period).unwrap())
            };
            let task = machine.spawn(half(5), only(0));
            let other = machine.spawn(half(6), only(1));
            machine.quiesce();
            let only_there = |cpu| machine.sched.set_affinity(task, &only(cpu), machine.now());
            // It runs, and later it sleeps: the same answer.
            for asleep in [false, true] {
                if asleep {
                    assert!(machine.on(0).block(None));
                }
                let refused = only_there(1);
                assert!(matches!(refused, Err(TaskError::Attr(AttrError::Admission { .. }))), "{refused:?}");
                assert_eq!(machine.sched.affinity(task), Some(only(0)));
                assert_eq!(machine.sched.cpu_of(task), Some(CpuId::new(0)));
            }
            let refused = machine.sched.set_attr(other, half(10), machine.now());
            assert!(matches!(refused, Err(TaskError::Attr(AttrError::Admission { .. }))), "{refused:?}");
            // Of several CPUs the one that has it.
            let mut two = CpuMask::only(CpuId::new(1));
            two.insert(CpuId::new(2));
            machine.sched.set_affinity(task, &two, machine.now()).unwrap();
            assert_eq!(machine.sched.cpu_of(task), Some(CpuId::new(2)));
            machine.sched.wake(task, machine.now());
            machine.quiesce();
            assert_eq!(machine.sched.running_on(CpuId::new(2)), Some(task));
            assert_eq!((machine.sched.stats().overcommitted, machine.sched.check()), (0, Ok(())));
        },
    );
}

#[test]
fn a_sleeping_deadline_task_that_must_leave_keeps_its_bandwidth_all_the_same() {
    with_machine(
        2,
        16,
        Config::default(),
        || (Deadline::new(), ()),
        |machine| {
            let [runtime, period] = [6, 10].map(|ms| Duration::from_ticks(ms * 1_000_000));
            let policy = Policy::Deadline(DlParams::new(runtime, period, period).unwrap());
            let tasks = [machine.spawn(policy, all()), machine.spawn(policy, all())];
            machine.quiesce();
            let sleeper = machine.sched.running_on(CpuId::new(1)).unwrap();
            assert!(tasks.contains(&sleeper) && machine.on(1).block(None));
            let _ = machine.on(0).sched.offline(CpuId::new(1), machine.now(), |_| ()).unwrap();
            assert_eq!(machine.sched.stats().overcommitted, 1);
            machine.sched.wake(sleeper, machine.now());
            machine.quiesce();
            machine.pass(Duration::from_ticks(100_000_000));
            assert_eq!(machine.sched.check(), Ok(()));
            assert!(machine.sched.usage(sleeper, machine.now()).unwrap().total().as_ticks() > 0);
        },
    );
}

#[test]
fn a_cpu_that_goes_twice_or_is_not_there_is_no_trouble() {
    machine(2, |machine| {
        let cpu = CpuId::new(1);
        assert_eq!(machine.sched.online(CpuId::new(2), machine.now()), Err(TaskError::NoCpu));
        assert_eq!(machine.sched.online(cpu, machine.now()), Ok(()));
        for _ in 0..2 {
            assert_eq!(machine.sched.offline(cpu, machine.now(), |_| ()).map(|done| done.moved), Ok(0));
        }
        assert_eq!(machine.sched.online(cpu, machine.now()), Ok(()));
        assert_eq!(machine.sched.check(), Ok(()));
    });
}

#[test]
fn a_cpu_whose_task_is_throttled_takes_another() {
    let classes = || (Deadline::new(), (Rt::new(), ()));
    with_machine(2, 16, Config::default(), classes, |machine| {
        let [runtime, period] = [1, 100].map(|ms| Duration::from_ticks(ms * 1_000_000));
        let limited = Policy::Deadline(DlParams::new(runtime, period, period).unwrap());
        machine.spawn(limited, only(1));
        machine.spawn(fifo(2), only(0));
        machine.quiesce();
        let waiter = machine.spawn(fifo(1), all());
        machine.quiesce();
        machine.pass(runtime);
        assert_eq!(machine.sched.running_on(CpuId::new(1)), Some(waiter));
    });
}
