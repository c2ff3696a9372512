//! Simulates a scenario and writes what happened as a table, a picture and a Chrome trace:
//! `cargo run --release -p kos-sched --example sim -- churn 4 1 target/sim` (scenario, CPUs, seed, directory; else a list).
#![expect(clippy::print_stdout, reason = "prints a table of what it made")]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::error::Error;
use std::{env, fs, path::Path};

use kos_sched::class::{Deadline, Fair, Idle, Rt, Stop};
use kos_sched::testing::sim::oracle::{Accounts, Conservation, Shares, Waiting};
use kos_sched::testing::sim::plot::{write_chrome, write_csv, write_svg};
use kos_sched::testing::sim::workload::{SCENARIOS, Scenario, Workload};
use kos_sched::testing::sim::{Board, Config, Latency, Sim, Smp, Totals, Trace};

/// The classes of a usual kernel, first things first.
type Classes = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [name, cpus, seed, directory] = args.as_slice() else {
        println!("usage: sim <scenario> <cpus> <seed> <directory>\n");
        SCENARIOS.iter().for_each(|scenario| println!("{:10} {}", scenario.name, scenario.about));
        return Ok(());
    };
    let scenario = Scenario::find(name).ok_or("no such scenario")?;
    let (cpus, seed) = (cpus.parse()?, seed.parse()?);
    let load = (scenario.load)(cpus, seed);
    let trace = simulate(&load, Config::new(cpus, seed), scenario.length)?;
    save(Path::new(directory), name, &load, &trace)
}

/// Runs `load` on the shipping scheduler, and judges and prints what it did.
fn simulate(load: &Workload, config: Config, length: u64) -> Result<Trace, Box<dyn Error>> {
    let board = Board::new(config.cpus, load.tasks.len());
    let mut trace = Trace::new(config.cpus, 200_000);
    let mut accounts = Accounts::new(config.cpus);
    let mut conserved = Conservation::new(load, config.cpus, board.config.balance_interval.as_ticks());
    let (mut latency, mut shares) = (Latency::new(load), Shares::new(load));
    let mut waiting = Waiting::new(load);
    let totals = board.with(classes, |smp: Smp<'_, Classes>| {
        Sim::new(config, load, smp)?.run(
            length,
            &mut [&mut trace, &mut accounts, &mut conserved, &mut latency, &mut shares, &mut waiting],
        )
    })??;
    accounts.verdict()?;
    print_counts(&totals);
    let [p50, p99] = [500, 990].map(|part| latency.quantile(part));
    for (what, ns) in [("woken, p50", p50), ("woken, p99", p99), ("longest", waiting.longest())] {
        println!("{:30} {:9}.{} us", format!("wait for a CPU, {what}"), ns / 1000, ns / 100 % 10);
    }
    print_shares(load, &shares, length * u64::from(config.cpus));
    println!(
        "idle beside a waiter: {}",
        conserved.verdict().map_or_else(|breach| breach.to_string(), |()| "no".into())
    );
    Ok(trace)
}

fn classes() -> Classes {
    (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))))
}

fn print_counts(totals: &Totals) {
    let first = [("events", totals.events), ("switches", totals.switches), ("wakes", totals.wakes)];
    let more = [("interrupts between CPUs", totals.kicks), ("migrations", totals.migrations)];
    for (what, count) in first.into_iter().chain(more).chain([("jobs ended late", totals.misses)]) {
        println!("{what:30} {count:9}");
    }
}

/// The part of the whole time that the tasks of each program had.
fn print_shares(load: &Workload, shares: &Shares, whole: u64) {
    let mut programs: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    for (task, spec) in (0..).zip(&load.tasks) {
        let Some(program) = load.programs.get(spec.program as usize) else { continue };
        let (tasks, ran) = programs.entry(&program.name).or_default();
        (*tasks, *ran) = (*tasks + 1, *ran + shares.ran(task));
    }
    for (name, (tasks, ran)) in programs {
        let per_mille = ran * 1000 / whole.max(1);
        println!("{:30} {:9}.{} %", format!("CPU time of {tasks} x {name}"), per_mille / 10, per_mille % 10);
    }
}

fn save(directory: &Path, name: &str, load: &Workload, trace: &Trace) -> Result<(), Box<dyn Error>> {
    let [mut csv, mut svg, mut chrome] = [const { String::new() }; 3];
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
