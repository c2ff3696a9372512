//! The core on many simulated CPUs: it conserves work, keeps to affinities and accounts for every nanosecond.

use alloc::string::String;
use core::fmt::Write;

use super::super::oracle::{Accounts, Affinity, Conservation, Shares};
use super::super::workload::generate::{MS, S, US, churn, hogs, restless};
use super::super::workload::{Op, SCENARIOS, Scenario, Span, TaskSpec};
use super::super::{Board, Config, Digest, Latency, Sim, Smp};
use super::*;
use crate::cpu::{CpuId, CpuSet};

/// The shipping scheduler with the usual classes, and whoever watches.
fn run_smp(board: Board, seed: u64, load: &Workload, until: u64, watch: &mut [&mut dyn Observer]) -> Totals {
    let config = Config { clock: board.clock, ..Config::new(board.cpus, seed) };
    let run = |smp: Smp<'_, Usual>| {
        let mut sim = Sim::new(config, load, smp).unwrap();
        let totals = sim.run(until, watch).unwrap();
        assert_eq!(sim.account_error(), 0, "tasks");
        let now = sim.now();
        let times =
            (0..board.cpus).map(|cpu| sim.subject().cpu_times(CpuId::new(cpu), Instant::from_ticks(now)));
        let (busy, idle) = times.fold((0, 0), |(busy, idle), times| {
            (busy + times.user.as_ticks() + times.system.as_ticks(), idle + times.idle.as_ticks())
        });
        assert_eq!((busy, idle), (totals.busy, totals.idle), "CPUs");
        if load.tasks.len() < 1000 {
            sim.subject().check().unwrap();
        }
        totals
    };
    board.with(usual, run).unwrap()
}

/// Interrupts, timers and decisions that `totals` explains: more of them are a storm.
fn explained(totals: &Totals, cpus: u32, length: u64) -> u64 {
    4 * (totals.switches + totals.wakes + totals.kicks + totals.jobs) + u64::from(cpus) * length / MS + 100
}

#[test]
fn every_scenario_satisfies_every_oracle() {
    for scenario in SCENARIOS {
        for (cpus, seed) in [(1, 1), (4, 2), (16, 3)] {
            let load = (scenario.load)(cpus, seed);
            let board = Board::new(cpus, load.tasks.len());
            let (mut accounts, mut affinity) = (Accounts::new(cpus), Affinity::new(&load));
            let mut conserved = Conservation::new(&load, cpus, board.config.balance_interval.as_ticks());
            let watch: &mut [&mut dyn Observer] = &mut [&mut accounts, &mut affinity, &mut conserved];
            let totals = run_smp(board, seed, &load, scenario.length, watch);
            let name = scenario.name;
            accounts.verdict().unwrap();
            affinity.verdict(Config::new(1, 1).ipi.high).unwrap_or_else(|breach| panic!("{name}: {breach}"));
            conserved.verdict().unwrap_or_else(|breach| panic!("{name} on {cpus} CPUs: {breach}"));
            assert!(
                totals.events < explained(&totals, cpus, scenario.length),
                "{name} on {cpus} CPUs: {totals:?}"
            );
        }
    }
}

#[test]
fn the_core_repeats_itself() {
    let digest = |seed, clock| {
        let scenario = Scenario::find("mixed").unwrap();
        let load = (scenario.load)(8, 1);
        let mut digest = Digest::new();
        let board = Board { clock: Instant::from_ticks(clock), ..Board::new(8, load.tasks.len()) };
        run_smp(board, seed, &load, scenario.length, &mut [&mut digest]);
        digest.get()
    };
    assert_eq!(digest(1, 0), digest(1, 0));
    assert_ne!(digest(1, 0), digest(2, 0));
    // What the clock shows at the beginning does not matter.
    assert_eq!(digest(1, 0), digest(1, i64::MAX.unsigned_abs()));
}

#[test]
fn as_many_workers_as_cpus_get_one_each() {
    for cpus in [2, 7, 64] {
        let load = hogs(cpus, &[Policy::NORMAL].repeat(cpus as usize));
        let mut shares = Shares::new(&load);
        run_smp(Board::new(cpus, load.tasks.len()), 1, &load, 4 * S, &mut [&mut shares]);
        shares.verdict(&[1_000_000].repeat(cpus as usize), 2_000).unwrap();
    }
}

/// Tasks pinned to one CPU wait for it, while the rest of the machine serves the others.
#[test]
fn pinned_tasks_wait_beside_idle_cpus_and_free_ones_do_not() {
    let mut load = hogs(4, &[Policy::NORMAL, Policy::NORMAL]);
    let mask = load.mask(CpuSet::only(CpuId::new(0)));
    for _ in 0..3 {
        load.add(TaskSpec { mask, ..load.tasks[0] });
    }
    let (mut shares, mut conserved) = (Shares::new(&load), Conservation::new(&load, 4, 4 * MS));
    run_smp(Board::new(4, load.tasks.len()), 5, &load, 3 * S, &mut [&mut shares, &mut conserved]);
    conserved.verdict().unwrap();
    shares.verdict(&[1_000_000, 1_000_000, 333_333, 333_333, 333_333], 5_000).unwrap();
}

#[test]
fn an_idle_machine_gets_no_ticks() {
    let mut load = Workload::new(8);
    let short = load.program("short", &[Op::Run(Span::exactly(MS))]);
    load.task(short, Policy::NORMAL);
    let totals = run_smp(Board::new(8, 1), 1, &load, 10 * S, &mut []);
    assert!(totals.events < 20 && totals.busy == MS, "{totals:?}");
}

/// 10^5 changes of affinity here, as many as one likes by `KOS_SIM_SECONDS`: nobody runs where he must not.
#[test]
fn affinity_holds_however_often_it_changes() {
    let seconds: u64 = std::env::var("KOS_SIM_SECONDS").map_or(1, |seconds| seconds.parse().unwrap());
    for seed in 0..4 {
        let load = restless(8, 40, 20, seed);
        let mut affinity = Affinity::new(&load);
        run_smp(Board::new(8, load.tasks.len()), seed, &load, seconds * S, &mut [&mut affinity]);
        affinity.verdict(Config::new(1, 1).ipi.high).unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
    }
}

/// Wake-up latency by topology and load, as it was when somebody last looked at it; the same in every build.
#[test]
fn latency_by_topology() {
    let mut table = String::from("CPUs  cache  load %   p50 us   p99 us   max us   migrations/s\n");
    for (cpus, near) in [(8, 1), (8, 4), (8, 8), (64, 8)] {
        for percent in [50, 90, 120] {
            let load = churn(cpus, 10 * cpus, percent, 1);
            let mut latency = Latency::new(&load);
            let board = Board { near, ..Board::new(cpus, load.tasks.len()) };
            let totals = run_smp(board, 1, &load, S, &mut [&mut latency]);
            let [p50, p99] = [500, 990].map(|part| latency.quantile(part) / US);
            let (max, moves) = (latency.longest() / US, totals.migrations);
            writeln!(table, "{cpus:4} {near:6} {percent:7} {p50:8} {p99:8} {max:8} {moves:14}").unwrap();
        }
    }
    snapshot("latency.txt", &table);
}
