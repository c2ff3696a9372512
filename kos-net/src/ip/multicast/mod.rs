//! Which groups an interface listens to, and telling routers so: [`Multicast`], the host's side of IGMPv3 and MLDv2.
//!
//! One machine an interface and family. What to report comes out of [`poll`](Multicast::poll), one group at a time: those due at
//! the same time may share a packet. A change is told twice; a query is answered within the time it gives, by chance.
//! While a router that speaks an older version is there, reports are of that version ([`Report::old`]): IGMPv2 or MLDv1.
//! Groups are asked for whole, never by source. Sources: RFC 3376 sections 5 and 7.2, RFC 3810 sections 6 and 8.2, RFC 2236.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::jitter::Jitter;
use crate::room::Room;
use crate::time::{Duration, Instant, after};
use crate::wire::GroupChange;
use crate::wire::igmp::IgmpMessage;
use crate::wire::mld::MldMessage;

/// How often a change is told.
const ROBUSTNESS: u8 = 2;
/// Within what time it is told again.
const UNSOLICITED: Duration = Duration::from_secs(1);
/// How long an older router is remembered: 2 of its queries, 125 s apart, and the time for an answer.
const OLDER_PRESENT: Duration = Duration::from_secs(260);

/// A router asks who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Within which time to answer. Zero is at once.
    pub max_response: Duration,
    /// To which group; `None`: to any.
    pub group: Option<IpAddr>,
    /// Whether it is of an older version.
    pub old: bool,
}

impl Query {
    /// A query of IGMP.
    #[must_use]
    pub fn of_igmp(message: &IgmpMessage<'_>) -> Option<Self> {
        let &IgmpMessage::Query { max_response, group, version_3 } = message else { return None };
        // Version 1 has no such field: it means 10 s.
        let tenths = if max_response == 0 && !version_3 { 100 } else { max_response };
        Some(Self {
            max_response: Duration::from_millis(u64::from(tenths) * 100),
            group: Some(IpAddr::V4(group)).filter(|group| !group.is_unspecified()),
            old: !version_3,
        })
    }

    /// A query of MLD.
    #[must_use]
    pub fn of_mld(message: &MldMessage<'_>) -> Option<Self> {
        let &MldMessage::Query { max_response, group, version_2 } = message else { return None };
        Some(Self {
            max_response: Duration::from_millis(max_response.into()),
            group: Some(IpAddr::V6(group)).filter(|group| !group.is_unspecified()),
            old: !version_2,
        })
    }
}

/// What to tell the routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of which group.
    pub group: IpAddr,
    /// What.
    pub change: GroupChange,
    /// Whether in the older version: there [`GroupChange::Left`] is a leave or done message, anything else a report.
    pub old: bool,
}

/// Room for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSlot {
    group: IpAddr,
    /// How many listen here; with none left it is still to be told that all left.
    users: u16,
    /// Whether the host itself listens, for an address of its own.
    held: bool,
    /// How often it is still to be told, and when next.
    changes: u8,
    change_at: Instant,
    answer_at: Option<Instant>,
}

impl GroupSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        group: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        users: 0,
        held: false,
        changes: 0,
        change_at: Instant::from_ticks(0),
        answer_at: None,
    };

    const fn is_free(&self) -> bool {
        !self.is_listened() && self.changes == 0
    }

    const fn is_listened(&self) -> bool {
        self.users > 0 || self.held
    }

    fn due(&self) -> Option<Instant> {
        let change = (self.changes > 0).then_some(self.change_at);
        [change, self.answer_at].into_iter().flatten().min()
    }
}

/// Why a group is not joined or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// It is no group.
    NotMulticast(IpAddr),
    /// There is no room for another group.
    Full,
    /// Nobody listens to it here.
    NotJoined(IpAddr),
    /// There is no such interface.
    NoInterface,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMulticast(address) => write!(f, "{address} is no group"),
            Self::Full => f.write_str("no room for another group"),
            Self::NotJoined(group) => write!(f, "nobody listens to {group}"),
            Self::NoInterface => f.write_str("no such interface"),
        }
    }
}

impl core::error::Error for GroupError {}

/// Whether routers are told of a group: not of that of all hosts, nor of those that stay on the link's host.
fn is_reported(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group != Ipv4Addr::new(224, 0, 0, 1),
        IpAddr::V6(group) => {
            let [_, scope, ..] = group.octets();
            scope & 15 >= 2 && group.segments() != [0xff02, 0, 0, 0, 0, 0, 0, 1]
        }
    }
}

/// The groups of one interface and family.
#[derive(Debug)]
pub struct Multicast<S> {
    groups: S,
    /// Until when there is a router that speaks the older version.
    older: Option<Instant>,
    jitter: Jitter,
}

impl<S: Room<GroupSlot>> Multicast<S> {
    /// No groups. `seed` differs from that of other hosts.
    pub fn new(mut groups: S, seed: u64) -> Self {
        groups.as_mut().fill(GroupSlot::EMPTY);
        Self { groups, older: None, jitter: Jitter::new(seed) }
    }

