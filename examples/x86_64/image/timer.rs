//! Time: the time-stamp counter as the clock, the local APIC's timer for what is to happen, both calibrated against a
//! counter of known rate.

use core::arch::x86_64::_rdtsc;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kos_demo_kernel::platform::{DeviceError, DeviceFault};
use kos_x86_64::clock::{Reading, Scale, alarm_count};

use crate::apic::LocalApic;
use crate::reference::Reference;

/// The part of a second between the two readings: 5 ms.
const WINDOW: u64 = 200;
/// Readings at each end, of which the sharpest counts.
const READINGS: usize = 8;
/// Windows tried before a counter is given up that stands still or that ends before it is read.
const WINDOWS: usize = 3;
/// Readings of a window at most: even emulated, each takes 80 ns.
const MOST_READINGS: usize = 1 << 20;
/// Readings without a tick after which a counter stands still: the slowest ticks each microsecond.
const STANDSTILL: u32 = 1 << 12;

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
    /// The counter that told.
    pub(crate) told_by: &'static str,
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

/// Not at all.
const NEVER: u64 = u64::MAX;

/// A timer that interrupts: the local APIC's, and the rate in Hz of its counter.
pub(crate) type Counter = (LocalApic, u64);

/// What the timer of one CPU is to come for: the next event of the scheduler, and ticks if there are any. Nanoseconds since
/// entry. Only that CPU uses it, with interrupts masked.
#[derive(Debug)]
pub(crate) struct Timers {
    event_at: AtomicU64,
    tick_at: AtomicU64,
    /// From one tick to the next.
    tick: AtomicU64,
    /// What the counter was set for.
    set_for: AtomicU64,
}

/// What it has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) event: bool,
    pub(crate) tick: bool,
}

impl Timers {
    /// A timer that never comes.
    pub(crate) const fn new() -> Self {
        let [event_at, tick_at, set_for] = [const { AtomicU64::new(NEVER) }; 3];
        Self { event_at, tick_at, tick: AtomicU64::new(0), set_for }
    }

    /// Lets it come at `at` for the scheduler, or not at all. Without a counter the time is only kept.
    pub(crate) fn set_event(&self, at: Option<u64>, counter: Option<Counter>, now: u64) {
        self.event_at.store(at.unwrap_or(NEVER), Relaxed);
        self.set(counter, now);
    }

    /// Lets it tick each `nanoseconds` from now on; 0: not at all.
    pub(crate) fn set_tick(&self, nanoseconds: u64, counter: Counter, now: u64) {
        self.tick.store(nanoseconds, Relaxed);
        self.tick_at.store(if nanoseconds > 0 { now.saturating_add(nanoseconds) } else { NEVER }, Relaxed);
        self.set(Some(counter), now);
    }

    /// It has come: what for. Events are over then, ticks go on; those that were missed are not made up for.
    pub(crate) fn take_due(&self, now: u64) -> Due {
        self.set_for.store(NEVER, Relaxed);
        let event = self.event_at.load(Relaxed) <= now;
        if event {
            self.event_at.store(NEVER, Relaxed);
        }
        let (at, length) = (self.tick_at.load(Relaxed), self.tick.load(Relaxed));
        let tick = at <= now;
        if tick {
            self.tick_at.store(at.saturating_add(length).max(now), Relaxed);
        }
        Due { event, tick }
    }

    /// Sets the counter for what comes first, if it was not. A counter is short for a long wait and less sharp than the clock: then
    /// it comes for nothing, and is set again.
    pub(crate) fn set(&self, counter: Option<Counter>, now: u64) {
        let first = self.event_at.load(Relaxed).min(self.tick_at.load(Relaxed));
        if let Some((apic, hz)) = counter
            && self.set_for.swap(first, Relaxed) != first
        {
            apic.alarm_after(if first == NEVER { 0 } else { alarm_count(first.saturating_sub(now), hz) });
        }
    }
}

/// Measures both rates; takes 5 ms. Against the PIT, unless that is silent or says what cannot be, and there is an HPET at this
/// physical address.
pub(crate) fn calibrate(apic: Option<LocalApic>, hpet: Option<u64>) -> Result<Rates, DeviceError> {
    measure(Reference::Pit, apic).or_else(|fault| {
        let hpet = hpet.and_then(Reference::hpet).ok_or(fault)?;
        measure(hpet, apic)
    })
}

fn measure(reference: Reference, apic: Option<LocalApic>) -> Result<Rates, DeviceError> {
    let silent = DeviceError { device: reference.name(), fault: DeviceFault::Silent };
    let (tsc, apic) = (0..WINDOWS).find_map(|_| window(reference, apic)).ok_or(silent)?;
    let tsc = plausible("time-stamp counter", tsc, 50_000_000..=20_000_000_000)?;
    Ok(Rates { tsc, apic, told_by: reference.name() })
}

fn window(reference: Reference, apic: Option<LocalApic>) -> Option<(u64, u64)> {
    apic.inspect(|apic| apic.start_counting());
    reference.start();
    let start = sharpest(reference, apic)?;
    wait(reference, start.known)?;
    start.rates(sharpest(reference, apic)?, reference.hz())
}

/// Waits until a window has passed since the counter was at `start`. `None` if it stands still, or ends.
fn wait(reference: Reference, start: u32) -> Option<()> {
    let (mut last, mut still) = (start, 0);
    for _ in 0..MOST_READINGS {
        let now = reference.ticks()?;
        if u64::from(now.wrapping_sub(start)) >= reference.hz() / WINDOW {
            return Some(());
        }
        still = if now == last { still + 1 } else { 0 };
        if still == STANDSTILL {
            return None;
        }
        last = now;
    }
    None
}

fn sharpest(reference: Reference, apic: Option<LocalApic>) -> Option<Reading> {
    let mut best = reading(reference, apic)?;
    for _ in 1..READINGS {
        best = best.sharper(reading(reference, apic)?);
    }
    Some(best)
}

/// Not inlined: the first run of a piece of code is slow, on an emulator by much, and each copy would have one.
#[inline(never)]
fn reading(reference: Reference, apic: Option<LocalApic>) -> Option<Reading> {
    let tsc = cycles();
    let (known, apic) = (reference.ticks()?, apic.map_or(0, LocalApic::counted));
    Some(Reading { tsc, width: cycles() - tsc, known, apic })
}

fn plausible(device: &'static str, hz: u64, range: RangeInclusive<u64>) -> Result<u64, DeviceError> {
    if range.contains(&hz) {
        return Ok(hz);
    }
    Err(DeviceError { device, fault: DeviceFault::Implausible { value: hz } })
}
