//! Which packets may pass between devices and the stack: [`Firewall`], a list of [`Rule`]s of which the first that fits decides.
//!
//! Every frame is asked about when it comes and when it goes, on each link, the one to this host itself too (as by ipfw and
//! nftables): a packet of that one goes out first and then comes in. There is no memory of connections: `syn` fits what opens one,
//! `established` what has ACK or RST set (ipfw's word), and the two tell them apart as well as one segment can.
//!
//! What cannot be seen counts against a packet. A fragment behind the first shows no ports, nor does a first one that ends within the
//! header of TCP or UDP: a rule that asks for ports or flags fits it if it drops, and does not fit it if it accepts. The same
//! goes for the protocol of a packet whose IPv6 headers lead nowhere, or lead on behind a fragment's. A frame that is no packet of IP
//! passes: ARP is not for rules, and what is malformed the stack drops, and counts by reason.
//!
//! Nothing is allocated. While there is no rule and nothing is dropped by default, frames are neither looked at nor counted.
//!
//! Neighbours: `fence` stands between device and stack; the command `firewall` changes the list; `file` reads and says a whole one,
//! that of [`PATH`] before the first packet comes.

mod fence;
mod file;
mod load;
mod packet;
mod parse;
mod rule;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use core::error::Error;
use core::fmt;

use kos_net::dev::Medium;

pub(crate) use fence::Fence;
pub use file::{FILE_MAX, FileError, Lines, PATH, Problem};
pub(crate) use load::{LoadError, of_root, read};
pub use packet::Packet;
pub use parse::{WordError, default, rule};
pub use rule::{Action, Direction, Flags, Kind, Link, Network, Ports, Rule};

/// Rules at most.
pub const RULES_MAX: usize = 32;

/// What came under a rule, or under none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

impl Count {
    const fn add(&mut self, bytes: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes as u64);
    }
}

/// The list, and what becomes of packets that no rule fits.
#[derive(Debug)]
pub struct Firewall {
    rules: heapless::Vec<(Rule, Count), RULES_MAX>,
    /// By [`Direction`].
    defaults: [(Action, Count); 2],
    /// Frames that passed and wait for their device, by [`Link`]: they stand in front of those that are still to be judged.
    waiting: [usize; 2],
    /// Something that came was dropped since this was last [asked](Self::take_dropped).
    dropped: bool,
}

impl Default for Firewall {
    fn default() -> Self {
        Self::new()
    }
}

impl Firewall {
    /// Everything passes.
    #[must_use]
    pub const fn new() -> Self {
        let pass = (Action::Accept, Count { packets: 0, bytes: 0 });
        Self { rules: heapless::Vec::new(), defaults: [pass; 2], waiting: [0; 2], dropped: false }
    }

    /// Whether everything passes, whatever it is.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rules.is_empty() && self.defaults.iter().all(|(action, _)| *action == Action::Accept)
    }

    /// What is to become of a frame, which is counted.
    pub fn judge(&mut self, direction: Direction, link: Link, medium: Medium, frame: &[u8]) -> Action {
        let Some(packet) = Packet::read(medium, frame) else { return Action::Accept };
        let fits = |(rule, _): &&mut (Rule, Count)| rule.fits(direction, link, &packet);
        let [inward, outward] = &mut self.defaults;
        let default = if direction == Direction::In { inward } else { outward };
        match self.rules.iter_mut().find(fits) {
            Some((rule, count)) => {
                count.add(frame.len());
                rule.action
            }
            None => {
                default.1.add(frame.len());
                default.0
            }
        }
    }

    /// The rules in their order, with what came under each.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, Count)> {
        self.rules.iter().map(|(rule, count)| (rule, *count))
    }

    /// What becomes of packets that no rule fits, and how many those were.
    #[must_use]
    pub const fn default_of(&self, direction: Direction) -> (Action, Count) {
        let [inward, outward] = self.defaults;
        if matches!(direction, Direction::In) { inward } else { outward }
    }

    /// From now on that becomes of packets that no rule fits; they are counted anew.
    pub fn set_default(&mut self, direction: Direction, action: Action) {
        let [inward, outward] = &mut self.defaults;
        *(if direction == Direction::In { inward } else { outward }) = (action, Count::default());
    }

    /// Puts a rule behind the others.
    ///
    /// # Errors
    /// [`ListError::Full`]
    pub fn add(&mut self, rule: Rule) -> Result<(), ListError> {
        self.rules.push((rule, Count::default())).map_err(|_| ListError::Full)
    }

    /// Puts a rule before that of this number, from 1 on; behind the last if the number is the next.
    ///
    /// # Errors
    /// [`ListError`]
    pub fn insert(&mut self, number: usize, rule: Rule) -> Result<(), ListError> {
        let have = self.rules.len();
        let none = ListError::NoRule { number, have };
        let place = number.checked_sub(1).filter(|place| *place <= have).ok_or(none)?;
        self.rules.insert(place, (rule, Count::default())).map_err(|_| ListError::Full)
    }

    /// Takes the rule of this number away, from 1 on; those behind it move up.
    ///
    /// # Errors
    /// [`ListError::NoRule`]
    pub fn remove(&mut self, number: usize) -> Result<Rule, ListError> {
        let have = self.rules.len();
        let none = ListError::NoRule { number, have };
        let place = number.checked_sub(1).filter(|place| *place < have).ok_or(none)?;
        Ok(self.rules.remove(place).0)
    }

    /// Takes all rules away, and lets everything pass.
    pub fn flush(&mut self) {
        self.rules.clear();
        for direction in Direction::ALL {
            self.set_default(direction, Action::Accept);
        }
    }

    /// Whether something that came was dropped since the last call: the stack has seen less than the device gave, and may think that
    /// there is no more.
    pub(crate) const fn take_dropped(&mut self) -> bool {
        core::mem::replace(&mut self.dropped, false)
    }
}

/// Why the list stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListError {
    /// It has [`RULES_MAX`] rules.
    Full,
    /// It has no rule of that number.
    NoRule {
        /// Which, from 1 on.
        number: usize,
        /// How many it has.
        have: usize,
    },
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "there are {RULES_MAX} rules, and room for no more"),
            Self::NoRule { number, have: 0 } => write!(f, "no rule {number}: there are none"),
            Self::NoRule { number, have } => write!(f, "no rule {number}: they go from 1 to {have}"),
        }
    }
}

impl Error for ListError {}
