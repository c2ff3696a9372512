//! Pressure: the share of time in which somebody had to wait for what was not there. In the manner of PSI of Linux.
//!
//! | line | what is measured | how |
//! |---|---|---|
//! | `cpu some` | more threads want to run than there are CPUs | looked at ten times a second |
//! | `io some` | somebody waits for a disk | to the nanosecond, from the first who waits to the last |
//! | `memory low` | a zone has less free frames than its low mark | looked at ten times a second |
//!
//! Who looks is a thread that wants to run, too; he does not count himself. Memory has no `some`: nobody waits for memory in this
//! kernel, an allocation that finds none fails. There is no `io` line before the first wait: a machine whose disks do not interrupt
//! has none. The looking begins with an interactive shell, or when somebody first asks.
//!
//! A share over 10 s that reaches its limit is a line in the log, and so is its end ([`Alarm`]).

pub mod alarm;
pub mod average;

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_alloc::{Env, Inventory, Locked};
use kos_sched::{CpuSet, Resume};

use crate::Kernel;
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::{How, Role, ThreadError};
use crate::time::{Duration, Instant, after};
use alarm::{Alarm, Change};
use average::{Average, Percent};

/// How often one looks.
const PERIOD: Duration = Duration::from_millis(100);
/// Bytes of the stack of who does.
const STACK: usize = 16 << 10;

/// What can be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Resource {
    Cpu,
    Io,
    Memory,
}

impl Resource {
    pub(crate) const ALL: [Self; 3] = [Self::Cpu, Self::Io, Self::Memory];

    /// Its name, and what its share is of.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Cpu => ("cpu", "some"),
            Self::Io => ("io", "some"),
            Self::Memory => ("memory", "low"),
        }
    }

    /// What held, for the log.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Cpu => "more threads wanted to run than there are CPUs",
            Self::Io => "somebody waited for a disk",
            Self::Memory => "a zone was below its low mark",
        }
    }
}

/// Who waits for disks, and since when somebody does.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    waiting: u32,
    since: Option<Instant>,
    /// Nanoseconds in which somebody waited, since one last looked.
    held_ns: u64,
    /// Somebody ever did.
    known: bool,
}

impl Waits {
    fn begin(&mut self, now: Instant) {
        self.waiting += 1;
        self.known = true;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.close(now);
        }
    }

    fn close(&mut self, now: Instant) {
        let since = self.since.take().and_then(|since| now.checked_duration_since(since));
        self.held_ns = self.held_ns.saturating_add(since.map_or(0, |length| length.as_ticks()));
    }

    /// The nanoseconds up to now; they are not told again.
    fn take(&mut self, now: Instant) -> u64 {
        self.close(now);
        self.since = (self.waiting > 0).then_some(now);
        core::mem::take(&mut self.held_ns)
    }
}

/// The shares, and when one last looked.
#[derive(Clone, Copy, Debug)]
struct Meter {
    shares: [Average; 3],
    alarms: [Alarm; 3],
    looked: Option<Instant>,
}

impl Meter {
    const fn new() -> Self {
        const ALARMS: [Alarm; 3] = [Alarm::new(800_000), Alarm::new(800_000), Alarm::new(100_000)];
        Self { shares: [Average::NEVER; 3], alarms: ALARMS, looked: None }
    }

    /// What held, by resource: cpu and memory since one last looked, io for so many nanoseconds. What is to be told of it.
    fn look(&mut self, now: Instant, cpu: bool, io_ns: u64, memory: bool) -> [Option<(Change, u32)>; 3] {
        let last = self.looked.replace(now);
        let passed =
            last.and_then(|last| now.checked_duration_since(last)).map_or(0, |length| length.as_ticks());
        let held = [if cpu { passed } else { 0 }, io_ns, if memory { passed } else { 0 }];
        let mut told = [None; 3];
        if passed == 0 {
            return told;
        }
        for (((share, alarm), held), told) in
            self.shares.iter_mut().zip(&mut self.alarms).zip(held).zip(&mut told)
        {
            share.add(held, passed);
            let [lately, ..] = share.ppm();
            *told = alarm.look(lately).map(|change| (change, lately));
        }
        told
    }
}

/// The pressure on a kernel.
#[derive(Debug)]
pub(crate) struct Pressure<E: Env> {
    waits: Locked<E, Waits>,
    meter: Locked<E, Meter>,
    /// Somebody looks.
    begun: AtomicBool,
}

impl<E: Env> Pressure<E> {
    /// Nobody looks yet. An environment for each lock.
    pub(crate) fn new([one, other]: [E; 2]) -> Self {
        let waits = Waits { waiting: 0, since: None, held_ns: 0, known: false };
        Self {
            waits: Locked::new(one, waits),
            meter: Locked::new(other, Meter::new()),
            begun: AtomicBool::new(false),
        }
    }

