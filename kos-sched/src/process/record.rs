//! What is left of a process when all else is given back: [`Record`], at most 64 bytes.
//!
//! The number of a process is the place of its record. A record outlives its process as long as a group or a session bears
//! its number.

use super::clock::Usage;
use super::signal::Signal;
use crate::ring::{Links, NONE, Ring};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Signaled(Signal),
}

/// Storage for one process number.
#[derive(Debug)]
pub struct Record {
    pub(super) phase: Phase,
    pub(super) generation: u32,
    /// The parent's record, [`NONE`] if nobody waits.
    pub(super) parent: u32,
    /// Among the living or the dead children of the parent; among the free records.
    pub(super) siblings: Links,
    pub(super) group: u32,
    pub(super) session: u32,
    /// Among the members of the group.
    pub(super) peers: Links,
    /// The first member of the group that bears this number.
    pub(super) members: u32,
    /// How many processes are in the session that bears this number.
    pub(super) in_session: u32,
}

const _: () = assert!(size_of::<Record>() <= 64, "a zombie takes more than 64 bytes");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's.
    Free,
    /// The process is gone, its number is in use.
    Held,
    /// Running, stopped, exiting.
    Live { process: u32 },
    /// Waited for.
    Zombie { status: ExitStatus, usage: Usage },
}

impl Record {
    /// A free record.
    pub const EMPTY: Self = Self {
        phase: Phase::Free,
        generation: 0,
        parent: NONE,
        siblings: Links::NONE,
        group: NONE,
        session: NONE,
        peers: Links::NONE,
        members: NONE,
        in_session: 0,
    };

    pub(super) const SIBLINGS: Ring<Self> =
        Ring { read: |record| &record.siblings, write: |record| &mut record.siblings };
    pub(super) const PEERS: Ring<Self> =
        Ring { read: |record| &record.peers, write: |record| &mut record.peers };

    /// What a zombie and its children used; of others nothing.
    pub(super) const fn usage(&self) -> Usage {
        match self.phase {
            Phase::Zombie { usage, .. } => usage,
            _ => Usage::ZERO,
        }
    }

    pub(super) const fn is_zombie(&self) -> bool {
        matches!(self.phase, Phase::Zombie { .. })
    }
}
