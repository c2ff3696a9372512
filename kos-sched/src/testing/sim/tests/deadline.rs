//! The deadline class: accepted sets meet their deadlines, overloaded ones do not, nobody gets more than his budget.

use super::super::oracle::{Breach, Conservation, Deadlines, Shares};
use super::super::workload::generate::{MS, S, WHOLE, deadline_set, hogs, periodic};
use super::super::{Config, Rng};
use super::*;
use crate::DlParams;
use crate::testing::cases;

fn params(runtime_ms: u64, deadline_ms: u64, period_ms: u64) -> DlParams {
    let [runtime, deadline, period] =
        [runtime_ms, deadline_ms, period_ms].map(|ms| Duration::from_ticks(ms * MS));
    DlParams::new(runtime, deadline, period).unwrap()
}

/// Whatever is admitted, on one CPU or several, for two rounds of all periods.
#[test]
fn accepted_sets_miss_no_deadline() {
    let mut accepted = 0;
    for seed in 0..u64::from(cases()) {
        let mut rng = Rng::new(seed);
        let cpus = [1, 1, 2, 4][rng.index(4)];
        let total = rng.range(WHOLE / 5, WHOLE) * u64::from(cpus);
        let count = usize::try_from(rng.range(1, 8)).unwrap() * cpus as usize;
        let set = deadline_set(total, count, rng.chance(1, 2), &mut rng);
        let load = periodic(cpus, &set);
        let mut deadlines = Deadlines::new();
        let totals = run(Config::new(cpus, seed), &load, usual, 400 * MS, &mut [&mut deadlines]);
        deadlines.verdict().unwrap_or_else(|breach| panic!("seed {seed}, {set:?}: {breach}"));
        accepted += u64::from(totals.refused == 0);
    }
    assert!(accepted >= u64::from(cases()) / 3, "{accepted} sets were accepted as a whole");
}

/// Without admission, a set that asks for more than the CPU misses within a round.
#[test]
fn overloaded_sets_miss_a_deadline() {
    for seed in 0..u64::from(cases().div_ceil(4)) {
        let mut rng = Rng::new(seed);
        let total = rng.range(WHOLE / 100 * 105, WHOLE / 100 * 150);
        let count = usize::try_from(rng.range(2, 8)).unwrap();
        let set = deadline_set(total, count, false, &mut rng);
        let load = periodic(1, &set);
        let classes = || (Deadline::without_admission(), (Idle::new(), ()));
        let mut deadlines = Deadlines::new();
        run(Config::new(1, seed), &load, classes, 2 * S, &mut [&mut deadlines]);
        assert!(matches!(deadlines.verdict(), Err(Breach::Late { .. })), "seed {seed}: {set:?}");
    }
}

#[test]
fn a_budget_is_a_share_to_a_thousandth_and_the_rest_is_everybody_elses() {
    for (runtime, period, share) in [(1, 10, 100_000), (3, 4, 750_000), (1, 3, 333_333), (50, 100, 500_000)] {
        let greedy = Policy::Deadline(params(runtime, period, period));
        let load = hogs(1, &[greedy, Policy::NORMAL]);
        let (mut shares, mut conserved) = (Shares::new(&load), Conservation::new(&load, 1, 0));
        run(Config::new(1, 1), &load, usual, 30 * S, &mut [&mut shares, &mut conserved]);
        shares.verdict(&[share, 1_000_000 - share], 1_000).unwrap();
        conserved.verdict().unwrap();
    }
}

/// A deadline task that never stops delays no other.
#[test]
fn who_wants_more_than_his_budget_delays_nobody() {
    let mut load = periodic(1, &[params(2, 5, 10), params(1, 2, 4)]);
    let hog = hogs(1, &[Policy::Deadline(params(3, 8, 8))]);
    load.programs.extend(hog.programs);
    load.add(super::super::workload::TaskSpec { program: 2, ..hog.tasks[0] });
    let (mut deadlines, mut shares) = (Deadlines::new(), Shares::new(&load));
    let totals = run(Config::new(1, 1), &load, usual, 10 * S, &mut [&mut deadlines, &mut shares]);
    deadlines.verdict().unwrap();
    shares.verdict(&[200_000, 250_000, 375_000], 1_000).unwrap();
    assert_eq!((totals.refused, totals.misses), (0, 0));
}
