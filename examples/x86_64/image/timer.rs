//! Time: the time-stamp counter as the clock, the local APIC's timer as the tick, both calibrated against the PIT.

use core::arch::x86_64::_rdtsc;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_x86_64::clock::{Reading, Scale, alarm_count};

use crate::apic::LocalApic;
use crate::pit;

/// Ticks per second.
pub(crate) const TICK_HZ: u32 = 100;
/// PIT ticks between the two readings: 5 ms.
const WINDOW: u16 = 5966;
/// Readings at each end, of which the sharpest counts.
const READINGS: usize = 8;
/// Windows tried before a PIT is given up that stands still or that ends before it is read.
const WINDOWS: usize = 3;
/// Readings after which a PIT stands still: even emulated, each takes 80 ns.
const MOST_READINGS: usize = 1 << 20;

/// The counter's rate that is assumed where it could not be measured.
pub(crate) const ASSUMED_HZ: u64 = 1_000_000_000;

/// The error of a machine that was never calibrated.
pub(crate) const NOT_CALIBRATED: DeviceError = DeviceError { device: "PIT", fault: DeviceFault::Silent };

/// Rates in Hz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// Of the time-stamp counter.
    pub(crate) tsc: u64,
    /// Of the local APIC's timer, with its divider.
    apic: u64,
}

impl Rates {
    /// The rate of the local APIC's timer.
    pub(crate) fn apic(self) -> Result<u64, DeviceError> {
        plausible("local APIC", self.apic, 100_000..=4_000_000_000)
    }
}

/// The time since entry.
#[derive(Debug)]
pub(crate) struct Clock {
    start: AtomicU64,
    factor: AtomicU64,
}

impl Clock {
    /// A clock that stands until [`start`](Self::start).
    pub(crate) const fn new() -> Self {
        Self { start: AtomicU64::new(0), factor: AtomicU64::new(0) }
    }

    /// Time zero is now.
    pub(crate) fn start(&self) {
        self.start.store(cycles(), Relaxed);
    }

    /// Sets the rate, in Hz, of the counter behind the clock.
    pub(crate) fn calibrate(&self, hz: u64) {
        self.factor.store(Scale::new(hz).map_or(0, Scale::factor), Relaxed);
    }

    /// Nanoseconds since [`start`](Self::start).
    pub(crate) fn nanoseconds(&self) -> u64 {
        let elapsed = cycles().saturating_sub(self.start.load(Relaxed));
        Scale::from_factor(self.factor.load(Relaxed)).nanoseconds(elapsed)
    }
}

/// The time-stamp counter.
pub(crate) fn cycles() -> u64 {
    // SAFETY: every x86_64 CPU has the instruction, and the kernel is allowed it.
    unsafe { _rdtsc() }
}

/// No alarm is set.
const NEVER: u64 = u64::MAX;

/// When the timer of one CPU is to come, in nanoseconds since entry. Only that CPU uses it, with interrupts masked.
#[derive(Debug)]
pub(crate) struct Alarm(AtomicU64);

impl Alarm {
    /// One that never comes.
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(NEVER))
    }

    /// Lets the timer of the calling CPU come at `at`, or not at all.
    pub(crate) fn set(&self, at: Option<u64>, apic: LocalApic, counter_hz: u64, now: u64) {
        self.0.store(at.unwrap_or(NEVER), Relaxed);
        apic.alarm_after(at.map_or(0, |at| alarm_count(at.saturating_sub(now), counter_hz)));
    }

    /// The timer has come: whether it was time. The counter is short for a long wait, and less sharp than the clock: then it is
    /// set again.
    pub(crate) fn is_due(&self, apic: LocalApic, counter_hz: u64, now: u64) -> bool {
        let at = self.0.load(Relaxed);
        let due = at <= now;
        if due {
            self.0.store(NEVER, Relaxed);
        } else if at != NEVER {
            self.set(Some(at), apic, counter_hz, now);
        }
        due
    }
}

/// Measures both rates; takes 5 ms.
pub(crate) fn calibrate(apic: Option<LocalApic>) -> Result<Rates, DeviceError> {
    let (tsc, apic) = (0..WINDOWS).find_map(|_| window(apic)).ok_or(NOT_CALIBRATED)?;
    let tsc = plausible("time-stamp counter", tsc, 50_000_000..=20_000_000_000)?;
    Ok(Rates { tsc, apic })
}

/// How far a counter of `hz` counts between two ticks.
pub(crate) fn period(hz: u64, ticks_per_second: u32) -> Result<u32, DeviceError> {
    let period = hz.checked_div(u64::from(ticks_per_second)).and_then(|period| u32::try_from(period).ok());
    let fault = DeviceFault::Implausible { value: hz };
    period.filter(|&period| period > 0).ok_or(DeviceError { device: "local APIC", fault })
}

fn window(apic: Option<LocalApic>) -> Option<(u64, u64)> {
    apic.inspect(|apic| apic.start_counting());
    pit::start();
    let start = sharpest(apic)?;
    let enough = start.pit.saturating_add(WINDOW);
    (0..MOST_READINGS).find(|_| pit::ticks().is_none_or(|ticks| ticks >= enough))?;
    start.rates(sharpest(apic)?)
}

fn sharpest(apic: Option<LocalApic>) -> Option<Reading> {
    let mut best = reading(apic)?;
    for _ in 1..READINGS {
        best = best.sharper(reading(apic)?);
    }
    Some(best)
}

/// Not inlined: the first run of a piece of code is slow, on an emulator by much, and each copy would have one.
#[inline(never)]
fn reading(apic: Option<LocalApic>) -> Option<Reading> {
    let tsc = cycles();
    let (pit, apic) = (pit::ticks()?, apic.map_or(0, LocalApic::counted));
    Some(Reading { tsc, width: cycles() - tsc, pit, apic })
}

fn plausible(device: &'static str, hz: u64, range: RangeInclusive<u64>) -> Result<u64, DeviceError> {
    if range.contains(&hz) {
        return Ok(hz);
    }
    Err(DeviceError { device, fault: DeviceFault::Implausible { value: hz } })
}
