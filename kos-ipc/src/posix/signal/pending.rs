//! The signals that wait for one thread or one process: `Pending`.
//!
//! Invariants: a standard signal that is in `set` has its info in `standard`; a real-time one that is not in `set` has no records.
//! One that is in it without a record was sent by `kill` when there was none.

use super::info::SignalInfo;
use super::number::{STANDARD, Signal, SignalSet};
use super::records::{Fifo, NoRecord, Records};
use crate::ports::Env;

const REALTIME: usize = 64 - STANDARD as usize;

#[derive(Debug)]
pub(super) struct Pending {
    set: SignalSet,
    standard: [SignalInfo; STANDARD as usize],
    realtime: [Fifo; REALTIME],
}

impl Pending {
    pub(super) const fn new() -> Self {
        let nobody = SignalInfo::unknown(Signal::HUP);
        let (standard, realtime) = ([nobody; STANDARD as usize], [Fifo::EMPTY; REALTIME]);
        Self { set: SignalSet::EMPTY, standard, realtime }
    }

    pub(super) const fn set(&self) -> SignalSet {
        self.set
    }

    /// Adds a signal. A standard one that is there already stays as it is. `bare`: if there is no record, a real-time one counts
    /// once, without what comes with it.
    pub(super) fn add<E: Env>(
        &mut self,
        info: SignalInfo,
        bare: bool,
        records: &mut Records<'_, E>,
    ) -> Result<(), NoRecord> {
        let signal = info.signal;
        if let Some(place) = self.standard.get_mut(signal.index()) {
            if !self.set.contains(signal) {
                *place = info;
            }
        } else if let Some(fifo) = self.realtime.get_mut(signal.index() - STANDARD as usize)
            && let Err(refused) = records.push(fifo, info)
            && !bare
        {
            return Err(refused);
        }
        self.set = self.set.with(signal);
        Ok(())
    }

    /// Takes one of `wanted`: the end first, then faults, then the lowest number, of which the first that came.
    pub(super) fn take<E: Env>(
        &mut self,
        wanted: SignalSet,
        records: &mut Records<'_, E>,
    ) -> Option<SignalInfo> {
        let there = self.set.intersection(wanted);
        let signal = if there.contains(Signal::KILL) {
            Signal::KILL
        } else {
            there.intersection(SignalSet::FAULTS).lowest().or_else(|| there.lowest())?
        };
        if let Some(&info) = self.standard.get(signal.index()) {
            self.set = self.set.without(signal);
            return Some(info);
        }
        let fifo = self.realtime.get_mut(signal.index() - STANDARD as usize)?;
        let info = records.pop(fifo);
        if fifo.count() == 0 {
            self.set = self.set.without(signal);
        }
        Some(info.unwrap_or(SignalInfo::unknown(signal)))
    }

    /// Forgets those of `unwanted`.
    pub(super) fn discard<E: Env>(&mut self, unwanted: SignalSet, records: &mut Records<'_, E>) {
        for signal in self.set.intersection(unwanted).iter().filter(|signal| signal.is_realtime()) {
            if let Some(fifo) = self.realtime.get_mut(signal.index() - STANDARD as usize) {
                records.clear(fifo);
            }
        }
        self.set = self.set.difference(unwanted);
    }

    /// Records in use, if the invariants hold.
    pub(super) fn check(&self) -> Result<usize, &'static str> {
        for signal in self.set.iter().filter(|signal| !signal.is_realtime()) {
            if self.standard.get(signal.index()).is_none_or(|info| info.signal != signal) {
                return Err("a signal with what came with another");
            }
        }
        let realtime = (STANDARD + 1..=64).filter_map(Signal::new).zip(&self.realtime);
        let strays = realtime.filter(|&(signal, fifo)| fifo.count() > 0 && !self.set.contains(signal));
        if strays.count() > 0 {
            return Err("records of a signal that is not there");
        }
        Ok(self.realtime.iter().map(Fifo::count).sum())
    }
}
