//! Calls that wait for their answers, in lent places: [`CallPlace`], `Calls`.
//!
//! A call waits in the direction by which its answer comes, in a place whose number and generation are its [`Txid`]: so an answer
//! finds it in one step, and a late one finds that it is gone. Room for the answer was promised when the call began.
//!
//! ```text
//! FREE ── begin ──> WAITING ── a reply begins ──> ANSWERING ── it ends ──> ANSWERED ── the caller has read it ──> FREE, next generation
//!                      └── deadline, cancel, a side closed ──> ENDED ── the caller has seen it ──────────────────────┘
//! ```
//!
//! A caller whose time is up while an answer is being copied waits for its end: so either it arrives or both know that it did not. A
//! future that is dropped then leaves its place to who answers (ABANDONED).

use core::fmt;

use super::frame::NONE;
use super::store::{Need, Taken};
use crate::error::WaitError;
use crate::sync::{Bug, seeded};
use crate::wait::Wake;

/// Names a call that waits for its answer, as its receiver sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Txid(u64);

impl Txid {
    /// The number that user space gave.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number for user space. Never 0.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    const fn new(number: u32, generation: u32) -> Self {
        Self((generation as u64) << 32 | number as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    const fn parts(self) -> (u32, u32) {
        (self.0 as u32, (self.0 >> 32) as u32)
    }
}

impl fmt::Debug for Txid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Txid({:#x})", self.0)
    }
}

/// What may be answered to a call, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Most {
    pub(super) len: usize,
    pub(super) caps: usize,
}

impl Most {
    pub(super) const fn need(self) -> Need {
        Need::of(self.len, self.caps)
    }
}

/// Where a call stands.
#[derive(Debug)]
enum Phase {
    Free,
    Waiting(Most),
    Answering,
    Abandoned,
    Answered(Taken),
    Ended(WaitError),
}

/// A place for a call that waits for its answer.
pub struct CallPlace<T> {
    generation: u32,
    phase: Phase,
    wake: Option<Wake<T>>,
    next: u32,
}

impl<T> CallPlace<T> {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { generation: 1, phase: Phase::Free, wake: None, next: NONE }
    }

    /// Starts at `generation`, so that tests see the last.
    #[cfg(test)]
    pub(super) fn starting_at(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }
}

impl<T> Default for CallPlace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for CallPlace<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPlace").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The calls whose answers come by one direction.
pub(super) struct Calls<'m, T> {
    places: &'m mut [CallPlace<T>],
    free: u32,
}

/// A call that left before its answer; what was promised for that is free again.
pub(super) struct Left {
    pub(super) room: Need,
    /// An answer that nobody reads.
    pub(super) answer: Option<Taken>,
}

impl<'m, T: Clone> Calls<'m, T> {
    pub(super) fn new(places: &'m mut [CallPlace<T>]) -> Self {
        let mut free = NONE;
        for (number, place) in (0..NONE).zip(places.iter_mut()) {
            (place.phase, place.wake) = (Phase::Free, None);
            if place.generation < u32::MAX {
                place.next = core::mem::replace(&mut free, number);
            }
        }
        Self { places, free }
    }

    fn place(&mut self, number: u32) -> Option<&mut CallPlace<T>> {
        self.places.get_mut(number as usize)
    }

    /// The place of a call, if that is still its own.
    fn place_of(&mut self, txid: Txid) -> Option<&mut CallPlace<T>> {
        let (number, generation) = txid.parts();
        self.place(number).filter(|place| place.generation == generation)
    }

    /// Begins a call; `None` if no place is free.
    pub(super) fn begin(&mut self, most: Most, wake: Wake<T>) -> Option<Txid> {
        let number = self.free;
        let place = self.place(number)?;
        (place.phase, place.wake) = (Phase::Waiting(most), Some(wake));
        let (txid, next) = (Txid::new(number, place.generation), place.next);
        self.free = next;
        Some(txid)
    }

    /// Has somebody else woken. What was there before is to be dropped without the lock.
    pub(super) fn set_wake(&mut self, txid: Txid, wake: &mut Option<Wake<T>>) {
        if let Some(place) = self.place_of(txid) {
            core::mem::swap(&mut place.wake, wake);
        }
    }

