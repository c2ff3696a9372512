//! What a process table must do, as naively as it can be said: one vector of processes, searched from end to end.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::process::{
    Event, ExitStatus, GroupError, Pid, ProcessError, Signal, ThreadId, WaitError, WaitFor, WaitOptions,
};

/// A process, dead or alive.
#[derive(Clone, Debug)]
pub(super) struct Proc {
    pub(super) pid: Pid,
    pub(super) parent: Option<Pid>,
    pub(super) group: Pid,
    pub(super) session: Pid,
    pub(super) threads: Vec<ThreadId>,
    pub(super) dying: Option<ExitStatus>,
    pub(super) stopped: Option<Signal>,
    pub(super) report: Option<Event>,
    pub(super) zombie: bool,
    pub(super) auto_reap: bool,
    pub(super) executed: bool,
    pub(super) posted: u64,
    pub(super) used: u64,
    pub(super) children_used: u64,
    pub(super) memory: u64,
    /// When it came to its parent, or died before it.
    order: u64,
}

/// The processes, and the numbers that are free, next one first.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) procs: Vec<Proc>,
    pub(super) reaper: Option<Pid>,
    free: VecDeque<Pid>,
    held: Vec<Pid>,
    order: u64,
    born: bool,
}

type Found<T> = Result<T, ProcessError>;

impl Model {
    pub(super) fn new(records: u32) -> Self {
        let free = (0..records).map(|index| Pid::new(index, 0)).collect();
        Self { procs: Vec::new(), reaper: None, free, held: Vec::new(), order: 0, born: false }
    }

    pub(super) fn get(&mut self, pid: Pid) -> Found<&mut Proc> {
        self.procs.iter_mut().find(|process| process.pid == pid).ok_or(ProcessError::NoSuchProcess(pid))
    }

    pub(super) fn live(&mut self, pid: Pid) -> Found<&mut Proc> {
        self.get(pid)
            .and_then(|process| if process.zombie { Err(ProcessError::Exited(pid)) } else { Ok(process) })
    }

    pub(super) fn of_thread(&mut self, thread: ThreadId) -> Found<&mut Proc> {
        let found = self.procs.iter_mut().find(|process| process.threads.contains(&thread));
        found.ok_or(ProcessError::NoSuchThread(thread))
    }

