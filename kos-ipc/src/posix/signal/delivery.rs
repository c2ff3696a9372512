//! What a thread is to do for a signal before it goes on in its program: [`Delivery`].

use super::action::ActionFlags;
use super::info::SignalInfo;
use super::number::{DefaultAction, Signal, SignalSet};

/// A handler that is to be called. The frame on the user's stack is the integrator's; when the handler returns, he sets
/// [`old_mask`](Self::old_mask) again and asks for what is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function.
    pub entry: usize,
    /// Where it returns to, if the program said so.
    pub restorer: usize,
    /// What it is given.
    pub info: SignalInfo,
    /// How it is called, and whether what was interrupted [begins again](super::after_interrupt).
    pub flags: ActionFlags,
    /// The mask after it.
    pub old_mask: SignalSet,
}

/// What a thread is to do for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// Call a handler. There may be another signal: ask again, its frame goes on top.
    Handle(Frame),
    /// Sleep in [`stop`](super::SignalThread::stop); then ask again.
    Stop {
        /// By what.
        signal: Signal,
        /// The first thread to stop: the parent is to be told, once.
        first: bool,
    },
    /// The process ends: each of its threads is told so.
    Terminate {
        /// Of what.
        info: SignalInfo,
        /// With a core file.
        core: bool,
    },
}

impl Delivery {
    pub(super) fn terminate(info: SignalInfo) -> Self {
        Self::Terminate { info, core: info.signal.default_action() == DefaultAction::Core }
    }
}
