//! Operations, and how bytes say them.

use super::model::Model;
use crate::task::{DlParams, Nice, Policy, RtPriority};
use crate::time::Duration;

/// One operation. Tasks are named by slot, the one behind the last included.
#[derive(Clone, Copy, Debug)]
pub enum PolicyOp {
    /// A new task.
    Admit(Policy),
    /// Wakes a task.
    Enqueue(u32),
    /// Puts a task to sleep.
    Dequeue(u32),
    /// Puts the current task to sleep.
    Block,
    /// Picks.
    Pick,
    /// Puts the current task back.
    PutPrevious,
    /// A tick.
    Charge,
    /// The current task yields.
    Yield,
    /// A task's policy changes.
    SetAttr(u32, Policy),
    /// A task leaves and comes back, as if from another CPU.
    Migrate(u32),
    /// The queue gives a task away that has this slot or a higher one, and gets it back.
    Steal(u32),
    /// A task ends.
    Remove(u32),
}

/// How the time moves before an operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delay {
    /// By this much.
    By(u64),
    /// Back by this much.
    Back(u64),
    /// To the next event of the queue.
    ToEvent,
}

impl Delay {
    /// The time after `now`. It does not pass its end.
    pub(super) fn apply(self, now: u64, model: &Model) -> u64 {
        match self {
            Self::By(length) => now.saturating_add(length),
            Self::Back(length) => now.saturating_sub(length),
            Self::ToEvent => model.next_event().map_or(now, |event| event.as_ticks()),
        }
    }
}

/// Which tasks a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    Fair,
    Rt,
    Deadline,
}

/// Bytes as a source of operations.
#[derive(Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// A source of what `data` says.
    #[must_use]
    pub const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// The next operation and the time that passes before it. [`None`] at the end.
    pub(super) fn operation(&mut self, mix: Mix, slots: usize) -> Option<(Delay, PolicyOp)> {
        if self.0.is_empty() {
            return None;
        }
        let delay = self.delay();
        let code = self.byte() % 32;
        let op = match code {
            0..5 => PolicyOp::Admit(self.policy(mix)),
            5..9 => PolicyOp::Enqueue(self.slot(slots)),
            9..11 => PolicyOp::Dequeue(self.slot(slots)),
            11..15 => PolicyOp::Block,
            15..21 => PolicyOp::Pick,
            21 => PolicyOp::PutPrevious,
            22..25 => PolicyOp::Charge,
            25 => PolicyOp::Yield,
            26..29 => {
                let task = self.slot(slots);
                PolicyOp::SetAttr(task, self.policy(mix))
            }
            29 => PolicyOp::Migrate(self.slot(slots)),
            30 => PolicyOp::Steal(self.slot(slots)),
            _ => PolicyOp::Remove(self.slot(slots)),
        };
        Some((delay, op))
    }

    fn slot(&mut self, slots: usize) -> u32 {
        u32::from(self.byte()) % u32::try_from(slots + 1).unwrap_or(u32::MAX)
    }

    fn delay(&mut self) -> Delay {
        let size = self.byte();
        let length = u64::from(self.byte());
        match size % 16 {
            0..4 => Delay::By(0),
            4..6 => Delay::By(length),
            6..9 => Delay::By(length << 12),
            9..11 => Delay::By(length << 17),
            11 => Delay::By(length << 28),
            12 => Delay::Back(length << 16),
            13 if length > 250 => Delay::By(length << 34),
            _ => Delay::ToEvent,
        }
    }

    fn policy(&mut self, mix: Mix) -> Policy {
        let kind = self.byte() % 16;
        match (mix, kind) {
            (_, 0) => Policy::Stop,
            (_, 1) => Policy::IdleThread,
            (Mix::Fair, 2) | (Mix::Rt, 3..8) => Policy::Fifo(self.priority()),
            (Mix::Fair, 3) | (Mix::Rt, 8..14) => {
                let quantum = Duration::from_ticks(1_000_000 + (u64::from(self.byte()) << 16));
                Policy::RoundRobin(self.priority(), quantum)
            }
            (Mix::Deadline, 2..12) | (_, 14) => Policy::Deadline(self.params()),
            (Mix::Fair, 4) => Policy::Idle,
            (Mix::Fair, 5) => Policy::Batch(self.nice()),
            _ => {
                let slice = Duration::from_ticks(100_000 + u64::from(self.byte()) * 390_000);
                Policy::Fair { nice: self.nice(), slice }
            }
        }
    }

    /// Small shares, so that several fit, and every sixteenth time a large one.
    fn params(&mut self) -> DlParams {
        let period = 1_000_000 * (1 + u64::from(self.byte() % 20));
        let deadline = period - period / 64 * u64::from(self.byte().saturating_sub(128) / 4);
        let runtime = match self.byte() {
            large @ 240.. => deadline / 256 * u64::from(large),
            small => deadline / 1024 * u64::from(small),
        };
        let [runtime, deadline, period] = [runtime.max(1_000), deadline, period].map(Duration::from_ticks);
        DlParams::new(runtime, deadline, period).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Few priorities, so that there are equals.
    fn priority(&mut self) -> RtPriority {
        RtPriority::new(self.byte() % 4 * 33).unwrap_or_default()
    }

    fn nice(&mut self) -> Nice {
        Nice::new((self.byte() % 40).cast_signed() - 20).unwrap_or_default()
    }
}
