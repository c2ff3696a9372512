//! Simulates a scenario and writes what happened as a table, a picture and a Chrome trace:
//! `cargo run --release -p kos-sched --example sim -- churn 4 1 target/sim`
//! (scenario, CPUs, seed, directory; without arguments it lists the scenarios).
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "prints a table of what it made"
)]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::error::Error;
use std::path::Path;
use std::{env, fs};

use kos_sched::class::{Fair, Idle, Rt, Stop};
use kos_sched::task::Slot;
use kos_sched::testing::sim::oracle::{Accounts, Deadlines, Shares, Waiting};
use kos_sched::testing::sim::plot::{write_chrome, write_csv, write_svg};
use kos_sched::testing::sim::workload::{SCENARIOS, Scenario, Workload};
use kos_sched::testing::sim::{Config, Latency, Queues, Sim, Totals, Trace};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [name, cpus, seed, directory] = args.as_slice() else {
        println!("usage: sim <scenario> <cpus> <seed> <directory>\n");
        for scenario in SCENARIOS {
            println!("{:10} {}", scenario.name, scenario.about);
        }
        return Ok(());
    };
    let scenario = Scenario::find(name).ok_or("no such scenario")?;
    let (cpus, seed) = (cpus.parse()?, seed.parse()?);
    let load = (scenario.load)(cpus, seed);

    let mut trace = Trace::new(cpus, 200_000);
    let mut seen = Seen::new(&load, cpus);
    let totals = simulate(scenario, &load, Config::new(cpus, seed), &mut trace, &mut seen)?;
    seen.accounts.verdict()?;
    seen.print(&load, &totals);
    save(Path::new(directory), name, &load, &trace)
}

/// Observers whose findings are printed.
struct Seen {
    accounts: Accounts,
    deadlines: Deadlines,
    latency: Latency,
    shares: Shares,
    waiting: Waiting,
}

impl Seen {
    fn new(load: &Workload, cpus: u32) -> Self {
        let (latency, shares) = (Latency::new(load), Shares::new(load));
        let (accounts, waiting) = (Accounts::new(cpus), Waiting::new(load));
        Self { accounts, deadlines: Deadlines::new(), latency, shares, waiting }
    }

    fn print(&self, load: &Workload, totals: &Totals) {
        let percent = |part: u64| part as f64 * 100.0 / (totals.busy + totals.idle) as f64;
        let us = |ns: u64| ns as f64 / 1000.0;
        let (jobs, late) = self.deadlines.counts();
        println!("{:26} {:10.1} %", "CPU time", percent(totals.busy));
        let counts = [("events", totals.events), ("switches", totals.switches), ("wakes", totals.wakes)];
        let more = [("migrations", totals.migrations), ("jobs", jobs), ("jobs that ended late", late)];
        for (what, count) in counts.into_iter().chain(more) {
            println!("{what:26} {count:>8}");
        }
        let (p50, p99) = (self.latency.quantile(500), self.latency.quantile(990));
        for (what, ns) in [("p50", p50), ("p99", p99), ("longest", self.waiting.longest())] {
            println!("{:26} {:10.1} us", format!("wait for a CPU, {what}"), us(ns));
        }
        let mut programs: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
        for (task, spec) in (0..).zip(&load.tasks) {
            let sum = programs.entry(&load.programs[spec.program as usize].name).or_default();
            *sum = (sum.0 + 1, sum.1 + self.shares.ran(task));
        }
        for (name, (tasks, ran)) in programs {
            println!("{:26} {:10.1} %", format!("{tasks} x {name}"), percent(ran));
        }
    }
}

fn simulate(
    scenario: &Scenario,
    load: &Workload,
    config: Config,
    trace: &mut Trace,
    seen: &mut Seen,
) -> Result<Totals, Box<dyn Error>> {
    let Seen { accounts, deadlines, latency, shares, waiting } = seen;
    let mut slots: Vec<Slot> = load.tasks.iter().map(|_| Slot::new()).collect();
    let queues = Queues::new(config.cpus, &mut slots, |_| {
        (Stop::new(), (Rt::new(), (Fair::new(), (Idle::new(), ()))))
    });
    let mut sim = Sim::new(config, load, queues)?;
    Ok(sim.run(scenario.length, &mut [trace, accounts, deadlines, latency, shares, waiting])?)
}

fn save(directory: &Path, name: &str, load: &Workload, trace: &Trace) -> Result<(), Box<dyn Error>> {
    let (mut csv, mut svg, mut chrome) = (String::new(), String::new(), String::new());
    write_csv(&mut csv, load, trace)?;
    write_svg(&mut svg, load, trace)?;
    write_chrome(&mut chrome, load, trace)?;
    fs::create_dir_all(directory)?;
    for (ending, text) in [("csv", csv), ("svg", svg), ("json", chrome)] {
        let file = directory.join(name).with_extension(ending);
        fs::write(&file, text)?;
        println!("wrote {}", file.display());
    }
    Ok(())
}