    fn is_live(&self, pid: Option<Pid>) -> bool {
        self.procs.iter().any(|process| Some(process.pid) == pid && !process.zombie)
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// The number that the next process gets.
    pub(super) fn next_pid(&self) -> Option<Pid> {
        self.free.front().copied()
    }

    /// A spawn that took a number and gave it back.
    pub(super) fn skip_number(&mut self) {
        if let Some(pid) = self.free.pop_front() {
            self.free.push_back(Pid::new(pid.number() - 1, pid.generation() + 1));
        }
    }

    pub(super) fn born(&mut self, parent: Option<Pid>, forked: bool, thread: ThreadId) {
        let Some(pid) = self.free.pop_front() else { return };
        let order = self.next_order();
        let from = parent.and_then(|parent| self.get(parent).ok().cloned());
        self.procs.push(Proc {
            pid,
            parent: parent.or(self.reaper),
            group: from.as_ref().map_or(pid, |from| from.group),
            session: from.as_ref().map_or(pid, |from| from.session),
            threads: [thread].into(),
            dying: None,
            stopped: None,
            report: None,
            zombie: false,
            auto_reap: forked && from.is_some_and(|from| from.auto_reap),
            executed: false,
            posted: 0,
            used: 0,
            children_used: 0,
            memory: 0,
            order,
        });
        if !self.born {
            (self.born, self.reaper) = (true, Some(pid));
        }
    }

    pub(super) fn doom(&mut self, pid: Pid, status: ExitStatus) {
        if let Ok(process) = self.live(pid)
            && process.dying.is_none()
        {
            (process.dying, process.stopped, process.report) = (Some(status), None, None);
        }
    }

    pub(super) fn deliver(&mut self, pid: Pid, signal: Signal) {
        let Ok(process) = self.live(pid) else { return };
        let stopped = process.stopped.is_some();
        match signal {
            Signal::KILL => self.doom(pid, ExitStatus::Signaled(signal)),
            Signal::STOP => self.stop(pid, signal),
            _ => {
                process.posted |= 1 << (signal.number() - 1);
                if signal == Signal::CONT && stopped {
                    (process.stopped, process.report) = (None, Some(Event::Continued));
                    let parent = process.parent;
                    self.child_changed(parent);
                }
            }
        }
    }

    pub(super) fn stop(&mut self, pid: Pid, signal: Signal) {
        if let Ok(process) = self.live(pid)
            && process.stopped.is_none()
            && process.dying.is_none()
        {
            (process.stopped, process.report) = (Some(signal), Some(Event::Stopped(signal)));
            let parent = process.parent;
            self.child_changed(parent);
        }
    }

    fn child_changed(&mut self, parent: Option<Pid>) {
        if let Some(Ok(parent)) = parent.map(|parent| self.live(parent)) {
            parent.posted |= 1 << (Signal::CHLD.number() - 1);
        }
    }

    /// Whether `parent` is to `child` what a shell is to a job.
    fn minds(&self, child: &Proc, parent: Option<Pid>) -> bool {
        parent != self.reaper
            && self.procs.iter().any(|process| {
                Some(process.pid) == parent
                    && !process.zombie
                    && process.group != child.group
                    && process.session == child.session
            })
    }

    pub(super) fn is_orphaned(&self, group: Pid, leaving: Option<Pid>) -> bool {
        let mut members = self.procs.iter().filter(|process| process.group == group && !process.zombie);
        !members.any(|member| Some(member.pid) != leaving && self.minds(member, member.parent))
    }

    fn relieve(&mut self, group: Pid, leaving: Option<Pid>) {
        let in_group =
            |process: &&Proc| process.group == group && !process.zombie && Some(process.pid) != leaving;
        let members: Vec<_> = self.procs.iter().filter(in_group).map(|process| process.pid).collect();
        let stopped = self.procs.iter().filter(in_group).any(|process| process.stopped.is_some());
        if stopped && self.is_orphaned(group, leaving) {
            for member in members {
                self.deliver(member, Signal::HUP);
                self.deliver(member, Signal::CONT);
            }
        }
    }

    fn children(&self, of: Pid, zombie: bool) -> Vec<Proc> {
        let theirs = |process: &&Proc| process.parent == Some(of) && process.zombie == zombie;
        let mut children: Vec<_> = self.procs.iter().filter(theirs).cloned().collect();
        children.sort_by_key(|child| child.order);
        children
    }

    /// The last thread of `pid` has left.
    pub(super) fn end(&mut self, pid: Pid) {
        let heir = self.reaper.filter(|&reaper| reaper != pid);
        for child in self.children(pid, false) {
            let minded = self.minds(&child, Some(pid));
            let order = self.next_order();
            if let Ok(child) = self.get(child.pid) {
                (child.parent, child.order) = (heir, order);
            }
            if minded {
                self.relieve(child.group, None);
            }
        }
        for zombie in self.children(pid, true) {
            let minded = self.minds(&zombie, Some(pid));
            if let Ok(zombie) = self.get(zombie.pid) {
                zombie.parent = heir;
            }
            self.mourn(zombie.pid);
            if minded {
                self.relieve(zombie.group, None);
            }
        }
        self.reaper = heir.filter(|_| self.reaper != Some(pid));
        let Ok(process) = self.get(pid).cloned() else { return };
        if self.minds(&process, process.parent) {
            self.relieve(process.group, Some(pid));
        }
        if let Ok(process) = self.get(pid) {
            process.zombie = true;
            process.used += process.children_used;
            process.dying.get_or_insert(ExitStatus::Exited(0));
        }
        self.mourn(pid);
    }

    fn mourn(&mut self, pid: Pid) {
        let order = self.next_order();
        let Ok(zombie) = self.get(pid) else { return };
        zombie.order = order;
        let parent = zombie.parent;
        let waits =
            parent.map(|parent| self.live(parent)).is_some_and(|parent| parent.is_ok_and(|it| !it.auto_reap));
        if !waits {
            self.bury(pid);
        }
        self.child_changed(parent);
    }

    fn bury(&mut self, pid: Pid) {
        let Some(position) = self.procs.iter().position(|process| process.pid == pid) else { return };
        let gone = self.procs.remove(position);
        self.held.push(pid);
        for number in [pid, gone.group, gone.session] {
            self.settle(number);
        }
    }

    /// Frees a number that nobody bears.
    fn settle(&mut self, number: Pid) {
        let borne = self.procs.iter().any(|process| process.group == number || process.session == number);
        if let Some(position) = self.held.iter().position(|&held| held == number)
            && !borne
        {
            self.held.remove(position);
            self.free.push_back(Pid::new(number.number() - 1, number.generation() + 1));
        }
    }

    /// Undoes a birth.
    pub(super) fn unborn(&mut self, pid: Pid) {
        if self.reaper == Some(pid) {
            (self.reaper, self.born) = (None, false);
        }
        self.bury(pid);
    }

    pub(super) fn wait(
        &mut self,
        thread: ThreadId,
        who: WaitFor,
        options: WaitOptions,
    ) -> Result<Option<(Pid, Event)>, WaitError> {
        let process = self.of_thread(thread).map_err(WaitError::Process)?;
        if process.dying.is_some() {
            return Err(WaitError::Interrupted);
        }
        let parent = process.pid;
        let wanted = |child: &Proc| match who {
            WaitFor::Any => true,
            WaitFor::Process(pid) => child.pid == pid,
            WaitFor::Group(group) => child.group == group,
        };
        if let Some(zombie) = self.children(parent, true).into_iter().find(wanted) {
            if let Ok(parent) = self.get(parent) {
                parent.children_used += zombie.used;
            }
            self.bury(zombie.pid);
            return Ok(zombie.dying.map(|status| (zombie.pid, Event::Exited(status))));
        }
        let living: Vec<_> = self.children(parent, false).into_iter().filter(wanted).collect();
        let reported = living.iter().find_map(|child| match child.report? {
            Event::Continued if !options.continued => None,
            Event::Stopped(_) if !options.stopped => None,
            event => Some((child.pid, event)),
        });
        if let Some((pid, _)) = reported {
            self.get(pid).map_err(WaitError::Process)?.report = None;
        }
        if living.is_empty() { Err(WaitError::NoChild) } else { Ok(reported) }
    }

    pub(super) fn set_group(&mut self, caller: Pid, pid: Pid, group: Pid) -> Result<(), GroupError> {
        let caller = self.live(caller).map_err(GroupError::Process)?.clone();
        let moved = self.get(pid).map_err(GroupError::Process)?.clone();
        if pid != caller.pid {
            if moved.parent != Some(caller.pid) {
                return Err(GroupError::NotChild(pid));
            }
            if moved.session != caller.session {
                return Err(GroupError::OtherSession(pid));
            }
            if moved.executed && !moved.zombie {
                return Err(GroupError::Executed(pid));
            }
        }
        if moved.session == pid {
            return Err(GroupError::SessionLeader(pid));
        }
        let exists = |process: &Proc| process.group == group && process.session == moved.session;
        if group != pid && !self.procs.iter().any(exists) {
            return Err(GroupError::NoSuchGroup(group));
        }
        self.get(pid).map_err(GroupError::Process)?.group = group;
        self.settle(moved.group);
        Ok(())
    }

    pub(super) fn new_session(&mut self, caller: Pid) -> Result<(), GroupError> {
        let old = self.live(caller).map_err(GroupError::Process)?.clone();
        if self.procs.iter().any(|process| process.group == caller) {
            return Err(GroupError::GroupLeader(caller));
        }
        let process = self.get(caller).map_err(GroupError::Process)?;
        (process.group, process.session) = (caller, caller);
        self.settle(old.group);
        self.settle(old.session);
        Ok(())
    }

    /// Whom a signal for a group or session meets.
    pub(super) fn bearers(&self, number: Pid, session: bool) -> Vec<Pid> {
        let bears = |process: &&Proc| number == if session { process.session } else { process.group };
        self.procs.iter().filter(bears).map(|process| process.pid).collect()
    }

    /// A live process's parent as others see it.
    pub(super) fn parent_of(&self, process: &Proc) -> Option<Pid> {
        process.parent.filter(|&parent| self.is_live(Some(parent)))
    }
}
