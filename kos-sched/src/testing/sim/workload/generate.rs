//! The usual shapes of load, each a function of its parameters and a seed: hogs, periodic sets, message passing in the shapes
//! of hackbench and schbench, tasks that come and go.

use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{CpuId, CpuSet};
use crate::task::{DlParams, Nice, Policy};
use crate::time::Duration;

use super::super::rng::Rng;
use super::{Mask, Op, Span, TaskSpec, Who, Workload, number};

/// One microsecond in nanoseconds.
pub const US: u64 = 1_000;
/// One millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;
/// One second in nanoseconds.
pub const S: u64 = 1_000_000_000;

/// Periods of periodic sets: they repeat as a whole after 200 ms.
const PERIODS_MS: [u64; 11] = [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100];
/// What utilisations are counted in: 2^-32 of a CPU.
pub const WHOLE: u64 = 1 << 32;

/// Fair with nice value `nice`, 0 if that is none.
#[must_use]
pub fn fair(nice: i8, slice: Duration) -> Policy {
    Policy::Fair { nice: Nice::new(nice).unwrap_or_default(), slice }
}

/// Fair with a nice value from `low` to `high`.
fn any_fair(low: i8, high: i8, slice: Duration, rng: &mut Rng) -> Policy {
    let steps = u64::from(high.abs_diff(low));
    fair(low.saturating_add_unsigned(u8::try_from(rng.range(0, steps)).unwrap_or(0)), slice)
}

/// Tasks that never stop, one for each policy.
#[must_use]
pub fn hogs(cpus: u32, policies: &[Policy]) -> Workload {
    let mut load = Workload::new(cpus);
    let hog = load.program("hog", &[Op::Run(Span::exactly(S)), Op::Restart]);
    for policy in policies {
        load.task(hog, *policy);
    }
    load
}

/// `count` hogs of random nice values and slices.
#[must_use]
pub fn random_hogs(cpus: u32, count: u32, seed: u64) -> Workload {
    let mut rng = Rng::new(seed);
    let policies: Vec<Policy> = (0..count)
        .map(|_| {
            let slice = Duration::from_ticks(rng.range(100, 100_000) * US);
            any_fair(-20, 19, slice, &mut rng)
        })
        .collect();
    hogs(cpus, &policies)
}

/// `count` utilisations that sum to `total`, each as likely as every other such list: the distances between sorted random
/// cuts (the same distribution as UUniFast of Bini and Buttazzo, 2005, without its roots).
#[must_use]
pub fn utilisations(total: u64, count: usize, rng: &mut Rng) -> Vec<u64> {
    let mut cuts: Vec<u64> = (1..count).map(|_| rng.range(0, total)).collect();
    cuts.push(total);
    cuts.sort_unstable();
    let mut last = 0;
    for cut in &mut cuts {
        let next = *cut;
        *cut = next - last;
        last = next;
    }
    cuts
}

/// Periodic tasks of `total` utilisation in units of [`WHOLE`], rounded down to a nanosecond and up to the shortest runtime.
/// Deadlines are the periods, or anything from half of them on if they are `constrained`.
#[must_use]
pub fn deadline_set(total: u64, count: usize, constrained: bool, rng: &mut Rng) -> Vec<DlParams> {
    let shares = utilisations(total, count, rng);
    let params = shares.into_iter().filter_map(|share| {
        let period = PERIODS_MS[rng.index(PERIODS_MS.len())] * MS;
        let runtime = u64::try_from(u128::from(period) * u128::from(share) / u128::from(WHOLE)).ok()?;
        let runtime = runtime.clamp(DlParams::MIN_RUNTIME_NS, period);
        let deadline = if constrained { rng.range(runtime.max(period / 2), period) } else { period };
        DlParams::new(
            Duration::from_ticks(runtime),
            Duration::from_ticks(deadline),
            Duration::from_ticks(period),
        )
        .ok()
    });
    params.collect()
}

/// Adds a task that uses its whole runtime in each period; `policy` says how it is scheduled.
pub fn add_periodic(load: &mut Workload, params: DlParams, policy: Policy) -> u32 {
    let job = Op::Job { period: params.period().as_ticks(), deadline: params.deadline().as_ticks() };
    let run = Op::Run(Span::exactly(params.runtime().as_ticks()));
    let program = load.program("periodic", &[job, run, Op::Restart]);
    load.task(program, policy)
}

/// Periodic tasks under the deadline policy.
#[must_use]
pub fn periodic(cpus: u32, set: &[DlParams]) -> Workload {
    let mut load = Workload::new(cpus);
    for params in set {
        add_periodic(&mut load, *params, Policy::Deadline(*params));
    }
    load
}

/// Groups in which each of `pairs` senders sends to each of `pairs` receivers, over and over (hackbench).
#[must_use]
pub fn hackbench(cpus: u32, groups: u32, pairs: u32) -> Workload {
    let mut load = Workload::new(cpus);
    for _ in 0..groups {
        let boxes: Vec<u32> = (0..pairs).map(|_| load.event()).collect();
        let mut send = vec![];
        for &inbox in &boxes {
            send.extend([Op::Run(Span::between(2 * US, 8 * US)), Op::Signal(inbox)]);
        }
        send.extend([Op::Sleep(Span::between(20 * US, 60 * US)), Op::Restart]);
        let sender = load.program("send", &send);
        for &inbox in &boxes {
            let receive = [Op::Wait(inbox), Op::Run(Span::between(2 * US, 8 * US)), Op::Restart];
            let receiver = load.program("recv", &receive);
            load.task(receiver, Policy::NORMAL);
            load.task(sender, Policy::NORMAL);
        }
    }
    load
}

