//! The engine itself, with the simplest class.

use super::super::oracle::{Accounts, Affinity, Breach, Conservation, Shares, Waiting};
use super::super::workload::generate::{MS, S, US, hackbench, hogs, restless, schbench};
use super::super::workload::{Mask, Op, Span, TaskSpec, Who, Workload};
use super::super::{Config, Digest, Latency, Sim, SimError, Trace};
use super::*;
use crate::cpu::{CpuId, CpuSet};
use crate::task::Nice;

#[test]
fn round_robin_hogs_share_evenly_and_every_nanosecond_is_somebodys() {
    let load = hogs(1, &[round_robin(5, 10); 4]);
    let (mut shares, mut accounts) = (Shares::new(&load), Accounts::new(1));
    let totals = run(Config::new(1, 1), &load, rt, 4 * S, &mut [&mut shares, &mut accounts]);
    shares.verdict(&[250_000; 4], 0).unwrap();
    accounts.verdict().unwrap();
    assert_eq!((totals.busy, totals.idle, totals.switches), (4 * S, 0, 400));
    assert_eq!((accounts.busy(), accounts.idle()), (4 * S, 0));
}

#[test]
fn a_starving_class_is_caught() {
    let load = hogs(1, &[fifo(5), fifo(5)]);
    let mut waiting = Waiting::new(&load);
    run(Config::new(1, 1), &load, rt, S, &mut [&mut waiting]);
    assert_eq!(waiting.verdict(S / 2), Err(Breach::Starved { task: 1, until: S, length: S }));
}

#[test]
fn a_cpu_that_idles_beside_a_waiting_task_is_caught() {
    // Queues do not balance: two tasks on CPU 0, and what was on CPU 1 ends.
    let mut load = Workload::new(2);
    let hog = load.program("hog", &[Op::Run(Span::exactly(S))]);
    let short = load.program("short", &[Op::Run(Span::exactly(MS))]);
    for program in [hog, short, hog] {
        load.task(program, round_robin(5, 10));
    }
    let mut conserved = Conservation::new(&load, 2, 4 * MS);
    run(Config::new(2, 1), &load, rt, S / 10, &mut [&mut conserved]);
    assert!(matches!(conserved.verdict(), Err(Breach::Idle { cpu: 1, length, .. }) if length > 90 * MS));
}

#[test]
fn cpu_and_idle_time_are_the_whole_time_on_many_cpus() {
    for (seed, cpus) in [(1, 1), (2, 3), (3, 8), (4, 64)] {
        let mut load = hackbench(cpus, cpus, 2);
        for spec in &mut load.tasks {
            spec.policy = round_robin(1, 1);
        }
        let mut accounts = Accounts::new(cpus);
        let until = 20 * MS + 7;
        let totals = run(Config::new(cpus, seed), &load, rt, until, &mut [&mut accounts]);
        accounts.verdict().unwrap();
        assert_eq!(totals.busy + totals.idle, until * u64::from(cpus));
        assert_eq!((totals.busy, totals.idle), (accounts.busy(), accounts.idle()));
        assert!(totals.wakes > 1000, "{totals:?}");
    }
}

#[test]
fn tasks_move_when_their_cpus_change_within_one_interrupt() {
    let mut load = restless(4, 12, 6, 9);
    for spec in &mut load.tasks {
        spec.policy = round_robin(1, 1);
    }
    let config = Config::new(4, 3);
    let mut affinity = Affinity::new(&load);
    let totals = run(config, &load, rt, S, &mut [&mut affinity]);
    affinity.verdict(config.ipi.high).unwrap();
    assert!(affinity.verdict(config.ipi.low / 2).is_err(), "an interrupt takes its time");
    assert!(totals.migrations > 1000 && totals.refused > 1000, "no fair class here: {totals:?}");
}

/// Every seed its own sequence, the same in every build: these numbers hold in development and release builds.
#[test]
fn same_seed_same_trace() {
    let digest = |seed| {
        let mut load = hackbench(4, 4, 2);
        for spec in &mut load.tasks {
            spec.policy = round_robin(1, 1);
        }
        let (mut digest, mut trace) = (Digest::new(), Trace::new(4, usize::MAX));
        run(Config::new(4, seed), &load, rt, 50 * MS, &mut [&mut digest, &mut trace]);
        let mut csv = alloc::string::String::new();
        super::super::plot::write_csv(&mut csv, &load, &trace).unwrap();
        (digest.get(), csv)
    };
    let (first, csv) = digest(1);
    assert_eq!(digest(1), (first, csv.clone()));
    assert_ne!(digest(2).1, csv);
    assert_eq!(first, 0x9b30_0f98_434a_a563, "{first:#x}");
}

