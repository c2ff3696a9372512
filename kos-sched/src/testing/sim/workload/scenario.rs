//! [`SCENARIOS`]: workloads by name, for the example and for tables.

use super::super::rng::Rng;
use super::generate::{self, MS, US, WHOLE};
use super::{Op, Span, Workload};
use crate::task::{Policy, RtPriority};

/// A workload with a name and a length that shows what is typical of it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it shows, in a clause.
    pub about: &'static str,
    /// How long it runs, in nanoseconds.
    pub length: u64,
    /// Makes it for a number of CPUs and a seed.
    pub load: fn(u32, u64) -> Workload,
}

impl Scenario {
    /// The scenario called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "hogs",
        about: "three endless tasks a CPU, of nice -5, 0 and 5",
        length: 200 * MS,
        load: hogs,
    },
    Scenario {
        name: "periodic",
        about: "deadline tasks at 70 % of each CPU above a fair hog",
        length: 200 * MS,
        load: periodic,
    },
    Scenario {
        name: "hackbench",
        about: "senders and receivers, one group a CPU",
        length: 10 * MS,
        load: hackbench,
    },
    Scenario {
        name: "schbench",
        about: "messengers that wake many workers at once",
        length: 20 * MS,
        load: schbench,
    },
    Scenario {
        name: "churn",
        about: "tasks that come, sleep, go and are forked, at 80 % load",
        length: 200 * MS,
        load: churn,
    },
    Scenario {
        name: "restless",
        about: "affinities and nice values that change all the time",
        length: 50 * MS,
        load: restless,
    },
    Scenario {
        name: "mixed",
        about: "real-time, deadline and fair tasks on one machine",
        length: 100 * MS,
        load: mixed,
    },
];

fn hogs(cpus: u32, _: u64) -> Workload {
    let policies = [-5, 0, 5].map(|nice| [generate::fair(nice, Policy::SLICE)].repeat(cpus as usize));
    generate::hogs(cpus, &policies.concat())
}

fn periodic(cpus: u32, seed: u64) -> Workload {
    let mut rng = Rng::new(seed);
    let mut load = Workload::new(cpus);
    for _ in 0..cpus {
        for params in generate::deadline_set(WHOLE / 10 * 7, 4, false, &mut rng) {
            generate::add_periodic(&mut load, params, Policy::Deadline(params));
        }
    }
    add_hogs(&mut load, cpus);
    load
}

fn hackbench(cpus: u32, _: u64) -> Workload {
    generate::hackbench(cpus, cpus, 2)
}

fn schbench(cpus: u32, _: u64) -> Workload {
    generate::schbench(cpus, cpus.div_ceil(4), 6, Span::between(50 * US, 400 * US))
}

fn churn(cpus: u32, seed: u64) -> Workload {
    generate::churn(cpus, 8 * cpus, 80, seed)
}

fn restless(cpus: u32, seed: u64) -> Workload {
    generate::restless(cpus, 4 * cpus, 2 * cpus, seed)
}

fn mixed(cpus: u32, seed: u64) -> Workload {
    let mut load = periodic(cpus, seed);
    let beat =
        [Op::Job { period: 5 * MS, deadline: MS }, Op::Run(Span::between(100 * US, 300 * US)), Op::Restart];
    let beat = load.program("beat", &beat);
    load.task(beat, Policy::Fifo(RtPriority::MAX));
    let blink = load.program(
        "blink",
        &[Op::Run(Span::between(20 * US, 2 * MS)), Op::Sleep(Span::between(MS, 6 * MS)), Op::Restart],
    );
    for _ in 0..2 * cpus {
        load.task(blink, Policy::NORMAL);
    }
    load
}

fn add_hogs(load: &mut Workload, count: u32) {
    let hog = load.program("hog", &[Op::Run(Span::exactly(100 * MS)), Op::Restart]);
    for _ in 0..count {
        load.task(hog, Policy::NORMAL);
    }
}
