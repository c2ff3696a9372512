//! [`Seat`]: what the board keeps of each CPU: how far it came, its timer, what interrupted it.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use kos_demo_kernel::platform::{CpuState, DeviceError, DeviceFault, LeftOut};
use kos_demo_kernel::time::Instant;

use crate::engine::{self, Interrupt};

const SECOND: u64 = 1_000_000_000;

/// The fastest tick: a handler takes some time on the host, too.
const MAX_TICKS_PER_SECOND: u32 = 100_000;

const STATES: [CpuState; 4] = [
    CpuState::Waiting,
    CpuState::Online,
    CpuState::LeftOut(LeftOut::Silent),
    CpuState::LeftOut(LeftOut::NoMemory),
];

/// Never.
const NEVER: u64 = u64::MAX;

/// One CPU. All but the state is written by the CPU itself, interrupts masked.
#[derive(Debug)]
pub(super) struct Seat {
    /// An index of `STATES`.
    state: AtomicU8,
    /// Nanoseconds between ticks; 0: there are none.
    period: AtomicU64,
    /// When the next tick is due, by the engine's clock.
    tick: AtomicU64,
    /// When the scheduler's event is.
    event: AtomicU64,
    taken: [AtomicU64; Interrupt::ALL.len()],
}

/// What is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) tick: bool,
    pub(super) event: bool,
}

impl Default for Seat {
    fn default() -> Self {
        let never = || AtomicU64::new(NEVER);
        Self {
            state: AtomicU8::default(),
            period: AtomicU64::default(),
            tick: never(),
            event: never(),
            taken: Default::default(),
        }
    }
}

impl Seat {
    pub(super) fn state(&self) -> CpuState {
        STATES.get(usize::from(self.state.load(Relaxed))).copied().unwrap_or(CpuState::Waiting)
    }

    pub(super) fn set_state(&self, state: CpuState) {
        if let Some((index, _)) = (0..).zip(STATES).find(|&(_, known)| known == state) {
            self.state.store(index, Relaxed);
        }
    }

    pub(super) fn count(&self, what: Interrupt) {
        if let Some(count) = self.taken.get(what as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn counted(&self, what: Interrupt) -> u64 {
        self.taken.get(what as usize).map_or(0, |count| count.load(Relaxed))
    }
}

/// The timer of the calling CPU: ticks, and one event, of which the earlier arms it.
#[derive(Debug)]
pub(super) struct Timer<'s> {
    pub(super) seat: &'s Seat,
    /// Time 0 of the machine, by the engine's clock.
    pub(super) entry: u64,
    /// Whether it does.
    pub(super) interrupts: bool,
}

impl Timer<'_> {
    /// Ticks so often from now on; 0: not at all.
    pub(super) fn tick(&self, ticks_per_second: u32) -> Result<(), DeviceError> {
        if ticks_per_second > MAX_TICKS_PER_SECOND {
            let fault = DeviceFault::Implausible { value: ticks_per_second.into() };
            return Err(DeviceError { device: "host clock", fault });
        }
        let _masked = engine::mask();
        let period = SECOND.checked_div(ticks_per_second.into()).unwrap_or(0);
        self.seat.period.store(period, Relaxed);
        self.seat.tick.store(if period == 0 { NEVER } else { engine::now().saturating_add(period) }, Relaxed);
        self.set();
        Ok(())
    }

    /// The scheduler's event is due at `at`, or never. Masked.
    pub(super) fn set_event(&self, at: Option<Instant>) {
        let at = at.map_or(NEVER, |at| at.as_ticks().saturating_add(self.entry));
        self.seat.event.store(at, Relaxed);
        self.set();
    }

    /// Arms it for whatever comes first. Masked.
    pub(super) fn set(&self) {
        let [tick, event] = [&self.seat.tick, &self.seat.event].map(|at| at.load(Relaxed));
        if self.interrupts {
            engine::arm(Some(tick.min(event)).filter(|&at| at != NEVER));
        }
    }

    /// What is due now; it is so once only. Ticks that are missed altogether do not come later. Masked.
    pub(super) fn take_due(&self) -> Due {
        let now = engine::now();
        let due = |at: &AtomicU64| at.load(Relaxed) <= now;
        let (tick, event) = (due(&self.seat.tick), due(&self.seat.event));
        if event {
            self.seat.event.store(NEVER, Relaxed);
        }
        if tick {
            let period = self.seat.period.load(Relaxed);
            let next = self.seat.tick.load(Relaxed).saturating_add(period);
            self.seat.tick.store(if next > now { next } else { now.saturating_add(period) }, Relaxed);
        }
        Due { tick, event }
    }
}