    /// What may be answered, if the call waits; the caller then answers it. The number is that of its place.
    pub(super) fn answering(&mut self, txid: Txid, fits: impl FnOnce(Most) -> bool) -> Option<(u32, Most)> {
        let place = self.place_of(txid)?;
        let Phase::Waiting(most) = place.phase else { return None };
        if fits(most) {
            place.phase = Phase::Answering;
        }
        Some((txid.parts().0, most))
    }

    /// Gives the answer; whom to wake. It comes back if the caller is gone.
    pub(super) fn set_answer(&mut self, number: u32, answer: Taken) -> Result<Option<Wake<T>>, Taken> {
        let Some(place) = self.place(number) else { return Err(answer) };
        match place.phase {
            Phase::Answering => {
                place.phase = Phase::Answered(answer);
                Ok(place.wake.as_ref().map(Wake::again))
            }
            _ => {
                self.release(number);
                Err(answer)
            }
        }
    }

    /// Ends a call that waits, for `cause`.
    pub(super) fn leave(&mut self, txid: Txid, cause: WaitError) -> Need {
        let Some(place) = self.place_of(txid) else { return Need::default() };
        match place.phase {
            Phase::Waiting(most) => {
                place.phase = Phase::Ended(cause);
                most.need()
            }
            Phase::Answered(_) if seeded(Bug::ReplyUnseen) => {
                place.phase = Phase::Ended(cause);
                Need::default()
            }
            _ => Need::default(),
        }
    }

    /// How a call ended, which is told once; `None` if it did not.
    pub(super) fn outcome(&mut self, txid: Txid) -> Option<Result<Taken, WaitError>> {
        let (number, _) = txid.parts();
        let place = self.place_of(txid)?;
        match core::mem::replace(&mut place.phase, Phase::Free) {
            Phase::Answered(answer) => {
                self.release(number);
                Some(Ok(answer))
            }
            Phase::Ended(cause) => {
                self.release(number);
                Some(Err(cause))
            }
            other => {
                place.phase = other;
                None
            }
        }
    }

    /// Ends a call of which nobody wants to know any more.
    pub(super) fn abandon(&mut self, txid: Txid) -> Left {
        let (number, _) = txid.parts();
        let mut left = Left { room: Need::default(), answer: None };
        let Some(place) = self.place_of(txid) else { return left };
        match core::mem::replace(&mut place.phase, Phase::Abandoned) {
            // Who answers releases the place.
            Phase::Answering => return left,
            Phase::Waiting(most) => left.room = most.need(),
            Phase::Answered(answer) => left.answer = Some(answer),
            Phase::Free | Phase::Abandoned | Phase::Ended(_) => {}
        }
        self.release(number);
        left
    }

    /// Ends the call in place `number`, if one waits there: the room that it had, and whom to wake. `None` behind the last place.
    pub(super) fn end(&mut self, number: usize, cause: WaitError) -> Option<(Need, Option<Wake<T>>)> {
        let place = self.places.get_mut(number)?;
        let Phase::Waiting(most) = place.phase else { return Some((Need::default(), None)) };
        place.phase = Phase::Ended(cause);
        Some((most.need(), place.wake.as_ref().map(Wake::again)))
    }

    fn release(&mut self, number: u32) {
        let free = self.free;
        let Some(place) = self.place(number) else { return };
        (place.phase, place.wake) = (Phase::Free, None);
        place.generation = place.generation.saturating_add(1);
        // The last generation is given to nobody: a place that has it is used up.
        if place.generation < u32::MAX {
            place.next = free;
            self.free = number;
        }
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let (mut listed, mut at) = (0, self.free);
        while let Some(place) = self.places.get(at as usize).filter(|_| listed <= self.places.len()) {
            if !matches!(place.phase, Phase::Free) {
                return Err("a call in a free place");
            }
            (listed, at) = (listed + 1, place.next);
        }
        let free = |place: &&CallPlace<T>| matches!(place.phase, Phase::Free) && place.generation < u32::MAX;
        match self.places.iter().filter(free).count() == listed {
            true => Ok(()),
            false => Err("a free place for calls that is nowhere"),
        }
    }
}
