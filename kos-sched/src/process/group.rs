//! Process groups and sessions.
//!
//! A group or session bears the number of the process that founded it and lives as long as it has members, zombies included.
//!
//! Source: POSIX.1-2017 `setpgid`, `setsid`, and the definition of an orphaned process group.

use super::error::GroupError;
use super::id::Pid;
use super::record::Record;
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::ProcessExt;
use crate::ring::NONE;

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// Moves `pid`, which is the caller or a child of the caller, to the group `group` of the same session; `group == pid`
    /// founds it.
    ///
    /// # Errors
    /// [`GroupError`], as `setpgid` has them.
    pub fn set_group(&self, caller: Pid, pid: Pid, group: Pid) -> Result<(), GroupError> {
        self.transact(|state| {
            state.live(caller).map_err(GroupError::Process)?;
            state.may_move(caller, pid)?;
            if group != pid && !state.has_group(group, state.record(pid.index).session) {
                return Err(GroupError::NoSuchGroup(group));
            }
            state.move_to(pid.index, group.index, state.record(pid.index).session);
            Ok(())
        })
    }

    /// Makes `caller` the leader of a new session and of a new group in it.
    ///
    /// # Errors
    /// [`GroupError::GroupLeader`] if a group bears its number.
    pub fn new_session(&self, caller: Pid) -> Result<(), GroupError> {
        self.transact(|state| {
            state.live(caller).map_err(GroupError::Process)?;
            if state.record(caller.index).members != NONE {
                return Err(GroupError::GroupLeader(caller));
            }
            state.move_to(caller.index, caller.index, caller.index);
            Ok(())
        })
    }

    /// Whether nobody outside the group of this number could continue it: no member has a parent in another group of its
    /// session. False if there is no such group.
    #[must_use]
    pub fn is_orphaned(&self, group: Pid) -> bool {
        self.locked(|state| {
            state.holds(group)
                && state.record(group.index).members != NONE
                && state.is_orphaned(group.index, NONE)
        })
    }
}

impl<X, T> State<'_, X, T> {
    fn may_move(&self, caller: Pid, pid: Pid) -> Result<(), GroupError> {
        let record = self.record(self.present(pid).map_err(GroupError::Process)?);
        if pid != caller {
            if record.parent != caller.index {
                return Err(GroupError::NotChild(pid));
            }
            if record.session != self.record(caller.index).session {
                return Err(GroupError::OtherSession(pid));
            }
            if self.process_of(pid.index).is_some_and(|process| self.process(process).executed) {
                return Err(GroupError::Executed(pid));
            }
        }
        if record.session == pid.index { Err(GroupError::SessionLeader(pid)) } else { Ok(()) }
    }

    fn has_group(&self, group: Pid, session: u32) -> bool {
        let first =
            Some(group).filter(|&group| self.holds(group)).map(|group| self.record(group.index).members);
        first.is_some_and(|first| first != NONE && self.record(first).session == session)
    }

    fn move_to(&mut self, record: u32, group: u32, session: u32) {
        let old = (self.record(record).group, self.record(record).session);
        self.leave_group(record);
        self.join_group(record, group, session);
        self.settle(old.0);
        self.settle(old.1);
    }

    pub(super) fn join_group(&mut self, record: u32, group: u32, session: u32) {
        let members = Record::PEERS.push_back(self.records, self.record(group).members, record);
        self.record_mut(group).members = members;
        self.record_mut(session).in_session += 1;
        let joining = self.record_mut(record);
        (joining.group, joining.session) = (group, session);
    }

    /// Takes `record` out of its group and session. Their numbers may be free then: `settle` them.
    pub(super) fn leave_group(&mut self, record: u32) {
        let (group, session) = (self.record(record).group, self.record(record).session);
        let members = Record::PEERS.remove(self.records, self.record(group).members, record);
        self.record_mut(group).members = members;
        self.record_mut(session).in_session -= 1;
    }

    fn members(&self, group: u32) -> impl Iterator<Item = u32> {
        const RING: crate::ring::Ring<Record> = Record::PEERS;
        let head = self.record(group).members;
        core::iter::successors(Some(head).filter(|&head| head != NONE), move |&at| {
            RING.after(self.records, head, at)
        })
    }

    /// Runs `work` for each member of `group`; it may change anything but who is a member.
    pub(super) fn each_member(&mut self, group: u32, mut work: impl FnMut(&mut Self, u32)) {
        let head = self.record(group).members;
        let mut next = Some(head).filter(|&head| head != NONE);
        while let Some(member) = next {
            next = Record::PEERS.after(self.records, head, member);
            work(self, member);
        }
    }

    /// Whether `parent` could continue the group of its child: from another group of the same session, as a shell does. The
    /// reaper is nobody's shell.
    pub(super) fn minds(&self, child: u32, parent: u32) -> bool {
        let child = self.record(child);
        parent != self.reaper
            && self
                .process_of(parent)
                .map(|_| self.record(parent))
                .is_some_and(|parent| parent.group != child.group && parent.session == child.session)
    }

    /// Whether, not counting `leaving`, no parent minds a living member.
    pub(super) fn is_orphaned(&self, group: u32, leaving: u32) -> bool {
        let mut living =
            self.members(group).filter(|&member| member != leaving && self.process_of(member).is_some());
        !living.any(|member| self.minds(member, self.record(member).parent))
    }

    pub(super) fn has_stopped(&self, group: u32, leaving: u32) -> bool {
        let mut living = self.members(group).filter(|&member| member != leaving);
        living.any(|member| {
            self.process_of(member).is_some_and(|process| self.process(process).stopped.is_some())
        })
    }
}
