//! Signals: [`SignalGroup`] of a process, [`SignalThread`] of each of its threads.
//!
//! | item | what it is |
//! |---|---|
//! | [`Signal`], [`SignalSet`], [`SignalInfo`] | a number, 64 of them as bits, and what comes with one |
//! | [`Action`], [`Disposition`] | what a process does about a signal |
//! | [`Delivery`], [`Frame`] | what a thread is to do before it goes on: user frames are the integrator's |
//! | [`after_interrupt`] | whether a call that was interrupted begins again |
//!
//! One lock for each process. Under it a signal is given to a thread that waits for it, or kept: standard ones in a place of
//! their own, once; real-time ones in lent records, each, first come first served. Then a thread that does not block it is chosen
//! and the scheduler told without the lock ([`Park::interrupt`](crate::Park::interrupt)).
//!
//! A thread that blocks a signal, or ends, hands over what it was chosen for. A stop forgets CONT and CONT forgets stops, before
//! anybody asks whether they are ignored.
//!
//! Sources: POSIX, "Signal Concepts" (IEEE 1003.1, 2018, 2.4); signal(7); and what Linux does beyond, which the tests compare.

mod action;
mod delivery;
mod error;
mod group;
mod info;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(loom)))]
#[expect(unsafe_code, reason = "system calls")]
mod linux;
mod number;
mod pending;
mod records;
mod restart;
mod slot;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(loom)))]
mod tests_linux;
mod thread;

pub use action::{Action, ActionFlags, Disposition};
pub use delivery::{Delivery, Frame};
pub use error::{AwaitError, NoThreadSlot, SendError, Unchangeable};
pub use group::{Sent, SignalGroup};
pub use info::{SignalCode, SignalInfo};
pub use number::{DefaultAction, Signal, SignalSet};
pub use records::SignalRecord;
pub use restart::{Outcome, Restart, after_interrupt};
pub use slot::{ThreadKey, ThreadSlot};
pub use thread::SignalThread;
