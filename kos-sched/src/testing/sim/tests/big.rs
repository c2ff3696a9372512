//! The largest machine: `cargo test --release -p kos-sched --lib sim::tests::big -- --ignored --nocapture`.

use super::super::oracle::{Accounts, Conservation};
use super::super::workload::generate::{MS, US};
use super::super::workload::{Mask, Op, Span, TaskSpec};
use super::super::{Board, Config, Rng, Sim, Smp};
use super::*;
use crate::cpu::{CpuId, CpuSet};

/// 10^6 tasks that start within 100 ms, sleep, and then ask for `percent` of 256 CPUs together. A quarter of them is at home on
/// 64 CPUs.
fn naps(percent: u64) -> Workload {
    let mut load = Workload::new(256);
    let cycle = MS * 1_000_000 * 100 / (percent * 256);
    let (first, sleep) = (Span::between(0, cycle), Span::between(cycle / 2, cycle / 2 * 3));
    let run = Op::Run(Span::between(50 * US, 2 * MS));
    let nap =
        load.program("nap", &[Op::Sleep(first), run, Op::Sleep(sleep), Op::Repeat { from: 1, times: 1000 }]);
    let homes = [0, 64, 128, 192].map(|first| {
        let mut mask = Mask::EMPTY;
        (first..first + 64).for_each(|cpu| mask.insert(CpuId::new(cpu)));
        load.mask(mask)
    });
    let mut rng = Rng::new(1);
    for task in 0..1_000_000 {
        let mask = if task % 4 == 0 { homes[task / 4 % 4] } else { 0 };
        load.add(TaskSpec {
            program: nap,
            policy: Policy::NORMAL,
            mask,
            start: Some(rng.range(0, 100 * MS)),
        });
    }
    load
}

/// 256 CPUs, 10^6 tasks of which a quarter may run on 64 CPUs only: no CPU idles for more than a balance interval beside a
/// task that could run there. On three topologies.
#[test]
#[ignore = "minutes without optimisation, and half a GB of memory"]
fn no_cpu_idles_beside_a_waiter_on_256_cpus_with_a_million_tasks() {
    for (near, percent) in [(1, 30), (8, 90), (64, 200)] {
        let load = naps(percent);
        let board = Board { near, ..Board::new(256, load.tasks.len()) };
        let limit = board.config.balance_interval.as_ticks();
        let (mut accounts, mut conserved) = (Accounts::new(256), Conservation::new(&load, 256, limit));
        let started = std::time::Instant::now();
        let run = |smp: Smp<'_, Usual>| {
            let mut sim = Sim::new(Config::new(256, 1), &load, smp).unwrap();
            sim.run(1500 * MS, &mut [&mut accounts, &mut conserved]).unwrap()
        };
        let totals = board.with(usual, run).unwrap();
        let rate = totals.events as f64 / started.elapsed().as_secs_f64() / 1e6;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
        std::println!("{percent} %: {:.1} M events/s, {peak}, {totals:?}", rate);
        accounts.verdict().unwrap();
        conserved.verdict().unwrap();
    }
}
