//! Signals by number, and sets of them: [`Signal`], [`SignalSet`].
//!
//! Source: POSIX `signal.h` (IEEE 1003.1, 2018); the numbers are those of Linux on most machines (signal(7)).

use core::fmt;

/// A signal: 1 to 31 are the standard ones, 32 to 64 real-time ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// What a signal does to a process that has said nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends, and leaves a core file.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// A process that is stopped goes on, whatever it has said about the signal.
    Continue,
}

impl Signal {
    /// The terminal is gone.
    pub const HUP: Self = Self(1);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Ctrl-\.
    pub const QUIT: Self = Self(3);
    /// An instruction that is none.
    pub const ILL: Self = Self(4);
    /// A breakpoint.
    pub const TRAP: Self = Self(5);
    /// `abort`.
    pub const ABRT: Self = Self(6);
    /// An address that no memory answers to.
    pub const BUS: Self = Self(7);
    /// An arithmetic fault.
    pub const FPE: Self = Self(8);
    /// The end, which nobody can refuse.
    pub const KILL: Self = Self(9);
    /// For programs.
    pub const USR1: Self = Self(10);
    /// An address that is not mapped so.
    pub const SEGV: Self = Self(11);
    /// For programs.
    pub const USR2: Self = Self(12);
    /// A pipe that nobody reads.
    pub const PIPE: Self = Self(13);
    /// `alarm`.
    pub const ALRM: Self = Self(14);
    /// Please end.
    pub const TERM: Self = Self(15);
    /// A child stopped, went on or ended.
    pub const CHLD: Self = Self(17);
    /// Go on.
    pub const CONT: Self = Self(18);
    /// Stop, which nobody can refuse.
    pub const STOP: Self = Self(19);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(20);
    /// Read from a terminal in the background.
    pub const TTIN: Self = Self(21);
    /// Written to a terminal in the background.
    pub const TTOU: Self = Self(22);
    /// Urgent data.
    pub const URG: Self = Self(23);
    /// Too much time.
    pub const XCPU: Self = Self(24);
    /// Too large a file.
    pub const XFSZ: Self = Self(25);
    /// The window has another size.
    pub const WINCH: Self = Self(28);
    /// A system call that is none.
    pub const SYS: Self = Self(31);

    /// Signal `number`, if there is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 64 { Some(Self(number)) } else { None }
    }

    /// Its number, 1 to 64.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether each that is sent counts, with its value.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        self.0 > STANDARD
    }

    /// What it does by default.
    #[must_use]
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::CONT => DefaultAction::Continue,
            Self::CHLD | Self::URG | Self::WINCH => DefaultAction::Ignore,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => DefaultAction::Stop,
            Self::QUIT | Self::ILL | Self::TRAP | Self::ABRT | Self::BUS | Self::FPE => DefaultAction::Core,
            Self::SEGV | Self::XCPU | Self::XFSZ | Self::SYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }

    /// Whether nobody can block, ignore or handle it.
    #[must_use]
    pub const fn is_unmaskable(self) -> bool {
        SignalSet::UNMASKABLE.contains(self)
    }

    /// From 0.
    pub(super) const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

/// The last that is not a real-time one.
pub(super) const STANDARD: u8 = 31;

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({})", self.0)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {}", self.0)
    }
}

/// A set of signals, as programs have it: bit 0 is signal 1.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SignalSet(u64);

impl SignalSet {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// All 64.
    pub const ALL: Self = Self(u64::MAX);
    /// KILL and STOP.
    pub const UNMASKABLE: Self = Self::EMPTY.with(Signal::KILL).with(Signal::STOP);
    /// Those that stop a process.
    pub const STOPS: Self =
        Self::EMPTY.with(Signal::STOP).with(Signal::TSTP).with(Signal::TTIN).with(Signal::TTOU);
    /// Those that the instruction under way caused: delivered before the others.
    pub const FAULTS: Self = Self::EMPTY
        .with(Signal::ILL)
        .with(Signal::TRAP)
        .with(Signal::BUS)
        .with(Signal::FPE)
        .with(Signal::SEGV)
        .with(Signal::SYS);

    /// Of a program's word.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// A program's word.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// These, and `signal`.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | 1 << (signal.0 - 1))
    }

    /// These without `signal`.
    #[must_use]
    pub const fn without(self, signal: Signal) -> Self {
        Self(self.0 & !(1 << (signal.0 - 1)))
    }

    /// Whether `signal` is among them.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & 1 << (signal.0 - 1) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `other` has not.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The one with the lowest number.
    #[must_use]
    pub fn lowest(self) -> Option<Signal> {
        let number = u8::try_from(self.0.trailing_zeros()).ok()?;
        Signal::new(number + 1)
    }

    /// All, the lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        let rest = |set: &Self| Some(Self(set.0 & set.0.wrapping_sub(1)));
        core::iter::successors(Some(self), rest).map_while(Self::lowest)
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Signal::number)).finish()
    }
}
