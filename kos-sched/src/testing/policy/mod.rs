//! Operations on a [`RunQueue`](crate::RunQueue), stepped beside the [`Model`]: every answer must be the same, and its `check` hold after each.
//!
//! The same step runs under proptest and under the fuzzer: operations are decoded from bytes, so that a failing input is a short one.

mod driver;
mod fair;
mod fluid;
mod model;
mod ops;
mod subject;

use alloc::vec::Vec;

pub use driver::Driver;
pub use fair::FairTask;
pub use fluid::check_static_set;
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
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use crate::testing::cases;
    use crate::{Duration, Nice, Policy};

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

    #[test]
    fn fair_picks_are_those_of_the_model() {
        proptest!(config(0x0fa1), |(data in vec(any::<u8>(), 0..1200))| super::ops_fair(&data));
    }

    #[test]
    fn real_time_picks_are_those_of_the_model() {
        proptest!(config(0x0471), |(data in vec(any::<u8>(), 0..800))| super::ops_rt(&data));
    }
}
