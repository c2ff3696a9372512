//! Simulated machines: a seed is a run, byte for byte; seeds differ; a race that only some orders show is found, and its seed
//! shows it again. And the same kernel on real threads.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use std::collections::{HashMap, HashSet};

use kos_demo_kernel::{End, Platform as _};
use kos_hosted::{
    Befell, Broken, Death, Engine, MAX_CPUS, Machine, MachineConfig, MachineError, Roughness, Run, simulate,
    sweep,
};

fn config(cpus: usize, command_line: &str) -> MachineConfig {
    MachineConfig { cpus, command_line: command_line.to_owned(), ..MachineConfig::with_memory(32 << 20) }
}

fn run(config: &MachineConfig, seed: u64) -> Run {
    simulate(config, seed).unwrap()
}

#[test]
fn a_seed_is_a_run_byte_for_byte() {
    let config = config(4, "mode=test");
    let mut seen = HashSet::new();
    for seed in [0, 1, 2, u64::MAX] {
        let first = run(&config, seed);
        assert!(first.succeeded(), "seed {seed}: {:?}\n{}", first.failure(), first.log);
        assert!(first.log.contains("4 of 4 online") && first.took_ns > 0, "{}", first.log);
        assert_eq!(first, run(&config, seed), "seed {seed}");
        assert!(
            seen.insert(first.log) && seen.insert(first.history.to_string()),
            "seed {seed} is like another"
        );
    }
}

#[test]
fn other_work_of_the_host_does_not_change_a_run() {
    let config = config(4, "mode=test filter=smp::");
    let alone: Vec<_> = (0..8).map(|seed| run(&config, seed)).collect();
    let mut beside = HashMap::new();
    sweep(&config, 0..8, |seed, run| assert!(beside.insert(seed, run.unwrap()).is_none()));
    assert!((0..).zip(&alone).all(|(seed, run)| beside.get(&seed) == Some(run)));
}

#[test]
fn a_planted_race_is_found_and_its_seed_repeats_it() {
    let config = config(4, "mode=test filter=smp::every_cpu_runs sabotage=race");
    let runs: Vec<_> = (0..64).map(|seed| (seed, run(&config, seed))).collect();
    let (good, bad): (Vec<_>, Vec<_>) = runs.iter().partition(|(_, run)| run.succeeded());
    assert!(good.len() >= 8 && bad.len() >= 4, "{} orders hide it, {} show it", good.len(), bad.len());
    for (seed, first) in bad {
        assert_eq!(first.end, Ok(End::Failed));
        assert!(first.failure().unwrap().starts_with("not ok 2 sabotage::race"), "{:?}", first.failure());
        assert!(first.log.contains("# 8 additions gave "), "{}", first.log);
        assert_eq!(&run(&config, *seed), first, "seed {seed}");
    }
}

#[test]
fn one_cpu_has_no_race() {
    let config = config(1, "mode=test filter=smp::every_cpu_runs sabotage=race");
    assert!((0..16).all(|seed| run(&config, seed).succeeded()));
}

#[test]
fn a_panic_is_the_death_of_the_machine_alone() {
    let died = run(&config(4, "mode=test filter=smp::every sabotage=panic-cpu"), 5);
    let Err(Death::Panic { cpu: 3, message }) = &died.end else { panic!("{:?}", died.end) };
    assert!(message.contains("panicked on purpose"), "{message}");
    let machine = Machine::boot(MachineConfig {
        engine: Engine::Sim { seed: 5 },
        ..config(2, "mode=test sabotage=panic")
    });
    let machine = machine.unwrap();
    let death = machine.run().unwrap_err();
    assert!(matches!(death, Death::Panic { cpu: 0, .. }), "{death}");
    // It stays dead, and says so.
    assert_eq!((machine.run().unwrap_err(), machine.exec("true").death), (death.clone(), Some(death)));
}

