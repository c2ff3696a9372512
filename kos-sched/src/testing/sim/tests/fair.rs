//! The fair class against the fluid schedule.

use alloc::string::String;
use core::fmt::Write;

use super::super::oracle::{Breach, Fluid, Shares, Waiting, weight};
use super::super::workload::generate::{MS, S, US, churn, fair, hogs, random_hogs};
use super::super::{Config, Latency, Rng};
use super::*;
use crate::class::{Dequeue, Dequeued, Enqueue, SchedClass, Verdict};
use crate::error::Corruption;
use crate::task::{Nodes, TaskIndex};
use crate::testing::cases;
use crate::{Instant, Nice};

/// The longest slice in a workload, in nanoseconds.
fn longest_slice(load: &Workload) -> u64 {
    let slices = load.tasks.iter().map(|task| match task.policy {
        Policy::Fair { slice, .. } => slice.as_ticks(),
        _ => Policy::SLICE.as_ticks(),
    });
    slices.max().unwrap_or(0)
}

/// Any weights and slices, up to 256 tasks: no lag beyond the longest slice.
#[test]
fn static_sets_stay_within_a_slice_of_the_fluid_schedule() {
    for seed in 0..u64::from(cases().div_ceil(4)) {
        let mut rng = Rng::new(seed);
        let most = if seed % 32 == 31 { 256 } else { 16 };
        let count = u32::try_from(rng.range(1, most)).unwrap();
        let load = random_hogs(1, count, seed);
        let mut fluid = Fluid::new(&load);
        let until = u64::from(count) * 20 * MS + 200 * MS;
        run(Config::new(1, seed), &load, usual, until, &mut [&mut fluid]);
        let bound = longest_slice(&load) + US;
        fluid.verdict(bound, bound).unwrap_or_else(|breach| panic!("seed {seed}, {count} tasks: {breach}"));
        assert_eq!(fluid.sum(), 0, "seed {seed}");
    }
}

#[test]
fn nice_values_give_their_shares() {
    let policies: Vec<_> = (-20..20).map(|nice| fair(nice, Policy::SLICE)).collect();
    let load = hogs(1, &policies);
    let mut shares = Shares::new(&load);
    run(Config::new(1, 1), &load, usual, 1000 * S, &mut [&mut shares]);
    let weights: Vec<u64> = policies.iter().filter_map(weight).map(u64::from).collect();
    let sum: u64 = weights.iter().sum();
    let promised: Vec<u64> = weights.iter().map(|weight| weight * 1_000_000 / sum).collect();
    shares.verdict(&promised, 20).unwrap();
}

/// Joins, leaves, forks, sleeps with service in advance and with claims, from 60 % to 300 % load.
#[test]
fn tasks_that_come_and_go_stay_within_a_slice_of_the_fluid_schedule() {
    for seed in 0..u64::from(cases().div_ceil(16)) {
        let load = churn(1, 12, 60 + seed % 5 * 60, seed);
        let mut fluid = Fluid::new(&load);
        run(Config::new(1, seed), &load, usual, 2 * S, &mut [&mut fluid]);
        // Who leaves shifts the others by at most its own lag by their weight.
        let bound = Policy::SLICE.as_ticks() / 4 * 5;
        fluid.verdict(bound, bound).unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
        assert_eq!(fluid.sum(), 0, "seed {seed}");
    }
}

#[test]
fn nobody_waits_longer_than_a_slice_of_each_other() {
    for count in [2, 5, 40] {
        let load = hogs(1, &[Policy::NORMAL].repeat(count));
        let mut waiting = Waiting::new(&load);
        run(Config::new(1, 1), &load, usual, 4 * S, &mut [&mut waiting]);
        let others = Policy::SLICE.as_ticks() * (count as u64 - 1);
        waiting.verdict(others + US).unwrap();
        assert!(waiting.verdict(others / 2).is_err(), "but so long");
    }
}

