//! The main counter of the high precision event timer, as a stopwatch of the rate that it says.
//!
//! Its comparators, which could interrupt, are left alone. Source: IA-PC HPET specification 1.0a, section 2.3.

use kos_x86_64::clock::hpet_hz;
use kos_x86_64::layout::DEVICES;

use crate::address::pointer;

/// Upper half of the capabilities: femtoseconds a tick.
const PERIOD: u64 = 0x04;
const CONFIGURATION: u64 = 0x10;
/// Lower half of the counter; all of it where the counter has 32 bits.
const COUNTER: u64 = 0xf0;

/// In the configuration: the counter runs.
const RUN: u32 = 1;

/// The timer, with a rate that can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hpet {
    physical: u64,
    hz: u64,
}

impl Hpet {
    /// The timer whose registers are at this physical address, below the end of what the boot tables map. `None` if it says a rate
    /// that cannot be.
    pub(crate) fn new(physical: u64) -> Option<Self> {
        let unknown = Self { physical, hz: 0 };
        Some(Self { hz: hpet_hz(unknown.read(PERIOD))?, ..unknown })
    }

    /// Ticks a second.
    pub(crate) fn hz(self) -> u64 {
        self.hz
    }

    /// Lets the counter run, from wherever it is.
    pub(crate) fn start(self) {
        self.write(CONFIGURATION, self.read(CONFIGURATION) | RUN);
    }

    /// The counter; it wraps around.
    pub(crate) fn ticks(self) -> u32 {
        self.read(COUNTER)
    }

    fn read(self, register: u64) -> u32 {
        // SAFETY: the firmware lists registers there, no memory is there, and the boot tables map the page in the device window.
        unsafe { pointer::<u32>(DEVICES + self.physical + register).read_volatile() }
    }

    fn write(self, register: u64, value: u32) {
        // SAFETY: as for `read`. Counting touches no memory, and the firmware left no comparator on, or its lines are masked.
        unsafe { pointer::<u32>(DEVICES + self.physical + register).write_volatile(value) }
    }
}