    /// Somebody begins to wait for a disk.
    pub(crate) fn wait_begins(&self, now: Instant) {
        self.waits.with(|waits| waits.begin(now));
    }

    /// He waits no longer.
    pub(crate) fn wait_ends(&self, now: Instant) {
        self.waits.with(|waits| waits.end(now));
    }

    /// The shares of what can be measured here.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (Resource, Average)> {
        let (shares, disks) = (self.meter.with(|meter| meter.shares), self.waits.with(|waits| waits.known));
        let all = Resource::ALL.into_iter().zip(shares);
        all.filter(move |&(resource, _)| disks || resource != Resource::Io)
    }

    /// The limits, by resource, in parts per million.
    pub(crate) fn limits(&self) -> [u32; 3] {
        self.meter.with(|meter| meter.alarms.map(|alarm| alarm.limit_ppm()))
    }

    /// From now on a share of `ppm` over 10 s is told of.
    pub(crate) fn set_limit(&self, resource: Resource, ppm: u32) {
        self.meter.with(|meter| {
            if let Some(alarm) = meter.alarms.get_mut(resource as usize) {
                *alarm = Alarm::new(ppm);
            }
        });
    }
}

impl<P: Platform> Kernel<P> {
    /// Looks from now on, if nobody does yet.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(crate) fn watch_pressure(&self) -> Result<(), ThreadError> {
        if self.pressure.begun.swap(true, Relaxed) {
            return Ok(());
        }
        let how = How::new("pressure").stack(STACK).role(Role::Service);
        self.spawn(how, keep, 0).map(drop).inspect_err(|_| self.pressure.begun.store(false, Relaxed))
    }
}

/// Looks until it is told to end. A service of the kernel.
fn keep<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let mut due = kernel.threads.runtime().now();
    loop {
        look(kernel);
        due = after(due, PERIOD);
        if kernel.threads.sleep_until(Some(due)) == Resume::Interrupted {
            return;
        }
        // Who came late does not look several times in a row.
        due = due.max(kernel.threads.runtime().now());
    }
}

fn look<P: Platform>(kernel: &Kernel<P>) {
    let sched = kernel.threads.runtime().scheduler();
    let others = sched.stats().runnable.saturating_sub(1);
    let cpu = others > u64::from(sched.online_cpus().count());
    let memory = is_low(kernel);
    let now = kernel.threads.runtime().now();
    let io_ns = kernel.pressure.waits.with(|waits| waits.take(now));
    let told = kernel.pressure.meter.with(|meter| meter.look(now, cpu, io_ns, memory));
    for (resource, (change, ppm)) in Resource::ALL.into_iter().zip(told).filter_map(|(r, t)| Some((r, t?))) {
        tell(kernel, now, resource, change, ppm);
    }
}

/// Whether a zone that has memory has less free frames than its low mark.
pub(crate) fn is_low<P: Platform>(kernel: &Kernel<P>) -> bool {
    let mut zones = (0..).map_while(|index| kernel.frames().zone(index));
    zones.any(|zone| zone.managed > 0 && zone.free < zone.low)
}

/// A line in the log, as the stages of the boot have them.
fn tell<P: Platform>(kernel: &Kernel<P>, now: Instant, resource: Resource, change: Change, ppm: u32) {
    let ((name, _), share) = (resource.words(), Percent(ppm));
    let what = match change {
        Change::Raised => Text::new(format_args!("{name}: for {share} % of 10 s {}", resource.meaning())),
        Change::Over => Text::new(format_args!("{name}: over, {share} % of 10 s")),
    };
    kernel.tell(now, format_args!("pressure warning   {what}"));
}

/// The lines of `/proc/pressure`.
pub(crate) fn show<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    kernel.pressure.shares().try_for_each(|(resource, share)| {
        let (name, kind) = resource.words();
        writeln!(out, "{name:<6} {kind:<4} {share}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_ticks(millis * 1_000_000)
    }

    #[test]
    fn waits_that_overlap_count_once() {
        let mut waits = Waits::default();
        waits.begin(at(10));
        waits.begin(at(20));
        waits.end(at(30));
        waits.end(at(50));
        waits.begin(at(80));
        assert_eq!(waits.take(at(100)), 60_000_000);
        assert_eq!(waits.take(at(100)), 0);
        waits.end(at(105));
        assert_eq!((waits.take(at(200)), waits.waiting), (5_000_000, 0));
    }

    #[test]
    fn ten_seconds_of_pressure_are_told_once() {
        let (mut meter, mut told) = (Meter::new(), alloc::vec::Vec::new());
        for look in 0..1000 {
            let [cpu, io, memory] = meter.look(at(look * 100), look < 400, 0, false);
            assert_eq!((io, memory), (None, None));
            told.extend(cpu.map(|(change, _)| change));
        }
        assert_eq!(told, [Change::Raised, Change::Over]);
        assert_eq!(meter.shares.map(|share| share.total_ns()), [39_900_000_000, 0, 0]);
    }
}