/// Takes turns whatever the weights say: the queue it is built from is sound, its policy is not.
#[derive(Debug)]
struct Blind(Rt);

impl SchedClass for Blind {
    fn accepts(&self, policy: &Policy) -> bool {
        matches!(policy, Policy::Fair { .. })
    }
    fn join(&mut self, n: &mut Nodes<'_>, task: TaskIndex, _: Option<&Policy>) -> Dequeued {
        self.0.join(n, task, Some(&round_robin(0, 3)))
    }
    fn enqueue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Enqueue, now: Instant) {
        self.0.enqueue(n, task, why, now);
    }
    fn dequeue(&mut self, n: &mut Nodes<'_>, task: TaskIndex, why: Dequeue, now: Instant) -> Dequeued {
        self.0.dequeue(n, task, why, now)
    }
    fn pick(&mut self, n: &mut Nodes<'_>, now: Instant) -> Option<TaskIndex> {
        self.0.pick(n, now)
    }
    fn charge(&mut self, n: &mut Nodes<'_>, task: TaskIndex, ran: Duration, now: Instant) -> Verdict {
        self.0.charge(n, task, ran, now)
    }
    fn yield_current(&mut self, n: &mut Nodes<'_>, task: TaskIndex, now: Instant) {
        self.0.yield_current(n, task, now);
    }
    fn preempts(&self, n: &Nodes<'_>, task: TaskIndex, current: TaskIndex) -> bool {
        self.0.preempts(n, task, current)
    }
    fn next_event(&self, n: &Nodes<'_>, current: Option<TaskIndex>, now: Instant) -> Option<Instant> {
        self.0.next_event(n, current, now)
    }
    fn steal(&self, n: &Nodes<'_>, allowed: &mut dyn FnMut(TaskIndex) -> bool) -> Option<TaskIndex> {
        self.0.steal(n, allowed)
    }
    fn check(&self, n: &Nodes<'_>) -> Result<usize, Corruption> {
        self.0.check(n)
    }
}

#[test]
fn an_unfair_class_is_caught() {
    let load = hogs(1, &[Policy::NORMAL, fair(Nice::MIN.get(), Policy::SLICE)]);
    let (mut fluid, mut shares, mut waiting) = (Fluid::new(&load), Shares::new(&load), Waiting::new(&load));
    let classes = || (Blind(Rt::new()), (Idle::new(), ()));
    run(Config::new(1, 1), &load, classes, S, &mut [&mut fluid, &mut shares, &mut waiting]);
    assert!(matches!(fluid.verdict(4 * MS, 4 * MS), Err(Breach::Lag { task: 1, lag: 300_000_000.., .. })));
    assert!(matches!(
        shares.verdict(&[11_400, 988_600], 10_000),
        Err(Breach::Share { task: 0, got: 501_000, .. })
    ));
    assert_eq!(waiting.verdict(3 * MS), Ok(()), "it is not that it starves anybody");
}

/// The table of fairness by load, as it was when somebody last looked at it. A change of policy shows here.
#[test]
fn fairness_by_load() {
    let mut table =
        String::from("load %   owed us   ahead us   wait p50 us   p99 us    max us   switches/s\n");
    for percent in [50, 80, 95, 110, 150, 300] {
        let load = churn(1, 20, percent, 1);
        let (mut fluid, mut latency) = (Fluid::new(&load), Latency::new(&load));
        let totals = run(Config::new(1, 1), &load, usual, 10 * S, &mut [&mut fluid, &mut latency]);
        let (owed, ahead) = fluid.extremes();
        let (p50, p99, max) =
            (latency.quantile(500) / US, latency.quantile(990) / US, latency.longest() / US);
        let (owed, ahead, switches) = (owed / 1000, ahead / -1000, totals.switches / 10);
        writeln!(table, "{percent:6} {owed:9} {ahead:10} {p50:13} {p99:8} {max:9} {switches:12}").unwrap();
    }
    snapshot("fairness.txt", &table);
}
