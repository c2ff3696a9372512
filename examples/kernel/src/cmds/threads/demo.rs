//! `sched-demo`: threads of every class compete, and what each one got stands beside what was due to it.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_sched::{CpuId, CpuSet, DlParams, Nice, Policy, Resume, RtPriority, TaskId};

use super::words::{millis, percent, usage};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Grouped, Text};
use crate::threads::{How, Member, TEAM};
use crate::time::Duration;

/// How long threads compete in each part, unless told otherwise, and at most; milliseconds.
const COMPETE: u64 = 300;
const LONGEST: u64 = 10_000;
/// The turns of fair threads: short, so that shares show soon.
const SLICE: Duration = Duration::from_millis(1);
/// The nice values of the first part.
const NICES: [i8; 4] = [-5, 0, 5, 10];
/// The time between two wakes in the second part.
const BETWEEN: Duration = Duration::from_millis(5);
/// Each fair thread that wakes has to share with so many that compute.
const HOGS: usize = 2;

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let length = length(arguments)?;
    let sched = kernel.threads.runtime().scheduler();
    let before = sched.stats();
    let cpus = sched.online_cpus();
    // The last CPU, for the first has the shell.
    let cpu = cpus.iter().last().unwrap_or_default();
    shares(kernel, cpu, length, out)?;
    urgency(kernel, cpu, length, out)?;
    deadline(kernel, cpu, length, out)?;
    if cpus.count() > 1 {
        spread(kernel, length, out)?;
        wander(kernel, length, out)?;
    }
    let after = sched.stats();
    let rows = [
        ("switches", after.switches, before.switches),
        ("local wakes", after.wakes_local, before.wakes_local),
        ("remote wakes", after.wakes_remote, before.wakes_remote),
        ("interrupts sent", after.ipis_sent, before.ipis_sent),
        ("saved", after.ipis_saved, before.ipis_saved),
        ("migrations", after.migrations, before.migrations),
        ("throttles", after.throttles, before.throttles),
    ];
    write!(out, "all in all")?;
    for (index, (name, after, before)) in rows.into_iter().enumerate() {
        let mark = if index == 0 { ":" } else { "," };
        write!(out, "{mark} {} {name}", Grouped(after.wrapping_sub(before)))?;
    }
    writeln!(out)?;
    sched.check()?;
    writeln!(out, "every invariant of the scheduler holds")?;
    Ok(Next::Continue)
}

fn length(arguments: &[&str]) -> Result<Duration, CommandError> {
    let millis = match arguments {
        [] => Some(COMPETE),
        [word] => word.parse().ok(),
        [_, extra, ..] => return Err(usage(format_args!("unexpected '{extra}'"))),
    };
    let millis = millis.filter(|millis| (1..=LONGEST).contains(millis));
    millis.map(Duration::from_millis).ok_or_else(|| usage(format_args!("1 to {LONGEST} milliseconds")))
}

fn fair(nice: i8) -> Result<Policy, CommandError> {
    Ok(Policy::Fair { nice: Nice::new(nice)?, slice: SLICE })
}

/// CPU time so far, in nanoseconds.
fn ran<P: Platform>(kernel: &Kernel<P>, task: TaskId) -> u64 {
    let runtime = kernel.threads.runtime();
    runtime.scheduler().usage(task, runtime.now()).map_or(0, |times| times.total().as_ticks())
}

/// What each task gets from now on until it has been so long.
fn gains<P: Platform, const N: usize>(
    kernel: &Kernel<P>,
    tasks: &[TaskId],
    length: Duration,
) -> heapless::Vec<u64, N> {
    let start: heapless::Vec<u64, N> = tasks.iter().take(N).map(|&task| ran(kernel, task)).collect();
    let _ = kernel.threads.sleep(length);
    tasks.iter().zip(&start).map(|(&task, before)| ran(kernel, task).saturating_sub(*before)).collect()
}

fn compute<P: Platform>(kernel: &Kernel<P>) {
    while !kernel.is_told_to_end() {
        kernel.threads.breathe();
    }
}

/// Part of the whole, in tenths of a percent.
fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000).checked_div(whole).unwrap_or(0)
}