/// `messengers` that each wake `workers` at once and sleep until all have worked (schbench): wake-up latency under load.
#[must_use]
pub fn schbench(cpus: u32, messengers: u32, workers: u32, think: Span) -> Workload {
    let mut load = Workload::new(cpus);
    for _ in 0..messengers {
        let done = load.event();
        let first = number(load.tasks.len()) + 1;
        let mut message = vec![Op::Run(Span::exactly(US))];
        message.extend((first..first + workers).map(|worker| Op::Wake(Who::Task(worker))));
        message.extend([Op::Wait(done), Op::Repeat { from: 1 + workers, times: workers.saturating_sub(1) }]);
        message.push(Op::Restart);
        let messenger = load.program("message", &message);
        load.task(messenger, Policy::NORMAL);
        let work = [Op::Park, Op::Run(think), Op::Signal(done), Op::Restart];
        let worker = load.program("worker", &work);
        for _ in 0..workers {
            load.task(worker, Policy::NORMAL);
        }
    }
    load
}

/// Tasks that come and go: each runs and sleeps `turns` times, ends, and is forked again later. `load_percent` is the part of
/// all CPUs' time that they ask for together.
#[must_use]
pub fn churn(cpus: u32, tasks: u32, load_percent: u64, seed: u64) -> Workload {
    let mut rng = Rng::new(seed);
    let mut load = Workload::new(cpus);
    let run = Span::between(50 * US, 2 * MS);
    // Each asks for load × CPUs / tasks of a CPU: it sleeps that much longer than it runs.
    let cycle = (run.low + run.high) / 2 * u64::from(tasks.max(1)) * 100
        / (load_percent.max(1) * u64::from(cpus.max(1)));
    let sleep = cycle.saturating_sub((run.low + run.high) / 2).max(10 * US);
    let sleep = Span::between(sleep / 2, sleep / 2 * 3);
    let other = Who::Any(0, tasks.max(1) - 1);
    let turn =
        [Op::Run(run), Op::Sleep(sleep), Op::Repeat { from: 0, times: 5 }, Op::Fork(other), Op::Restart];
    let stays = load.program("stays", &turn);
    let leaves =
        load.program("leaves", &[Op::Run(run), Op::Sleep(sleep), Op::Repeat { from: 0, times: 7 }, Op::Exit]);
    for task in 0..tasks {
        let policy = match task % 4 {
            0 => any_fair(-10, 10, Policy::SLICE, &mut rng),
            _ => Policy::NORMAL,
        };
        let start = rng.range(0, cycle.min(S));
        load.add(TaskSpec {
            program: if task % 3 == 0 { leaves } else { stays },
            policy,
            mask: 0,
            start: Some(start),
        });
    }
    load
}

/// Tasks whose CPUs and nice values are changed at random, by one another, while they run.
#[must_use]
pub fn restless(cpus: u32, tasks: u32, masks: u32, seed: u64) -> Workload {
    let mut rng = Rng::new(seed);
    let mut load = Workload::new(cpus);
    let masks: Vec<u32> = (0..masks).map(|_| load.mask(random_mask(cpus, &mut rng))).collect();
    let other = Who::Any(0, tasks.max(1) - 1);
    for _ in 0..tasks {
        let mut ops = vec![];
        for _ in 0..4 {
            let mask = masks.get(rng.index(masks.len())).copied().unwrap_or(0);
            ops.push(Op::Run(Span::between(20 * US, MS)));
            ops.push(Op::Affinity(if rng.chance(1, 2) { other } else { Who::Me }, mask));
            ops.push(Op::Policy(other, any_fair(-20, 19, Policy::SLICE, &mut rng)));
            ops.push(Op::Sleep(Span::between(10 * US, MS)));
        }
        ops.push(Op::Restart);
        let program = load.program("restless", &ops);
        load.task(program, Policy::NORMAL);
    }
    load
}

/// Some of the CPUs, at least one.
fn random_mask(cpus: u32, rng: &mut Rng) -> Mask {
    let mut mask = Mask::only(CpuId::new(number(rng.index(cpus as usize))));
    for cpu in 0..cpus {
        if rng.chance(1, 3) {
            mask.insert(CpuId::new(cpu));
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilisations_sum_to_the_total_and_spread() {
        let mut rng = Rng::new(1);
        let mut above_half = 0;
        for count in 1..40 {
            let shares = utilisations(WHOLE, count, &mut rng);
            assert_eq!((shares.len(), shares.iter().sum::<u64>()), (count, WHOLE));
            above_half += shares.iter().filter(|share| **share > WHOLE / 2).count();
        }
        assert!((1..20).contains(&above_half), "some are large, most are not: {above_half}");
    }

    #[test]
    fn deadline_sets_ask_for_what_was_wanted() {
        let mut rng = Rng::new(2);
        for constrained in [false, true] {
            let set = deadline_set(WHOLE / 4 * 3, 12, constrained, &mut rng);
            let part =
                |params: &DlParams| params.runtime().as_ticks() as f64 / params.period().as_ticks() as f64;
            let sum: f64 = set.iter().map(part).sum();
            assert!((0.74..0.77).contains(&sum) && set.len() == 12, "{sum}");
        }
    }

    #[test]
    fn tasks_are_called_by_program_and_number() {
        let load = hackbench(2, 1, 1);
        assert_eq!([load.name(0), load.name(1), load.name(9)], ["recv.0", "send.1", "?.9"]);
    }
}
