//! What a process does about its signals: [`Action`].
//!
//! Source: POSIX `sigaction`; Linux, sigaction(2).

use super::number::{Signal, SignalSet};

bitflags::bitflags! {
    /// How a signal is handled, with Linux's numbers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ActionFlags: u32 {
        /// A child that stops or goes on is not told of.
        const NO_CHILD_STOP = 1;
        /// Children that end are not waited for.
        const NO_CHILD_WAIT = 2;
        /// The handler is given what came with the signal.
        const INFO = 4;
        /// The program says where a handler returns to.
        const RESTORER = 0x0400_0000;
        /// On the alternative stack.
        const ON_STACK = 0x0800_0000;
        /// What is interrupted begins again.
        const RESTART = 0x1000_0000;
        /// The signal is not blocked while it is handled.
        const NO_DEFER = 0x4000_0000;
        /// The handler is asked once.
        const RESET_HAND = 0x8000_0000;
    }
}

/// What is done about a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// What [`Signal::default_action`] says.
    #[default]
    Default,
    /// Nothing.
    Ignore,
    /// A function of the program is called.
    Handle {
        /// Its address.
        entry: usize,
        /// Where it returns to, if the program says so.
        restorer: usize,
    },
}

/// What is done about a signal, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub disposition: Disposition,
    /// What else is blocked meanwhile.
    pub mask: SignalSet,
    /// How.
    pub flags: ActionFlags,
}

impl Action {
    /// What [`Signal::default_action`] says.
    pub const DEFAULT: Self =
        Self { disposition: Disposition::Default, mask: SignalSet::EMPTY, flags: ActionFlags::empty() };
    /// Nothing.
    pub const IGNORE: Self = Self { disposition: Disposition::Ignore, ..Self::DEFAULT };

    /// The function at `entry` is called.
    #[must_use]
    pub const fn handle(entry: usize, mask: SignalSet, flags: ActionFlags) -> Self {
        Self { disposition: Disposition::Handle { entry, restorer: 0 }, mask, flags }
    }

    /// Whether nothing comes of `signal`, but that CONT lets a stopped process go on.
    pub(super) const fn ignores(&self, signal: Signal) -> bool {
        use super::number::DefaultAction::{Continue, Ignore};
        match self.disposition {
            Disposition::Ignore => true,
            Disposition::Default => matches!(signal.default_action(), Ignore | Continue),
            Disposition::Handle { .. } => false,
        }
    }
}

impl Default for Action {
    fn default() -> Self {
        Self::DEFAULT
    }
}