fn shares<P: Platform>(
    kernel: &Kernel<P>,
    cpu: CpuId,
    length: Duration,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let work = || compute(kernel);
    let mut members = heapless::Vec::<Member<'_>, 4>::new();
    for nice in NICES {
        // There is room for each.
        let _ = members.push(Member::new(How::new("fair").policy(fair(nice)?).on(cpu), &work));
    }
    writeln!(out, "fair threads of several weights that compute, on cpu {cpu}, {} ms", length.as_millis())?;
    writeln!(out, "{:>6} {:>8} {:>9} {:>9} {:>14}", "nice", "weight", "due", "got", "time")?;
    let got = kernel.with_team(&members, |tasks| gains::<P, 4>(kernel, tasks, length))?;
    let weight = |nice: i8| Nice::new(nice).map_or(0, |nice| u64::from(nice.weight()));
    let (weights, all) = (NICES.into_iter().map(weight).sum(), got.iter().sum());
    for (nice, &time) in NICES.into_iter().zip(&got) {
        let [due, share] = [per_mille(weight(nice), weights), per_mille(time, all)].map(percent);
        writeln!(out, "{nice:>6} {:>8} {due:>9} {share:>9} {:>14}", weight(nice), millis(time))?;
    }
    Ok(())
}

/// How late one was who slept again and again.
#[derive(Default)]
struct Lateness {
    wakes: AtomicU64,
    sum: AtomicU64,
    most: AtomicU64,
}

impl Lateness {
    /// Sleeps, and notes how late it was awake.
    fn measure<P: Platform>(&self, kernel: &Kernel<P>, wakes: u64) {
        for _ in 0..wakes {
            let at = kernel.platform().now() + BETWEEN;
            if kernel.threads.sleep_until(Some(at)) == Resume::Interrupted {
                return;
            }
            let late = kernel.platform().now().checked_duration_since(at).map_or(0, |late| late.as_ticks());
            self.wakes.fetch_add(1, Relaxed);
            self.sum.fetch_add(late, Relaxed);
            self.most.fetch_max(late, Relaxed);
        }
    }
}

fn urgency<P: Platform>(
    kernel: &Kernel<P>,
    cpu: CpuId,
    length: Duration,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    writeln!(
        out,
        "a thread that sleeps {} ms where {HOGS} others compute, on cpu {cpu}",
        BETWEEN.as_millis()
    )?;
    writeln!(out, "{:>10} {:>6} {:>12} {:>12}", "class", "wakes", "mean late", "most late")?;
    let hog = || compute(kernel);
    for (name, policy) in
        [("fair 19", fair(19)?), ("fair 0", fair(0)?), ("fifo 50", Policy::Fifo(RtPriority::new(50)?))]
    {
        let late = Lateness::default();
        let work = || late.measure(kernel, length.as_millis() / 10 + 1);
        let waker = Member::new(How::new("waker").policy(policy).on(cpu), &work);
        let hog = Member::new(How::new("hog").policy(fair(0)?).on(cpu), &hog);
        kernel.with_team(&[hog, hog, waker], |tasks| {
            let waker = tasks.last().copied().unwrap_or(TaskId::NOBODY);
            let sched = kernel.threads.runtime().scheduler();
            let limit = kernel.platform().now() + BETWEEN * 400;
            while sched.state(waker).is_some_and(|state| state != kos_sched::core::TaskState::Zombie)
                && kernel.platform().now() < limit
            {
                let _ = kernel.threads.sleep(BETWEEN);
            }
        })?;
        let [wakes, sum, most] = [&late.wakes, &late.sum, &late.most].map(|word| word.load(Relaxed));
        let mean = sum.checked_div(wakes).unwrap_or(0);
        writeln!(out, "{name:>10} {wakes:>6} {:>9} us {:>9} us", Grouped(mean / 1000), Grouped(most / 1000))?;
    }
    Ok(())
}

