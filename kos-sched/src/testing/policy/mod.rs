//! Operations on a [`RunQueue`](crate::RunQueue), stepped beside the [`Model`]: every answer must be the same, and its `check` hold after each.
//!
//! The same step runs under proptest and under the fuzzer: operations are decoded from bytes, so that a failing input is a short one.

mod deadline;
mod driver;
mod fair;
mod fluid;
mod jobs;
mod model;
mod ops;
mod subject;

use alloc::vec::Vec;

pub use deadline::{DeadlineTask, fits};
pub use driver::Driver;
pub use fair::FairTask;
pub use fluid::check_static_set;
pub use jobs::{Miss, first_miss, is_admitted};
pub use model::{Model, Place, Task};
pub use ops::{PolicyOp, Source};
pub use subject::{Classes, Subject};

use crate::task::Slot;

/// Tasks in a run: enough for every shape of a small tree.
const SLOTS: usize = 24;

/// When runs begin: at 0, in the middle and shortly before the end of time.
pub const STARTS: [u64; 3] = [0, (1 << 63) - 1, u64::MAX - (1 << 40)];

/// Runs the operations that `data` says on a queue and its model, of mostly fair tasks.
///
/// # Panics
/// If they differ, or the queue is corrupt.
pub fn ops_fair(data: &[u8]) {
    run(data, ops::Mix::Fair);
}

/// As [`ops_fair`], of mostly deadline tasks.
///
/// # Panics
/// If they differ, or the queue is corrupt.
pub fn ops_deadline(data: &[u8]) {
    run(data, ops::Mix::Deadline);
}

/// As [`ops_fair`], of mostly real-time tasks.
///
/// # Panics
/// If they differ, or the queue is corrupt.
pub fn ops_rt(data: &[u8]) {
    run(data, ops::Mix::Rt);
}

fn run(data: &[u8], mix: ops::Mix) {
    let mut source = Source::new(data);
    let mut slots: Vec<Slot> = (0..SLOTS).map(|_| Slot::new()).collect();
    let mut subject = Subject::new(&mut slots);
    let mut model = Model::new(SLOTS);
    let start = STARTS[usize::from(source.byte()) % STARTS.len()];
    let mut now = start;
    while let Some((delay, op)) = source.operation(mix, SLOTS) {
        now = delay.apply(now, &model);
        subject.step(&mut model, &op, now);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::cell::Cell;
    use std::fs;
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use crate::testing::cases;
    use crate::{DlParams, Duration, Nice, Policy};

    fn config(seed: u64) -> ProptestConfig {
        ProptestConfig {
            cases: cases(),
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            max_shrink_iters: 100_000,
            ..ProptestConfig::default()
        }
    }

    fn policy() -> impl Strategy<Value = Policy> {
        let fair = (-20i8..20, 100_000u64..=100_000_000).prop_map(|(nice, slice)| Policy::Fair {
            nice: Nice::new(nice).unwrap(),
            slice: Duration::from_ticks(slice),
        });
        prop_oneof![16 => fair, 1 => Just(Policy::Idle)]
    }

    #[test]
    fn a_static_set_stays_within_a_slice_of_its_shares() {
        let sets = (vec(policy(), 1..=256), 0..super::STARTS.len());
        proptest!(config(0x1a9), |((tasks, start) in sets)| {
            super::check_static_set(&tasks, super::STARTS[start] >> 1, 4 * tasks.len() + 64);
        });
    }

    /// Periods that divide 80 ms; shares that add up to about `load` eighths of the CPU.
    fn deadlines(load: core::ops::Range<u64>, constrained: bool) -> impl Strategy<Value = Vec<DlParams>> {
        let task = (0usize..8, 1u64..1000, 0u64..64, any::<bool>());
        (vec(task, 1..9), load).prop_map(move |(tasks, load)| {
            let sum: u64 = tasks.iter().map(|task| task.1).sum();
            let params = |(period, share, early, tight): (usize, u64, u64, bool)| {
                let period = [1, 2, 4, 5, 8, 10, 16, 20][period] * 1_000_000;
                let runtime = (period * share * load / (sum * 8)).clamp(1_000, period);
                let early = if constrained && tight { (period - runtime) / 64 * early } else { 0 };
                let [runtime, deadline, period] = [runtime, period - early, period].map(Duration::from_ticks);
                DlParams::new(runtime, deadline, period).unwrap()
            };
            tasks.into_iter().map(params).collect()
        })
    }

    const HYPERPERIOD: u64 = 80_000_000;

    fn ten_times() -> ProptestConfig {
        ProptestConfig { cases: cases().saturating_mul(10), ..config(0xd1) }
    }

    #[test]
    fn admitted_deadline_sets_never_miss() {
        let sets = (deadlines(3..8, true), 0..super::STARTS.len());
        let admitted = Cell::new(0);
        proptest!(ten_times(), |((tasks, start) in sets)| {
            if super::is_admitted(&tasks) {
                admitted.set(admitted.get() + 1);
                prop_assert_eq!(super::first_miss(&tasks, super::STARTS[start], HYPERPERIOD), None);
            }
        });
        assert!(admitted.get() >= cases() * 5, "only {} sets were admitted", admitted.get());
    }

    #[test]
    fn refused_sets_with_short_deadlines_do_miss_or_exceed_the_cap() {
        proptest!(config(0xd2), |(tasks in deadlines(3..8, true))| {
            let total: u64 = tasks.iter().map(|task| (task.runtime().as_ticks() << 32).div_ceil(task.period().as_ticks())).sum();
            if !super::is_admitted(&tasks) && total <= crate::class::Deadline::CAP.into() {
                prop_assert!(super::first_miss(&tasks, 0, HYPERPERIOD).is_some(), "it could have been admitted");
            }
        });
    }

    #[test]
    fn every_overloaded_set_misses() {
        proptest!(config(0xd3), |(tasks in deadlines(9..16, false))| {
            let total: u64 = tasks.iter().map(|task| task.runtime().as_ticks() * HYPERPERIOD / task.period().as_ticks()).sum();
            if total > HYPERPERIOD {
                prop_assert!(!super::is_admitted(&tasks));
                prop_assert!(super::first_miss(&tasks, 0, HYPERPERIOD).is_some());
            }
        });
    }

    #[test]
    fn the_corpora_pass() {
        for (target, body) in
            [("ops_fair", super::ops_fair as fn(&[u8])), ("ops_deadline", super::ops_deadline)]
        {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
            let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!files.is_empty());
            files.iter().for_each(|file| body(&fs::read(file).unwrap()));
        }
    }

    #[test]
    fn fair_picks_are_those_of_the_model() {
        proptest!(config(0x0fa1), |(data in vec(any::<u8>(), 0..1200))| super::ops_fair(&data));
    }

    #[test]
    fn deadline_picks_are_those_of_the_model() {
        proptest!(config(0x0edf), |(data in vec(any::<u8>(), 0..1000))| super::ops_deadline(&data));
    }

    #[test]
    fn real_time_picks_are_those_of_the_model() {
        proptest!(config(0x0471), |(data in vec(any::<u8>(), 0..800))| super::ops_rt(&data));
    }
}