#[test]
fn many_cpus_and_one_that_is_silent() {
    let large = MachineConfig { memory: 128 << 20, ..config(64, "mode=test filter=smp::every") };
    let many = run(&large, 1);
    assert!(many.succeeded() && many.log.contains("64 of 64 online"), "{}", many.log);
    let silent = run(&config(3, "mode=test filter=smp::every sabotage=silent-cpu"), 1);
    assert!(silent.succeeded() && silent.log.contains("left out: cpu 2"), "{}", silent.log);
}

#[test]
fn a_thousand_and_twenty_four_cpus_are_a_run_byte_for_byte_too() {
    let config = MachineConfig { memory: 256 << 20, ..config(MAX_CPUS, "mode=test filter=smp::every") };
    let first = run(&config, 1);
    assert!(first.succeeded(), "{:?}\n{}", first.failure(), first.log);
    for part in ["1024 of 1024 online", "1152 threads on 1024 CPUs", "# 3 passed, 0 failed, 0 skipped"] {
        assert!(first.log.contains(part), "{part}:\n{}", first.log);
    }
    assert_eq!(first, run(&config, 1));
}

#[test]
fn commands_go_on_where_the_last_ones_ended() {
    let machine =
        |seed| Machine::boot(MachineConfig { engine: Engine::Sim { seed }, ..config(4, "") }).unwrap();
    let said = |seed| {
        let machine = machine(seed);
        let parts =
            ["lscpu; storm 20K", "uptime", "irq; selftest smp"].map(|commands| machine.exec(commands));
        assert!(parts.iter().all(kos_hosted::Output::succeeded));
        (parts.map(|part| part.text()), machine.log(), machine.history().unwrap())
    };
    assert_eq!(said(3), said(3));
    assert_ne!(said(3), said(4));
}

#[test]
fn the_same_kernel_runs_on_threads_of_the_host() {
    for cpus in [1, 4] {
        let machine = Machine::boot(config(cpus, "mode=test")).unwrap();
        assert_eq!(machine.run(), Ok(End::Success), "{}", machine.log());
        assert!(machine.log().contains(" passed, 0 failed, "), "{}", machine.log());
        assert!(machine.exec("storm 200K; lscpu; irq; selftest smp").succeeded());
        assert_eq!(machine.history(), None);
    }
}

#[test]
fn a_panic_on_a_thread_of_the_host_ends_its_machine() {
    let machine = Machine::boot(config(1, "mode=test filter=heap:: sabotage=panic")).unwrap();
    assert!(matches!(machine.run(), Err(Death::Panic { cpu: 0, .. })));
    assert!(Machine::boot(config(1, "")).unwrap().exec("true").succeeded(), "others live");
}

#[test]
fn machines_without_or_with_too_many_cpus_are_refused() {
    for (engine, limit) in [(Engine::Threads, 256), (Engine::Sim { seed: 1 }, MAX_CPUS)] {
        for number in [0, limit + 1] {
            let refused =
                Machine::boot(MachineConfig { engine, ..config(number, "") }).map(drop).unwrap_err();
            let MachineError::Cpus { asked, most } = refused else { panic!("{refused}") };
            assert_eq!((asked, most), (number, limit));
        }
    }
}

/// Seconds since entry of the line of a stage.
fn stage(log: &str, name: &str) -> f64 {
    let line = log.lines().find(|line| line.split_whitespace().any(|word| word == name)).unwrap();
    line.trim_start_matches('[').split(']').next().unwrap().trim().parse().unwrap()
}