fn deadline<P: Platform>(
    kernel: &Kernel<P>,
    cpu: CpuId,
    length: Duration,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let [runtime, period] = [2, 10].map(Duration::from_millis);
    let policy = Policy::Deadline(DlParams::new(runtime, period, period)?);
    let sched = kernel.threads.runtime().scheduler();
    let work = || compute(kernel);
    let hog = Member::new(How::new("hog").on(cpu), &work);
    let served = Member::new(How::new("deadline").policy(policy).on(cpu), &work);
    let (before, start) = (sched.stats().throttles, kernel.platform().now());
    let (got, passed) = kernel.with_team(&[hog, served], |tasks| {
        let got = gains::<P, 2>(kernel, tasks, length);
        (got, kernel.platform().now().checked_duration_since(start).map_or(0, |passed| passed.as_ticks()))
    })?;
    let throttles = sched.stats().throttles.wrapping_sub(before);
    let share = |index: usize| percent(per_mille(got.get(index).copied().unwrap_or(0), passed));
    let [most, each] = [runtime, period].map(|length| length.as_millis());
    writeln!(
        out,
        "a deadline thread that wants all: {most} ms in each {each} ms, beside a fair one that computes"
    )?;
    let due = percent(per_mille(most, each));
    writeln!(
        out,
        "   due {due}, got {}, throttled {throttles} times; the fair one got {}",
        share(1),
        share(0)
    )?;
    let refused = kernel.spawn(
        How::new("greedy").policy(Policy::Deadline(DlParams::new(period, period, period)?)).on(cpu),
        |_, _| (),
        0,
    );
    match refused {
        Err(error) => writeln!(out, "   one that asks for {each} ms in each {each} ms: {error}")?,
        Ok(task) => drop(kernel.join(task)),
    }
    Ok(())
}

fn spread<P: Platform>(
    kernel: &Kernel<P>,
    length: Duration,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let sched = kernel.threads.runtime().scheduler();
    let cpus = sched.online_cpus();
    let count = (2 * cpus.count() as usize).min(TEAM);
    let work = || compute(kernel);
    let mut members = heapless::Vec::<Member<'_>, TEAM>::new();
    while members.len() < count && members.push(Member::new(How::new("roam"), &work)).is_ok() {}
    let (before, times) = (sched.stats(), kernel.threads.accounts());
    let got = kernel.with_team(&members, |tasks| gains::<P, TEAM>(kernel, tasks, length))?;
    let (after, passed) = (sched.stats(), kernel.threads.accounts().since(times));
    let [least, most] = [got.iter().min(), got.iter().max()].map(|time| time.copied().unwrap_or(0));
    writeln!(
        out,
        "{count} threads that may run anywhere compute on {} CPUs, {} ms",
        cpus.count(),
        length.as_millis()
    )?;
    writeln!(
        out,
        "   CPUs busy {}; each got {} to {}; {} migrations",
        percent(passed.per_mille(passed.busy)),
        millis(least),
        millis(most),
        Grouped(after.migrations.wrapping_sub(before.migrations)),
    )?;
    Ok(())
}

/// Moves a thread that computes from CPU to CPU.
fn wander<P: Platform>(
    kernel: &Kernel<P>,
    length: Duration,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let runtime = kernel.threads.runtime();
    let (cpus, moves) = (runtime.scheduler().online_cpus(), length.as_millis());
    let start = runtime.now();
    let work = || compute(kernel);
    let moved = kernel.with_team(&[Member::new(How::new("wanderer"), &work)], |tasks| {
        let task = tasks.first().copied().unwrap_or(TaskId::NOBODY);
        let targets =
            core::iter::repeat_with(|| cpus.iter()).flatten().take(usize::try_from(moves).unwrap_or(0));
        targets.filter(|&cpu| arrives(kernel, task, cpu)).count()
    })?;
    let took = runtime.now().checked_duration_since(start).map_or(0, |took| took.as_ticks());
    let each = Text::new(format_args!("{} us", took / moves.max(1) / 1000));
    writeln!(out, "a thread that computes is moved {moves} times: arrived {moved} times, {each} each")?;
    Ok(())
}

/// Whether `task` runs on `cpu` soon after it was told to.
fn arrives<P: Platform>(kernel: &Kernel<P>, task: TaskId, cpu: CpuId) -> bool {
    const LOOKS: u32 = 10_000;
    let runtime = kernel.threads.runtime();
    let told = runtime.scheduler().set_affinity(task, &CpuSet::only(cpu), runtime.now());
    let before = ran(kernel, task);
    let runs = || runtime.scheduler().cpu_of(task) == Some(cpu) && ran(kernel, task) > before;
    told.is_ok()
        && (0..LOOKS).any(|_| {
            let _ = kernel.threads.sleep(Duration::from_micros(20));
            runs()
        })
}
