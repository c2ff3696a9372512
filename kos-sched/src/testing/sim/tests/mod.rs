//! Whole simulations: the shipping classes satisfy the oracles, wrong ones do not, and every run can be repeated.

mod big;
mod deadline;
mod engine;
mod fair;
mod smp;

use alloc::vec::Vec;

use crate::class::{ClassSet, Deadline, Fair, Idle, Rt, Stop};
use crate::task::Slot;
use crate::{Duration, Instant, Policy, RtPriority};

use super::workload::Workload;
use super::workload::generate::MS;
use super::{Config, Observer, Queues, Sim, Totals};

/// Slots for the tasks of `load`.
fn slots(load: &Workload) -> Vec<Slot> {
    load.tasks.iter().map(|_| Slot::new()).collect()
}

/// Runs `load` on run queues of `classes`, checks these, and gives the counters.
fn run<C: ClassSet + core::fmt::Debug>(
    config: Config,
    load: &Workload,
    classes: impl Fn() -> C,
    until: u64,
    watch: &mut [&mut dyn Observer],
) -> Totals {
    let mut slots = slots(load);
    let queues = Queues::new(config.cpus, &mut slots, |_| classes());
    let mut sim = Sim::new(config, load, queues).unwrap();
    let totals = sim.run(until, watch).unwrap();
    if load.tasks.len() < 10_000 {
        sim.subject().check().unwrap();
    }
    totals
}

/// Real-time classes only.
fn rt() -> (Stop, (Rt, (Idle, ()))) {
    (Stop::new(), (Rt::new(), (Idle::new(), ())))
}

type Usual = (Stop, (Deadline, (Rt, (Fair, (Idle, ())))));

/// The usual classes.
fn usual() -> Usual {
    (Stop::new(), (Deadline::new(), (Rt::new(), (Fair::new(), (Idle::new(), ())))))
}

/// The text must be that of the file beside the tests. `KOS_UPDATE_SNAPSHOTS=1` writes the file, for a look at the difference.
fn snapshot(file: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/sim/tests").join(file);
    if std::env::var_os("KOS_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert!(text == expected, "{file} was\n{expected}\nand is\n{text}");
}

fn round_robin(priority: u8, quantum_ms: u64) -> Policy {
    Policy::RoundRobin(RtPriority::new(priority).unwrap(), Duration::from_ticks(quantum_ms * MS))
}

fn fifo(priority: u8) -> Policy {
    Policy::Fifo(RtPriority::new(priority).unwrap())
}
