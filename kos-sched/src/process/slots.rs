//! What a live process has beside its record: [`Process`], and [`Thread`] for each of its threads.

use super::clock::Usage;
use super::limits::{Limits, Used};
use super::record::ExitStatus;
use super::signal::Signal;
use crate::ring::{Links, NONE, Ring};

/// Storage for one live process with the integrator's part `X`.
#[derive(Debug)]
pub struct Process<X> {
    /// There from birth until the last thread leaves.
    pub(super) ext: Option<X>,
    pub(super) record: u32,
    /// Among the free ones.
    pub(super) free: Links,
    pub(super) children: u32,
    pub(super) zombies: u32,
    pub(super) threads: u32,
    pub(super) thread_count: u32,
    /// Threads that wait for a child.
    pub(super) waiters: u32,
    /// Set once: how it will have ended.
    pub(super) dying: Option<ExitStatus>,
    /// The thread that waits to be the only one, to execute a new image.
    pub(super) sole: u32,
    pub(super) stopped: Option<Signal>,
    /// What the parent may wait for.
    pub(super) report: Option<Report>,
    pub(super) auto_reap: bool,
    pub(super) executed: bool,
    /// Of threads that have left.
    pub(super) usage: Usage,
    /// Of children that were waited for, and theirs.
    pub(super) children_usage: Usage,
    pub(super) limits: Limits,
    pub(super) used: Used,
    pub(super) domain: u32,
}

/// A change of a child that its parent may wait for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Stopped(Signal),
    Continued,
}

impl<X> Process<X> {
    /// A free slot.
    pub const EMPTY: Self = Self {
        ext: None,
        record: NONE,
        free: Links::NONE,
        children: NONE,
        zombies: NONE,
        threads: NONE,
        thread_count: 0,
        waiters: NONE,
        dying: None,
        sole: NONE,
        stopped: None,
        report: None,
        auto_reap: false,
        executed: false,
        usage: Usage::ZERO,
        children_usage: Usage::ZERO,
        limits: Limits::UNLIMITED,
        used: Used::ZERO,
        domain: NONE,
    };

    pub(super) const FREE: Ring<Self> =
        Ring { read: |process| &process.free, write: |process| &mut process.free };

    /// Whether `thread` is to leave.
    pub(super) fn dooms(&self, thread: u32) -> bool {
        self.dying.is_some() || (self.sole != NONE && self.sole != thread)
    }
}

/// Storage for one thread, which is the task `T` of the scheduler.
#[derive(Debug)]
pub struct Thread<T> {
    /// Unknown until the thread was started.
    pub(super) task: Option<T>,
    pub(super) generation: u32,
    /// [`NONE`] if the slot is free.
    pub(super) process: u32,
    /// Among the threads of the process; among the free ones.
    pub(super) peers: Links,
    /// Among those that wait for a child, or those that are to be woken.
    pub(super) queue: Links,
    pub(super) queued: Queued,
}

/// Which ring a thread's `queue` is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    No,
    /// For a child.
    Waiting,
    /// To be woken.
    Wake,
    /// To be woken to leave.
    Interrupt,
}

impl<T> Thread<T> {
    /// A free slot.
    pub const EMPTY: Self = Self {
        task: None,
        generation: 0,
        process: NONE,
        peers: Links::NONE,
        queue: Links::NONE,
        queued: Queued::No,
    };

    pub(super) const PEERS: Ring<Self> =
        Ring { read: |thread| &thread.peers, write: |thread| &mut thread.peers };
    pub(super) const QUEUE: Ring<Self> =
        Ring { read: |thread| &thread.queue, write: |thread| &mut thread.queue };
}
