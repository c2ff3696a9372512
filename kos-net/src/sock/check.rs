//! The invariants of all sockets, walked.

use super::slab::Sockets;
use super::{Readiness, Storage};
use crate::stack::Corruption;

impl<F, S: Storage<F>> Sockets<F, S> {
    /// Walks the slots and all that links them.
    pub(crate) fn check(&mut self) -> Result<(), Corruption> {
        let (live, free, slots) = (self.live(), self.count_free(), self.storage.slots());
        let used = (0..slots).filter(|&index| self.at(index).is_some()).count();
        if u64::from(live) + u64::from(free) != u64::from(slots) || used as u64 != u64::from(live) {
            return Err(Corruption::Slots { live, free, slots });
        }
        for index in 0..slots {
            let Some(slot) = self.storage.slot(index) else { return Err(Corruption::List { slot: index }) };
            let (used, news) = (slot.socket.is_some(), slot.news != Readiness::empty());
            if (!used && slot.dirty.is_in()) || (slot.ready.is_in() != news) {
                return Err(Corruption::List { slot: index });
            }
        }
        self.check_tables()
    }
}
