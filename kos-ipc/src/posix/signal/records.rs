//! Lent places for real-time signals: [`SignalRecord`], `Records`.

use super::info::SignalInfo;
use super::number::Signal;
use crate::ports::Env;
use crate::quota::{Quota, QuotaError, Resource};

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// A place for one queued real-time signal.
#[derive(Clone, Copy, Debug)]
pub struct SignalRecord {
    info: SignalInfo,
    next: u32,
}

impl SignalRecord {
    /// Free.
    #[must_use]
    pub const fn new() -> Self {
        Self { info: SignalInfo::unknown(Signal::HUP), next: NONE }
    }
}

impl Default for SignalRecord {
    fn default() -> Self {
        Self::new()
    }
}

/// Why there is no place for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRecord {
    Full,
    Quota(QuotaError),
}

/// The places of one process, and who pays for those in use.
pub(super) struct Records<'m, E: Env> {
    lent: &'m mut [SignalRecord],
    free: u32,
    quota: Option<Quota<'m, E>>,
}

/// A queue of records, first come first served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fifo {
    head: u32,
    tail: u32,
    count: u32,
}

impl Fifo {
    pub(super) const EMPTY: Self = Self { head: NONE, tail: NONE, count: 0 };

    pub(super) const fn count(&self) -> usize {
        self.count as usize
    }
}

impl<'m, E: Env> Records<'m, E> {
    pub(super) fn new(lent: &'m mut [SignalRecord], quota: Option<Quota<'m, E>>) -> Self {
        let mut free = NONE;
        for (at, record) in (0..NONE).zip(lent.iter_mut()) {
            record.next = free;
            free = at;
        }
        Self { lent, free, quota }
    }

    fn at(&mut self, at: u32) -> Option<&mut SignalRecord> {
        self.lent.get_mut(at as usize)
    }

    /// Puts `info` behind the last of `fifo`.
    pub(super) fn push(&mut self, fifo: &mut Fifo, info: SignalInfo) -> Result<(), NoRecord> {
        let place = self.free;
        if self.at(place).is_none() {
            return Err(NoRecord::Full);
        }
        if let Some(quota) = &self.quota {
            quota.charge(Resource::Signals, 1).map_err(NoRecord::Quota)?;
        }
        if let Some(record) = self.at(place) {
            let free = core::mem::replace(record, SignalRecord { info, next: NONE }).next;
            self.free = free;
        }
        match self.at(fifo.tail) {
            Some(last) => last.next = place,
            None => fifo.head = place,
        }
        (fifo.tail, fifo.count) = (place, fifo.count + 1);
        Ok(())
    }

    /// Takes the first of `fifo`.
    pub(super) fn pop(&mut self, fifo: &mut Fifo) -> Option<SignalInfo> {
        let (first, free) = (fifo.head, self.free);
        let record = self.at(first)?;
        let info = record.info;
        let next = core::mem::replace(&mut record.next, free);
        self.free = first;
        *fifo = if next == NONE { Fifo::EMPTY } else { Fifo { head: next, count: fifo.count - 1, ..*fifo } };
        self.refund(1);
        Some(info)
    }

    /// Frees all of `fifo` at once.
    pub(super) fn clear(&mut self, fifo: &mut Fifo) {
        let (all, free) = (core::mem::replace(fifo, Fifo::EMPTY), self.free);
        if let Some(last) = self.at(all.tail) {
            last.next = free;
            self.free = all.head;
            self.refund(all.count());
        }
    }

    fn refund(&self, count: usize) {
        if let Some(quota) = &self.quota {
            quota.refund(Resource::Signals, count);
        }
    }

    /// How many are in no queue, by the list; more than there are if the list runs in a circle.
    pub(super) fn free(&self) -> usize {
        let at = |at: u32| self.lent.get(at as usize);
        let all = core::iter::successors(at(self.free), |record| at(record.next));
        all.take(self.lent.len() + 1).count()
    }

    pub(super) const fn capacity(&self) -> usize {
        self.lent.len()
    }
}
