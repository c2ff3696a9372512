//! What becomes of a system call that a signal interrupted: [`after_interrupt`].
//!
//! ```
//! use kos_ipc::posix::signal::{ActionFlags, Outcome, Restart, after_interrupt};
//!
//! let read = Restart::IfAsked; // a slow `read`
//! assert_eq!(after_interrupt(read, 0, Some(ActionFlags::RESTART)), Outcome::Restart);
//! assert_eq!(after_interrupt(read, 0, Some(ActionFlags::empty())), Outcome::Interrupted);
//! assert_eq!(after_interrupt(read, 7, Some(ActionFlags::RESTART)), Outcome::Done(7)); // what went is not done again
//! ```
//!
//! Source: signal(7), "Interruption of system calls and library functions by signal handlers"; POSIX `sigaction`, SA_RESTART.

use super::action::ActionFlags;

/// Which calls begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always: it must not fail for a signal.
    Always,
    /// If the handler was set up with [`ActionFlags::RESTART`], or none ran: `read`, `write`, `wait`, `futex`.
    IfAsked,
    /// If no handler ran: `sigsuspend`, `pause`, `poll`, a sleep for what is left of its time.
    Unhandled,
    /// Never: `sigtimedwait`, a call with a time limit of its socket.
    Never,
}

/// What the program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Nothing: the call begins again, after the handler if one runs. What was left of a time limit is what it begins with.
    Restart,
    /// EINTR.
    Interrupted,
    /// It returns how much was done.
    Done(usize),
}

/// What becomes of a call of the kind `restart` that did `done` bytes before it was interrupted. `handler`: the flags of the
/// first handler that runs now; `None` if none does, because the process stopped and went on, or the signal was ignored.
pub const fn after_interrupt(restart: Restart, done: usize, handler: Option<ActionFlags>) -> Outcome {
    if done > 0 {
        return Outcome::Done(done);
    }
    match (restart, handler) {
        (Restart::Always, _) | (Restart::IfAsked | Restart::Unhandled, None) => Outcome::Restart,
        (Restart::IfAsked, Some(flags)) if flags.contains(ActionFlags::RESTART) => Outcome::Restart,
        _ => Outcome::Interrupted,
    }
}
