//! A counter whose rate is known, to measure others against.

use kos_x86_64::clock::PIT_HZ;

use crate::hpet::Hpet;
use crate::pit;

/// Which one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference {
    /// The old interval timer, for 55 ms from each start.
    Pit,
    /// The newer one, for ever.
    Hpet(Hpet),
}

impl Reference {
    /// The HPET with registers at this physical address, if it says a rate that can be.
    pub(crate) fn hpet(physical: u64) -> Option<Self> {
        Hpet::new(physical).map(Self::Hpet)
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pit => "PIT",
            Self::Hpet(_) => "HPET",
        }
    }

    /// Ticks a second.
    pub(crate) fn hz(self) -> u64 {
        match self {
            Self::Pit => PIT_HZ,
            Self::Hpet(hpet) => hpet.hz(),
        }
    }

    /// Lets it count.
    pub(crate) fn start(self) {
        match self {
            Self::Pit => pit::start(),
            Self::Hpet(hpet) => hpet.start(),
        }
    }

    /// Where it is, with wrap-around. `None` if its time is over, or if it is not there.
    pub(crate) fn ticks(self) -> Option<u32> {
        match self {
            Self::Pit => pit::ticks().map(u32::from),
            Self::Hpet(hpet) => Some(hpet.ticks()),
        }
    }
}
