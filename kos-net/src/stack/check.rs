//! Every invariant of a stack, walked: [`Stack::check`].

use core::fmt;

use super::Stack;
use crate::ip::reassembly;
use crate::link::neighbour;
use crate::ports::Frame;
use crate::sock::Storage;

/// An invariant that does not hold: a fault of this crate, or of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// The slots in use and the free ones are not all there are.
    Slots {
        /// How many are in use.
        live: u32,
        /// How many are free.
        free: u32,
        /// How many there are.
        slots: u32,
    },
    /// A free slot is on a list, or one with news or something to send is on none.
    List {
        /// Which.
        slot: u32,
    },
    /// A connection says of itself what cannot be.
    Connection {
        /// In which slot.
        slot: u32,
    },
    /// A packet does not find its socket, or more.
    Demux,
    /// A timer is lost.
    Timers,
    /// The neighbours of an interface.
    Neighbours(neighbour::Corruption),
    /// Datagrams in pieces.
    Pieces(reassembly::Corruption),
    /// Frames of which it is not known what became of them.
    Frames {
        /// How many came.
        came: u64,
        /// Of how many it is known.
        accounted: u64,
    },
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots { live, free, slots } => write!(f, "{live} slots in use and {free} free of {slots}"),
            Self::List { slot } => write!(f, "slot {slot} is on a wrong list"),
            Self::Connection { slot } => write!(f, "the connection in slot {slot} is unsound"),
            Self::Demux => f.write_str("the table of sockets is unsound"),
            Self::Timers => f.write_str("the wheel of timers is unsound"),
            Self::Neighbours(error) => write!(f, "neighbours: {error:?}"),
            Self::Pieces(error) => write!(f, "pieces: {error:?}"),
            Self::Frames { came, accounted } => {
                write!(f, "{came} frames came, {accounted} are accounted for")
            }
        }
    }
}

impl core::error::Error for Corruption {}

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Walks every invariant; between polls all of them hold.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&mut self) -> Result<(), Corruption> {
        let stats = self.stats();
        let (came, accounted) = (stats.frames_in, stats.accounted());
        if came != accounted {
            return Err(Corruption::Frames { came, accounted });
        }
        for neighbours in self.each().filter_map(|interface| interface.neighbours.as_ref()) {
            neighbours.check().map_err(Corruption::Neighbours)?;
        }
        if let Some(pieces) = &self.core.reassembly {
            pieces.check().map_err(Corruption::Pieces)?;
        }
        self.core.sockets.check()?;
        self.core.check_connections()
    }
}
