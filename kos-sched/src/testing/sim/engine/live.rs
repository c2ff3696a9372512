//! The state of a simulated task and of an event.

use alloc::collections::VecDeque;

use crate::task::TaskId;

use super::super::clockwork::NEVER;
use super::super::rng::Rng;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not started yet.
    New,
    /// Wants to run.
    Ready,
    /// Runs.
    Running,
    /// Sleeps until a time or an event.
    Asleep,
    /// Sleeps until somebody wakes it.
    Parked,
    /// Has ended.
    Gone,
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub(super) rng: Rng,
    /// What the scheduler calls it while it lives.
    pub(super) id: Option<TaskId>,
    /// CPU time that it still wants before its next step.
    pub(super) left: u64,
    /// CPU time that it had, and what of it before it was started the last time.
    pub(super) ran: u64,
    pub(super) ran_before: u64,
    /// When its job opened; [`NEVER`] without one.
    pub(super) release: u64,
    /// The next step.
    pub(super) pc: u32,
    /// How often it has gone round its counted loop.
    pub(super) turns: u32,
    /// Where it ran the last time.
    pub(super) cpu: u32,
    pub(super) state: State,
    /// A wake that came early.
    pub(super) permit: bool,
}

impl Live {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            rng,
            id: None,
            left: 0,
            ran: 0,
            ran_before: 0,
            release: NEVER,
            pc: 0,
            turns: 0,
            cpu: 0,
            state: State::New,
            permit: false,
        }
    }

    /// It starts, as `id`, from `cpu`.
    pub(super) fn begin(&mut self, id: TaskId, cpu: u32) {
        *self = Self { id: Some(id), cpu, ran: self.ran, ran_before: self.ran, ..Self::new(self.rng) };
        self.state = State::Ready;
    }
}

/// An event: how many there are to take, or who waits for one.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters {
    pub(super) count: u64,
    pub(super) queue: VecDeque<u32>,
}
