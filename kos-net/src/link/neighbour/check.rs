//! Walks every invariant of a table: [`Corruption`].

use super::slot::{NONE, Slot};
use super::table::Table;
use crate::room::Room;

/// An invariant that does not hold: a fault of this crate, or of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// An entry is not found where its hash says.
    NotFound {
        /// Its slot.
        slot: u16,
    },
    /// The lists by use do not hold each entry once.
    Lists {
        /// How many entries they hold.
        listed: usize,
        /// How many there are.
        used: usize,
    },
    /// A deadline stands before an earlier one, or not where its slot says.
    Heap {
        /// Its place in the heap.
        place: u16,
    },
    /// Used and free slots are not all slots.
    Leak {
        /// How many are neither.
        lost: usize,
    },
    /// Frames stand behind a gap, or wait for nothing.
    Queue {
        /// Whose.
        slot: u16,
    },
    /// More addresses are searched for than may be.
    Unresolved {
        /// How many.
        count: u16,
    },
}

impl core::fmt::Display for Corruption {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotFound { slot } => write!(f, "neighbour {slot} is not found by its address"),
            Self::Lists { listed, used } => {
                write!(f, "{listed} neighbours are listed where {used} are known")
            }
            Self::Heap { place } => write!(f, "the deadline at place {place} is out of order"),
            Self::Leak { lost } => write!(f, "{lost} slots are neither used nor free"),
            Self::Queue { slot } => write!(f, "the frames of neighbour {slot} wait for nothing"),
            Self::Unresolved { count } => write!(f, "{count} addresses are searched for"),
        }
    }
}

impl core::error::Error for Corruption {}

pub(super) fn check<F, S: Room<Slot<F>>>(table: &Table<F, S>) -> Result<(), Corruption> {
    let mut used = 0;
    for index in 0..table.capacity() {
        let slot = table.at(index);
        if !slot.used {
            continue;
        }
        used += 1;
        if table.find(&slot.entry.hop) != Some(index) {
            return Err(Corruption::NotFound { slot: index });
        }
        let gap = slot.queue.iter().skip_while(|frame| frame.is_some()).any(Option::is_some);
        if gap || (slot.waiting() > 0 && slot.place == NONE) {
            return Err(Corruption::Queue { slot: index });
        }
    }
    let listed = usize::from(table.count(false)) + usize::from(table.count(true));
    if listed != used || !table.lists_hold() {
        return Err(Corruption::Lists { listed, used });
    }
    let free = table.free_slots();
    match usize::from(table.capacity()).checked_sub(used + free) {
        Some(0) => {}
        lost => return Err(Corruption::Leak { lost: lost.unwrap_or(0) }),
    }
    table.heap_fault().map_or(Ok(()), |place| Err(Corruption::Heap { place }))
}

impl<F, S: Room<Slot<F>>> Table<F, S> {
    /// Whether each list leads from its newest to its oldest over as many entries as it counts, of its kind.
    fn lists_hold(&self) -> bool {
        [false, true].into_iter().all(|unresolved| {
            let (mut next, mut newer) = (self.newest(unresolved), NONE);
            for _ in 0..self.count(unresolved) {
                let Some(index) = next else { return false };
                let slot = self.at(index);
                if slot.newer != newer || slot.entry.state.is_unresolved() != unresolved {
                    return false;
                }
                (newer, next) = (index, (slot.older != NONE).then_some(slot.older));
            }
            next.is_none() && self.oldest(unresolved).unwrap_or(NONE) == newer
        })
    }

    fn free_slots(&self) -> usize {
        let (mut next, mut count) = (self.first_free(), 0);
        while next != NONE && count <= usize::from(self.capacity()) {
            (next, count) = (self.at(next).chain, count + 1);
        }
        count
    }

    fn heap_fault(&self) -> Option<u16> {
        (0..self.deadlines()).find(|&place| {
            let index = self.at(place).heap;
            let parent = self.at(place.saturating_sub(1) / 2).heap;
            let slot = self.at(index);
            slot.place != place || !slot.used || self.at(parent).deadline > slot.deadline
        })
    }
}
