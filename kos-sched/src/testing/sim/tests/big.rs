//! The largest machine: `cargo test --release -p kos-sched --lib sim::tests::big -- --ignored --nocapture`.

use super::super::oracle::{Accounts, Conservation};
use super::super::workload::generate::{MS, churn};
use super::super::{Board, Config, Sim, Smp};
use super::*;
use crate::cpu::{CpuId, CpuSet};

/// 256 CPUs, 10^6 tasks of which a quarter may run on 64 CPUs only: no CPU idles for more than a balance interval beside a
/// task that could run there. On three topologies.
#[test]
#[ignore = "minutes without optimisation, and 1 GB of memory"]
fn no_cpu_idles_beside_a_waiter_on_256_cpus_with_a_million_tasks() {
    for (near, percent) in [(1, 30), (8, 90), (64, 200)] {
        let mut load = churn(256, 1_000_000, percent, 1);
        for quarter in 0..4 {
            let mut mask = CpuSet::first_cpus(64 * (quarter + 1));
            (0..64 * quarter).for_each(|cpu| CpuSet::remove(&mut mask, CpuId::new(cpu)));
            let mask = load.mask(mask);
            load.tasks.iter_mut().skip(quarter as usize).step_by(16).for_each(|task| task.mask = mask);
        }
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
