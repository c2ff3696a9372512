//! Room for one neighbour: [`Slot`], and what is known of it: [`Entry`], [`State`].

use core::net::{IpAddr, Ipv4Addr};

use crate::link::InterfaceId;
use crate::time::Instant;
use crate::wire::MacAddr;

/// Packets that wait for one neighbour's address.
pub const QUEUED: usize = 3;

/// The end of a chain.
pub(super) const NONE: u16 = u16::MAX;

/// An address on a link, where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// On which link.
    pub interface: InterfaceId,
    /// Neither a group's nor a broadcast address.
    pub address: IpAddr,
}

/// How far a neighbour's address is known (RFC 4861, section 7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It was asked for, nobody has answered yet.
    Incomplete,
    /// It is right, as far as was heard lately.
    Reachable {
        /// Until when that is believed.
        until: Instant,
    },
    /// It was right once; whoever sends tries it.
    Stale,
    /// It is tried; who sends may learn that it is right without a question.
    Delay,
    /// It is asked whether it is still right.
    Probe,
    /// Nobody has answered.
    Failed {
        /// When a packet may start the search again.
        until: Instant,
    },
}

impl State {
    /// Whether no link address is known in it.
    pub(super) const fn is_unresolved(self) -> bool {
        matches!(self, Self::Incomplete | Self::Failed { .. })
    }
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who it is.
    pub hop: Hop,
    /// How far its link address is known.
    pub state: State,
    /// The link address; it means nothing in [`State::Incomplete`] and [`State::Failed`].
    pub mac: MacAddr,
    /// Whether it said that it is a router.
    pub router: bool,
    /// How often it was asked in this state.
    pub tries: u8,
}

impl Entry {
    pub(super) const fn new(hop: Hop) -> Self {
        Self { hop, state: State::Incomplete, mac: MacAddr([0; 6]), router: false, tries: 0 }
    }
}

/// Room for one neighbour, and the links of the table that it belongs to.
#[derive(Debug)]
pub struct Slot<F> {
    pub(super) entry: Entry,
    pub(super) used: bool,
    /// Oldest first, without gaps.
    pub(super) queue: [Option<F>; QUEUED],
    /// The first entry whose hash is this slot's index.
    pub(super) bucket: u16,
    /// The next entry of the same bucket; of a free slot, the next free one.
    pub(super) chain: u16,
    /// The next in order of use, towards the one unused for longest, and the other way.
    pub(super) older: u16,
    pub(super) newer: u16,
    /// Which slot stands at this slot's index in the heap of deadlines.
    pub(super) heap: u16,
    /// Where this slot stands in that heap.
    pub(super) place: u16,
    /// When something is to be done, if it stands there.
    pub(super) deadline: Instant,
}

impl<F> Slot<F> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        let nowhere = Hop { interface: InterfaceId(0), address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        Self {
            entry: Entry::new(nowhere),
            used: false,
            queue: [const { None }; QUEUED],
            bucket: NONE,
            chain: NONE,
            older: NONE,
            newer: NONE,
            heap: NONE,
            place: NONE,
            deadline: Instant::from_ticks(0),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.iter().flatten().count()
    }

    /// Appends a frame; if there are [`QUEUED`] already, the oldest comes back (RFC 4861, section 7.2.2).
    pub(super) fn push(&mut self, frame: F) -> Option<F> {
        if let Some(room) = self.queue.iter_mut().find(|room| room.is_none()) {
            *room = Some(frame);
            return None;
        }
        let oldest = self.pop();
        let [.., last] = &mut self.queue;
        *last = Some(frame);
        oldest
    }

    pub(super) fn pop(&mut self) -> Option<F> {
        let oldest = self.queue.first_mut().and_then(Option::take);
        self.queue.rotate_left(1);
        oldest
    }
}

impl<F> Default for Slot<F> {
    fn default() -> Self {
        Self::new()
    }
}
