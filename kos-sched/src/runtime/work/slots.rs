//! The memory of a pool: names, items, workers.

use core::fmt;
use core::ops::Range;
use core::task::Waker;

use super::error::JoinError;
use super::worker::Work;
use crate::atomic::AtomicBool;
use crate::ring::{Links, NONE, Ring};
use crate::time::Instant;

/// A registered work, past or present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// How soon an item is taken: those of a higher class first, wherever they are queued for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WorkClass {
    /// Before all others.
    Urgent,
    /// In between.
    #[default]
    Normal,
    /// When there is nothing else.
    Background,
}

pub(super) const CLASSES: usize = 3;

/// How an item wants to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkOptions {
    /// How soon.
    pub class: WorkClass,
    /// By which workers: bit `n` is worker `n`; workers above 63 go with bit 63.
    pub affinity: u64,
    /// What was not started by then is not started.
    pub deadline: Option<Instant>,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { class: WorkClass::Normal, affinity: u64::MAX, deadline: None }
    }
}

impl WorkOptions {
    pub(super) fn allows(&self, worker: usize) -> bool {
        self.affinity >> worker.min(63) & 1 != 0
    }
}

/// Storage for one name.
pub struct Registration<'s, A, R> {
    pub(super) work: Option<&'s dyn Work<A, R>>,
    pub(super) name: [u8; 32],
    pub(super) length: u8,
    pub(super) generation: u32,
    /// Items of it that have not ended.
    pub(super) items: u32,
}

impl<A, R> Registration<'_, A, R> {
    /// No name.
    pub const EMPTY: Self = Self { work: None, name: [0; 32], length: 0, generation: 0, items: 0 };

    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length.into()).unwrap_or_default()
    }
}

impl<A, R> fmt::Debug for Registration<'_, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// What work can look at while it runs: whether its item was cancelled.
#[derive(Debug)]
pub struct WorkFlag(pub(super) AtomicBool);

impl WorkFlag {
    /// Not cancelled.
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Not cancelled.
    #[must_use]
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl Default for WorkFlag {
    fn default() -> Self {
        Self::new()
    }
}

/// Storage for one item.
#[derive(Debug)]
pub struct Item<A, R, T> {
    pub(super) phase: Phase,
    pub(super) registration: u32,
    pub(super) args: Option<A>,
    pub(super) range: Option<Pieces<A, R>>,
    pub(super) result: Option<R>,
    pub(super) options: WorkOptions,
    /// The worker in whose queue it is.
    pub(super) home: u32,
    /// Pieces that run.
    pub(super) running: u32,
    pub(super) failure: Option<JoinError>,
    pub(super) joined: bool,
    pub(super) joiner: Option<T>,
    pub(super) waker: Option<Waker>,
    pub(super) links: Links,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Free,
    /// There is something to start.
    Queued,
    /// All is started, or nothing more is to be.
    Running,
    Ended,
}

/// What is left of a range, and how it is taken apart and put together.
#[derive(Clone, Debug)]
pub(super) struct Pieces<A, R> {
    pub(super) rest: Range<u64>,
    pub(super) grain: u64,
    pub(super) copy: fn(&A) -> A,
    pub(super) fold: fn(R, R) -> R,
}

impl<A, R, T> Item<A, R, T> {
    /// A free slot.
    pub const EMPTY: Self = Self {
        phase: Phase::Free,
        registration: NONE,
        args: None,
        range: None,
        result: None,
        options: WorkOptions { class: WorkClass::Normal, affinity: 0, deadline: None },
        home: NONE,
        running: 0,
        failure: None,
        joined: false,
        joiner: None,
        waker: None,
        links: Links::NONE,
    };

    pub(super) const LINKS: Ring<Self> = Ring { read: |item| &item.links, write: |item| &mut item.links };
}

/// Storage for one worker.
#[derive(Clone, Debug)]
pub struct WorkerSlot<T> {
    /// Who runs it.
    pub(super) task: Option<T>,
    /// It sleeps, or is about to.
    pub(super) idle: bool,
    pub(super) queues: [u32; CLASSES],
}

impl<T> WorkerSlot<T> {
    /// Nobody runs it.
    pub const EMPTY: Self = Self { task: None, idle: false, queues: [NONE; CLASSES] };
}