#[test]
fn programs_do_what_they_say() {
    let mut load = Workload::new(1);
    let second = load.event();
    let child = load.program("child", &[Op::Run(Span::exactly(10 * US)), Op::Signal(second)]);
    let main = load.program(
        "main",
        &[
            Op::Run(Span::exactly(5 * US)),
            Op::Fork(Who::Task(1)),
            Op::Wait(second),
            Op::Repeat { from: 0, times: 1 },
            Op::Wake(Who::Me),
            Op::Park,
            Op::Sleep(Span::exactly(70 * US)),
            Op::Run(Span::exactly(1)),
        ],
    );
    load.task(main, fifo(3));
    load.add(TaskSpec { program: child, policy: fifo(3), mask: 0, start: None });
    let (mut trace, mut latency) = (Trace::new(1, 100), Latency::new(&load));
    let totals = run(Config::new(1, 1), &load, rt, S, &mut [&mut trace, &mut latency]);
    let slices: Vec<_> =
        trace.slices().iter().map(|slice| (slice.task, slice.since / US, slice.until)).collect();
    let us = |at: u64| at * US;
    let expected = [(0, 0, us(5)), (1, 5, us(15)), (0, 15, us(20)), (1, 20, us(30)), (0, 100, us(100) + 1)];
    assert_eq!(slices, expected, "an early wake is remembered, so Park takes no time");
    assert_eq!((totals.busy, totals.wakes, latency.count()), (30 * US + 1, 3, 3));
}

#[test]
fn jobs_open_at_their_period_and_are_late_by_what_others_take() {
    let mut load = Workload::new(1);
    let job = Op::Job { period: 10 * MS, deadline: 5 * MS };
    let periodic = load.program("periodic", &[job, Op::Run(Span::exactly(2 * MS)), Op::Restart]);
    load.task(periodic, fifo(1));
    let intruder = load.program("intruder", &[Op::Run(Span::exactly(4 * MS))]);
    load.add(TaskSpec { program: intruder, policy: fifo(2), mask: 0, start: Some(21 * MS) });
    let mut deadlines = super::super::oracle::Deadlines::new();
    let totals = run(Config::new(1, 1), &load, rt, 51 * MS, &mut [&mut deadlines]);
    assert_eq!(deadlines.counts(), (5, 1));
    assert_eq!(deadlines.verdict(), Err(Breach::Late { task: 0, release: 20 * MS, tardiness: MS }));
    assert_eq!((totals.jobs, totals.misses), (5, 1));
}

#[test]
fn programs_without_time_and_wrong_machines_are_errors() {
    let mut load = Workload::new(1);
    let spin = load.program("spin", &[Op::Signal(0), Op::Restart]);
    load.event();
    load.task(spin, fifo(1));
    let mut slots = slots(&load);
    let mut sim = Sim::new(Config::new(1, 1), &load, Queues::new(1, &mut slots, |_| rt())).unwrap();
    assert_eq!(sim.run(S, &mut []), Err(SimError::Spins { task: 0 }));
    for asked in [0, Mask::CAPACITY + 1] {
        let mut none = Vec::new();
        let queues = Queues::new(1, &mut none, |_| rt());
        assert_eq!(Sim::new(Config::new(asked, 1), &load, queues).unwrap_err(), SimError::Cpus { asked });
    }
}

#[test]
fn what_the_scheduler_refuses_is_counted_and_changes_nothing() {
    let mut load = Workload::new(1);
    let change = [
        Op::Run(Span::exactly(MS)),
        Op::Policy(Who::Me, Policy::NORMAL),
        Op::Yield,
        Op::Run(Span::exactly(MS)),
    ];
    let change = load.program("change", &change);
    load.task(change, fifo(1));
    load.task(change, Policy::Batch(Nice::MIN));
    let nowhere = load.mask(Mask::only(CpuId::new(9)));
    load.add(TaskSpec { program: change, policy: fifo(1), mask: nowhere, start: Some(0) });
    let totals = run(Config::new(1, 1), &load, rt, S, &mut []);
    assert_eq!((totals.busy, totals.refused), (2 * MS, 3));
}

#[test]
fn workers_wait_for_their_messenger() {
    let mut load = schbench(2, 2, 3, Span::exactly(30 * US));
    for spec in &mut load.tasks {
        spec.policy = round_robin(1, 1);
    }
    let mut latency = Latency::new(&load);
    let totals = run(Config::new(2, 1), &load, rt, 10 * MS, &mut [&mut latency]);
    assert!(latency.count() > 500 && latency.quantile(990) <= latency.longest(), "{totals:?}");
}