/// A mount takes the time of its requests; without a disk there are none. The time is the seed's, and so is that of packets.
#[test]
fn disk_and_packets_take_the_time_of_the_seed() {
    let config = config(1, "mode=test filter=net::pings");
    let mut times = HashSet::new();
    for seed in 0..12 {
        let run = run(&config, seed);
        assert!(run.succeeded(), "seed {seed}: {:?}", run.failure());
        let (with, mount) = (seed % 2 == 1, stage(&run.log, "vfs") - stage(&run.log, "devices"));
        assert_eq!(run.log.contains("MiB of kosfs on /"), with, "{}", run.log);
        assert_eq!(mount > 0.000_1, with, "seed {seed}: {mount}");
        let pings =
            run.log.lines().find(|line| line.contains("net::pings") && line.starts_with("ok ")).unwrap();
        times.insert(pings.rsplit('#').next().unwrap().to_owned());
    }
    assert!(times.len() > 8, "{times:?}");
}

/// Of a device that the kernel can do without. What waits for it later has the patience of Linux.
#[test]
fn a_device_of_random_numbers_that_is_silent_holds_the_boot_for_a_second() {
    let engine = Engine::Sim { seed: 3 };
    let machine = Machine::boot(MachineConfig { broken: Some(Broken::Dice), engine, ..config(2, "") });
    let machine = machine.unwrap();
    assert!(machine.exec("true").succeeded());
    let log = machine.log();
    let took = stage(&log, "devices") - stage(&log, "sched");
    assert!((1.0..1.1).contains(&took), "{took} s\n{log}");
    assert!(log.contains("devices  degraded  "), "{log}");
    assert!(log.contains("; secrets not seeded: silent dice does not answer\n"), "{log}");
    let later = machine.on_first_cpu(|kernel| {
        let begun = kernel.platform().now();
        let silent = kernel.on_main_thread(|| kernel.platform().random(&mut [0]).is_err());
        (silent.is_ok_and(|silent| silent), kernel.platform().now().checked_duration_since(begun))
    });
    let (silent, took) = later.unwrap();
    assert!(silent && took.is_some_and(|took| took.as_secs() == 30), "{took:?}");
}

/// Packets of the machine to itself are lost, doubled, swapped and damaged.
fn rough(command_line: &str) -> MachineConfig {
    let [loss, dup, reorder, corrupt] = ["2", "2", "2", "1"].map(|share| share.parse().unwrap());
    MachineConfig { rough: Roughness { loss, dup, reorder, corrupt }, ..config(4, command_line) }
}

/// What befell packets in runs that all succeeded; none of it is nothing.
fn befell(config: &MachineConfig, seeds: core::ops::Range<u64>) -> Befell {
    let mut all = Befell::default();
    sweep(config, seeds, |seed, run| {
        let run = run.unwrap();
        assert!(run.succeeded(), "seed {seed}: {:?}\n{}", run.failure(), run.log);
        all += run.befell;
    });
    let Befell { passed, lost, doubled, swapped, damaged } = all;
    assert!([passed, lost, doubled, swapped, damaged].iter().all(|count| *count > 0), "{all:?}");
    all
}

#[test]
fn a_seed_of_a_rough_link_is_a_run_byte_for_byte() {
    let (rough, smooth) = (rough("mode=test filter=net::"), config(4, "mode=test filter=net::"));
    let mut seen = HashSet::new();
    for seed in 0..8 {
        let first = run(&rough, seed);
        assert_eq!(first, run(&rough, seed), "seed {seed}");
        assert!(first.befell.lost > 0, "seed {seed}: {:?}", first.befell);
        assert!(seen.insert(first.log.clone()), "seed {seed} is like another");
        let other = run(&smooth, seed);
        assert_ne!(first.log, other.log, "seed {seed}");
        assert_eq!(other.befell, Befell::default(), "seed {seed}");
    }
}

#[test]
fn a_stream_arrives_intact_over_a_rough_link() {
    let all = befell(&rough("mode=test filter=net::a_stream_comes_as_it_was_sent"), 0..32);
    assert!(all.lost > 32 && all.damaged > 16, "{all:?}");
}

#[test]
fn all_tests_of_the_network_hold_over_a_rough_link() {
    for filter in ["net::", "web::"] {
        befell(&rough(&format!("mode=test filter={filter}")), 0..16);
    }
}