    /// One more listens to a group.
    ///
    /// # Errors
    /// It is no group, or there is no room.
    pub fn join(&mut self, now: Instant, group: IpAddr) -> Result<(), GroupError> {
        if !group.is_multicast() {
            return Err(GroupError::NotMulticast(group));
        }
        if let Some(slot) = self.find(group) {
            let returned = !slot.is_listened();
            slot.users = slot.users.saturating_add(1);
            if returned {
                tell(slot, now);
            }
            return Ok(());
        }
        let slot = self.groups.as_mut().iter_mut().find(|slot| slot.is_free()).ok_or(GroupError::Full)?;
        *slot = GroupSlot { group, users: 1, ..GroupSlot::EMPTY };
        tell(slot, now);
        Ok(())
    }

    /// One less listens to a group.
    ///
    /// # Errors
    /// Nobody did.
    pub fn leave(&mut self, now: Instant, group: IpAddr) -> Result<(), GroupError> {
        let slot = self.find(group).filter(|slot| slot.users > 0).ok_or(GroupError::NotJoined(group))?;
        slot.users -= 1;
        if !slot.is_listened() {
            slot.answer_at = None;
            tell(slot, now);
        }
        Ok(())
    }

    /// The host itself listens to `wanted`, and to nothing else that it was said to before. What has no room is left out.
    pub fn hold(&mut self, now: Instant, wanted: impl Iterator<Item = IpAddr> + Clone) {
        for slot in self.groups.as_mut().iter_mut().filter(|slot| slot.held) {
            slot.held = wanted.clone().any(|group| group == slot.group);
            if !slot.is_listened() {
                slot.answer_at = None;
                tell(slot, now);
            }
        }
        for group in wanted {
            let place = self.groups.as_ref().iter().position(|slot| !slot.is_free() && slot.group == group);
            let place = place.or_else(|| self.groups.as_ref().iter().position(GroupSlot::is_free));
            let Some(slot) = place.and_then(|place| self.groups.as_mut().get_mut(place)) else { continue };
            if slot.is_free() {
                *slot = GroupSlot { group, ..GroupSlot::EMPTY };
            }
            let new = !slot.is_listened();
            slot.held = true;
            if new {
                tell(slot, now);
            }
        }
    }

    /// Whether packets to a group are read.
    pub fn listens(&self, group: IpAddr) -> bool {
        self.iter().any(|listened| listened == group)
    }

    /// The groups that are listened to.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.groups.as_ref().iter().filter(|slot| slot.is_listened()).map(|slot| slot.group)
    }

    /// A router asks.
    pub fn on_query(&mut self, now: Instant, query: Query) {
        if query.old {
            self.older = Some(after(after(now, OLDER_PRESENT), query.max_response));
        }
        let at = after(now, self.jitter.below(query.max_response));
        let asked = |slot: &&mut GroupSlot| query.group.is_none_or(|group| group == slot.group);
        for slot in self.groups.as_mut().iter_mut().filter(asked) {
            if slot.is_listened() && is_reported(slot.group) {
                slot.answer_at = Some(slot.answer_at.map_or(at, |before| before.min(at)));
            }
        }
    }

    /// Another host reported a group in the older version: routers need to hear it only once (RFC 2236, section 3).
    pub fn on_report(&mut self, now: Instant, group: IpAddr) {
        let old = self.is_old(now);
        if let Some(slot) = self.find(group).filter(|_| old) {
            slot.answer_at = None;
        }
    }

    /// What to tell next at `now`; to be asked until there is nothing more.
    pub fn poll(&mut self, now: Instant) -> Option<Report> {
        let old = self.is_old(now);
        let due = |slot: &&mut GroupSlot| slot.due().is_some_and(|at| at <= now);
        let slot = self.groups.as_mut().iter_mut().find(due)?;
        let group = slot.group;
        if slot.answer_at.is_some_and(|at| at <= now) {
            slot.answer_at = None;
            return Some(Report { group, change: GroupChange::Listens, old });
        }
        let listened = slot.is_listened();
        let change = if listened { GroupChange::Joined } else { GroupChange::Left };
        // One leave is enough for older routers.
        slot.changes = if old && !listened { 0 } else { slot.changes - 1 };
        slot.change_at = after(now, self.jitter.below(UNSOLICITED));
        Some(Report { group, change, old })
    }

    /// When [`poll`](Self::poll) has something to do.
    pub fn poll_at(&self) -> Option<Instant> {
        self.groups.as_ref().iter().filter_map(GroupSlot::due).min()
    }

    fn is_old(&self, now: Instant) -> bool {
        self.older.is_some_and(|until| now < until)
    }

    fn find(&mut self, group: IpAddr) -> Option<&mut GroupSlot> {
        self.groups.as_mut().iter_mut().find(|slot| !slot.is_free() && slot.group == group)
    }
}

/// The routers are to be told that a group was joined or left.
fn tell(slot: &mut GroupSlot, now: Instant) {
    slot.changes = if is_reported(slot.group) { ROBUSTNESS } else { 0 };
    slot.change_at = now;
}

#[cfg(test)]
mod tests;
