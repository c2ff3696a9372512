//! Parents and children: who waits for whom, what happens to orphans, when a number is free again.
//!
//! Invariant: each live or dead child of a live process is in exactly one of its two rings, the living or the dead. A child
//! whose `parent` is [`NONE`] is in no ring and leaves no zombie.

use super::record::{ExitStatus, Phase, Record};
use super::signal::Signal;
use super::state::State;
use super::table::ProcessHost;
use crate::ports::ProcessExt;
use crate::ring::NONE;

impl<X, T> State<'_, X, T> {
    /// Makes `child`, which is alive and in no ring, a child of `parent`.
    pub(super) fn adopt(&mut self, parent: u32, child: u32) {
        self.record_mut(child).parent = parent;
        if let Some(process) = self.process_of(parent) {
            let ring = self.process(process).children;
            self.process_mut(process).children = Record::SIBLINGS.push_back(self.records, ring, child);
        }
    }

    /// Takes `child`, alive or dead, out of its parent's rings.
    pub(super) fn disown(&mut self, child: u32) {
        let Some(process) = self.process_of(self.record(child).parent) else { return };
        let dead = self.record(child).is_zombie();
        let slot = self.process(process);
        let ring =
            Record::SIBLINGS.remove(self.records, if dead { slot.zombies } else { slot.children }, child);
        let slot = self.process_mut(process);
        *if dead { &mut slot.zombies } else { &mut slot.children } = ring;
    }

    /// Gives back the record of a process that nobody waits for any more; its number too, unless a group or session bears it.
    pub(super) fn bury(&mut self, record: u32) {
        let (group, session) = (self.record(record).group, self.record(record).session);
        self.leave_group(record);
        let gone = self.record_mut(record);
        (gone.phase, gone.parent, gone.group, gone.session) = (Phase::Held, NONE, NONE, NONE);
        self.settle(record);
        self.settle(group);
        self.settle(session);
    }

    /// Frees the number of `record` if nothing bears it.
    pub(super) fn settle(&mut self, record: u32) {
        let &Record { phase, members, in_session, .. } = self.record(record);
        if phase == Phase::Held && members == NONE && in_session == 0 {
            self.give_record(record);
        }
    }

    /// Ends the wait for zombie `record`: its parent gets its times, its number is free.
    pub(super) fn reap(&mut self, record: u32) {
        let Phase::Zombie { usage, .. } = self.record(record).phase else { return };
        if let Some(parent) = self.process_of(self.record(record).parent) {
            let parent = self.process_mut(parent);
            parent.children_usage = parent.children_usage.plus(usage);
        }
        self.disown(record);
        self.bury(record);
        self.stats.reaped += 1;
    }
}

impl<X: ProcessExt, T: Copy> State<'_, X, T> {
    /// Turns a process without threads into a zombie that its parent can see and wait for, in this one step; or, if nobody
    /// waits, into nothing.
    pub(super) fn bring_to_end<K: ProcessHost<X, Task = T>>(&mut self, host: &K, record: u32) {
        let Some(process) = self.process_of(record) else { return };
        self.orphan_children(host, process);
        if self.minds(record, self.record(record).parent) {
            self.relieve_group(host, self.record(record).group, record);
        }
        let slot = self.process(process);
        let status = slot.dying.unwrap_or(ExitStatus::Exited(0));
        let usage = slot.usage.plus(slot.children_usage);
        self.uncharge_all(process);
        self.disown(record);
        self.give_process(process);
        self.record_mut(record).phase = Phase::Zombie { status, usage };
        self.stats.exited += 1;
        self.mourn(host, record);
    }

    /// Puts zombie `record`, which is in no ring, before its parent.
    fn mourn<K: ProcessHost<X, Task = T>>(&mut self, host: &K, record: u32) {
        let parent = self.record(record).parent;
        match self.process_of(parent).filter(|&process| !self.process(process).auto_reap) {
            Some(process) => {
                let ring = self.process(process).zombies;
                self.process_mut(process).zombies = Record::SIBLINGS.push_back(self.records, ring, record);
            }
            None => {
                self.bury(record);
                self.stats.reaped += 1;
            }
        }
        self.tell(host, parent);
    }

    /// Gives the children of `process` to the reaper, or to nobody.
    fn orphan_children<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32) {
        let father = self.process(process).record;
        let heir = if self.reaper == father { NONE } else { self.reaper };
        while let Some(child) = Some(self.process(process).children).filter(|&child| child != NONE) {
            let minded = self.minds(child, father);
            self.disown(child);
            self.adopt(heir, child);
            if minded {
                self.relieve_group(host, self.record(child).group, NONE);
            }
        }
        while let Some(zombie) = Some(self.process(process).zombies).filter(|&zombie| zombie != NONE) {
            let (minded, group) = (self.minds(zombie, father), self.record(zombie).group);
            self.disown(zombie);
            self.record_mut(zombie).parent = heir;
            self.mourn(host, zombie);
            if minded {
                self.relieve_group(host, group, NONE);
            }
        }
        self.reaper = if self.reaper == father { NONE } else { self.reaper };
    }

    /// Hangs up and continues a group that has stopped members and, without `leaving`, nobody outside who could continue them.
    /// Called for groups that just may have lost the last such one.
    fn relieve_group<K: ProcessHost<X, Task = T>>(&mut self, host: &K, group: u32, leaving: u32) {
        if !self.has_stopped(group, leaving) || !self.is_orphaned(group, leaving) {
            return;
        }
        self.each_member(group, |state, member| {
            if let Some(process) = state.process_of(member).filter(|_| member != leaving) {
                state.deliver(host, process, Signal::HUP);
                state.deliver(host, process, Signal::CONT);
            }
        });
    }
}
