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
        changes: 0,
        change_at: Instant::from_ticks(0),
        answer_at: None,
    };

    const fn is_free(&self) -> bool {
        self.users == 0 && self.changes == 0
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
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMulticast(address) => write!(f, "{address} is no group"),
            Self::Full => f.write_str("no room for another group"),
            Self::NotJoined(group) => write!(f, "nobody listens to {group}"),
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
            let returned = slot.users == 0;
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
        if slot.users == 0 {
            slot.answer_at = None;
            tell(slot, now);
        }
        Ok(())
    }

    /// Whether packets to a group are read.
    pub fn listens(&self, group: IpAddr) -> bool {
        self.iter().any(|listened| listened == group)
    }

    /// The groups that are listened to.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.groups.as_ref().iter().filter(|slot| slot.users > 0).map(|slot| slot.group)
    }

    /// A router asks.
    pub fn on_query(&mut self, now: Instant, query: Query) {
        if query.old {
            self.older = Some(after(after(now, OLDER_PRESENT), query.max_response));
        }
        let at = after(now, self.jitter.below(query.max_response));
        let asked = |slot: &&mut GroupSlot| query.group.is_none_or(|group| group == slot.group);
        for slot in self.groups.as_mut().iter_mut().filter(asked) {
            if slot.users > 0 && is_reported(slot.group) {
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
        let change = if slot.users > 0 { GroupChange::Joined } else { GroupChange::Left };
        // One leave is enough for older routers.
        slot.changes = if old && slot.users == 0 { 0 } else { slot.changes - 1 };
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
mod tests {
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::{GroupError, GroupSlot, Multicast, Query, Report};
    use crate::time::{Duration, Instant, after};
    use crate::wire::GroupChange;
    use crate::wire::igmp::IgmpMessage;
    use crate::wire::mld::MldMessage;

    const NOW: Instant = Instant::from_ticks(0);
    const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3));

    fn machine() -> Multicast<[GroupSlot; 4]> {
        Multicast::new([GroupSlot::EMPTY; 4], 7)
    }

    fn drain(machine: &mut Multicast<[GroupSlot; 4]>, now: Instant) -> Vec<Report> {
        let reports = core::iter::from_fn(|| machine.poll(now)).collect();
        assert!(machine.poll_at().is_none_or(|at| at > now));
        reports
    }

    fn settled() -> Multicast<[GroupSlot; 4]> {
        let mut machine = machine();
        machine.join(NOW, GROUP).unwrap();
        while let Some(at) = machine.poll_at() {
            machine.poll(at);
        }
        machine
    }

    #[test]
    fn a_change_is_told_twice() {
        let mut machine = machine();
        machine.join(NOW, GROUP).unwrap();
        machine.join(NOW, GROUP).unwrap();
        let joined = Report { group: GROUP, change: GroupChange::Joined, old: false };
        assert_eq!(drain(&mut machine, NOW), [joined]);
        let again = machine.poll_at().unwrap();
        assert!(again < after(NOW, Duration::from_secs(1)));
        assert_eq!(drain(&mut machine, again), [joined]);
        machine.leave(again, GROUP).unwrap();
        assert_eq!((machine.poll_at(), machine.listens(GROUP)), (None, true), "another still listens");
        machine.leave(again, GROUP).unwrap();
        let left = Report { change: GroupChange::Left, ..joined };
        assert_eq!((machine.poll(again), machine.listens(GROUP)), (Some(left), false));
        assert_eq!(machine.poll_at().and_then(|at| machine.poll(at)), Some(left));
        assert_eq!(machine.leave(again, GROUP), Err(GroupError::NotJoined(GROUP)));
        assert!(machine.poll_at().is_none());
    }

    /// smoltcp#1029: a query that wants its answer at once divided by zero. The same of IGMP and of both versions.
    #[test]
    fn bad_dhcp_timers_and_zero_mld_delay_survive() {
        let group: Ipv6Addr = "ff02::fb".parse().unwrap();
        for version_2 in [false, true] {
            let mut machine = machine();
            machine.join(NOW, group.into()).unwrap();
            let query = MldMessage::Query { max_response: 0, group: Ipv6Addr::UNSPECIFIED, version_2 };
            machine.on_query(NOW, Query::of_mld(&query).unwrap());
            assert_eq!(machine.poll_at(), Some(NOW), "at once");
            let answer = Report { group: group.into(), change: GroupChange::Listens, old: !version_2 };
            assert!(drain(&mut machine, NOW).contains(&answer));
        }
        let query = IgmpMessage::Query { max_response: 0, group: Ipv4Addr::UNSPECIFIED, version_3: true };
        assert_eq!(Query::of_igmp(&query).unwrap().max_response, Duration::ZERO);
        let first = IgmpMessage::Query { max_response: 0, group: Ipv4Addr::UNSPECIFIED, version_3: false };
        assert_eq!(Query::of_igmp(&first).unwrap().max_response, Duration::from_secs(10));
        let last = Query { max_response: Duration::MAX, group: None, old: true };
        machine().on_query(Instant::from_ticks(u64::MAX), last);
    }

    #[test]
    fn a_query_is_answered_by_chance_within_its_time() {
        let mut machine = settled();
        let start = after(NOW, Duration::from_secs(100));
        let query = Query { max_response: Duration::from_secs(10), group: None, old: false };
        machine.on_query(start, query);
        let at = machine.poll_at().unwrap();
        assert!(at >= start && at < after(start, Duration::from_secs(10)));
        machine.on_query(start, Query { max_response: Duration::from_secs(1000), ..query });
        assert!(machine.poll_at().unwrap() <= at, "an earlier answer stands");
        let at = machine.poll_at().unwrap();
        let answer = Report { group: GROUP, change: GroupChange::Listens, old: false };
        assert_eq!(drain(&mut machine, at), [answer]);
        machine.on_query(start, Query { group: Some([239, 0, 0, 9].into()), ..query });
        assert_eq!(machine.poll_at(), None, "another group");
    }

    #[test]
    fn an_older_router_is_told_in_its_version_until_it_is_gone() {
        let mut machine = settled();
        let start = after(NOW, Duration::from_secs(100));
        machine.on_query(start, Query { max_response: Duration::from_secs(10), group: None, old: true });
        machine.on_report(start, GROUP);
        assert_eq!(machine.poll_at(), None, "another host has answered");
        machine.leave(start, GROUP).unwrap();
        assert_eq!(
            drain(&mut machine, start),
            [Report { group: GROUP, change: GroupChange::Left, old: true }]
        );
        assert_eq!(machine.poll_at(), None, "told once");
        let later = after(start, Duration::from_secs(270));
        machine.join(later, GROUP).unwrap();
        assert!(!machine.poll(later).unwrap().old);
        machine.on_query(later, Query { max_response: Duration::ZERO, group: None, old: false });
        machine.on_report(later, GROUP);
        assert!(machine.poll_at().is_some(), "version 3 answers whoever else does");
    }

    #[test]
    fn what_concerns_no_router_is_not_told() {
        let mut machine = machine();
        for group in ["224.0.0.1", "ff02::1", "ff01::5"] {
            machine.join(NOW, group.parse().unwrap()).unwrap();
            assert!(machine.listens(group.parse().unwrap()));
        }
        machine.on_query(NOW, Query { max_response: Duration::ZERO, group: None, old: false });
        assert_eq!(machine.poll_at(), None);
        let host = [192, 0, 2, 1].into();
        assert_eq!(machine.join(NOW, host), Err(GroupError::NotMulticast(host)));
        machine.join(NOW, GROUP).unwrap();
        assert_eq!(machine.join(NOW, [239, 9, 9, 9].into()), Err(GroupError::Full));
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        /// Whoever counts users by hand knows the same groups, and the last word on each is true.
        #[test]
        fn the_last_word_on_a_group_is_true(steps in prop::collection::vec((0_u8..5, 0_u8..3, 0_u64..3000), 0..80)) {
            let mut machine = Multicast::new([GroupSlot::EMPTY; 8], 3);
            let (mut users, mut told, mut now) = ([0_u16; 5], [false; 5], NOW);
            let group = |host: u8| IpAddr::from([239, 0, 0, host]);
            for (host, what, ms) in steps {
                match what {
                    0 => { machine.join(now, group(host)).unwrap(); users[usize::from(host)] += 1; }
                    1 => {
                        let member = users[usize::from(host)] > 0;
                        prop_assert_eq!(machine.leave(now, group(host)).is_ok(), member);
                        users[usize::from(host)] -= u16::from(member);
                    }
                    _ => machine.on_query(now, Query { max_response: Duration::from_millis(ms), group: None, old: ms % 7 == 0 }),
                }
                let until = after(now, Duration::from_millis(ms));
                while let Some(at) = machine.poll_at().filter(|at| *at <= until) {
                    now = now.max(at);
                    let report = machine.poll(now).unwrap();
                    let IpAddr::V4(address) = report.group else { panic!("{report:?}") };
                    told[usize::from(address.octets()[3])] = report.change != GroupChange::Left;
                }
                now = until;
                for host in 0..5 {
                    prop_assert_eq!(machine.listens(group(host)), users[usize::from(host)] > 0);
                }
            }
            while let Some(at) = machine.poll_at() {
                let report = machine.poll(at).unwrap();
                let IpAddr::V4(address) = report.group else { panic!("{report:?}") };
                told[usize::from(address.octets()[3])] = report.change != GroupChange::Left;
            }
            prop_assert_eq!(told, users.map(|users| users > 0));
        }
    }
}
