//! Waiting for children.
//!
//! Who finds no child that has changed puts itself in the ring of waiters under the same lock that it looked under, drops the
//! lock and parks; whoever changes a child takes the ring out under the lock and wakes it without. An early wake-up is the
//! permit of [`Park`](crate::Park).
//!
//! Source: POSIX.1-2017 `waitpid`.

use super::clock::Usage;
use super::error::{ProcessError, WaitError};
use super::id::{Pid, ThreadId};
use super::record::{ExitStatus, Phase, Record};
use super::signal::Signal;
use super::slots::Report;
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::{BlockReason, ProcessExt, Resume};
use crate::seeded::{Bug, seeded};
use crate::time::Instant;

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitFor {
    /// Any.
    Any,
    /// This one.
    Process(Pid),
    /// Any of this group.
    Group(Pid),
}

/// What to wait for beside the end of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WaitOptions {
    /// Children that were stopped.
    pub stopped: bool,
    /// Children that were continued.
    pub continued: bool,
    /// Do not sleep.
    pub no_hang: bool,
}

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It came to its end and is gone now.
    Exited(ExitStatus),
    /// It was stopped.
    Stopped(Signal),
    /// It was continued.
    Continued,
}

/// A child that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Which.
    pub pid: Pid,
    /// What happened to it.
    pub event: Event,
    /// CPU time of it and of the children it waited for; of a living child nothing.
    pub usage: Usage,
}

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// Waits until a child of the caller's process has changed, and takes note of it: a zombie is gone then. With `no_hang`,
    /// `None` if none has. Task context; sleeps without a lock.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait(
        &self,
        caller: ThreadId,
        who: WaitFor,
        options: WaitOptions,
        until: Option<Instant>,
    ) -> Result<Option<Waited>, WaitError> {
        let mut resume = Resume::Woken;
        loop {
            let found = self.transact(|state| {
                let found = state.look(self.host(), caller, who, options);
                let sleeps = found == Ok(None) && !options.no_hang && resume == Resume::Woken;
                if sleeps && !seeded(Bug::WaiterLate) {
                    state.thread_mut(caller.index).task = Some(self.host().current());
                    state.queue_waiter(caller.index);
                } else if let Ok(_process) = state.running(caller) {
                    state.unqueue(caller.index);
                }
                found
            })?;
            if found.is_some() || options.no_hang {
                return Ok(found);
            }
            match resume {
                Resume::Woken => {}
                Resume::TimedOut => return Err(WaitError::TimedOut),
                Resume::Interrupted => return Err(WaitError::Interrupted),
            }
            if seeded(Bug::WaiterLate) {
                self.transact(|state| {
                    state.thread_mut(caller.index).task = Some(self.host().current());
                    state.queue_waiter(caller.index);
                });
            }
            resume = self.host().park(until, BlockReason::Child);
        }
    }
}

impl<X: ProcessExt, T: Copy> State<'_, X, T> {
    /// A child that has changed; `None` if there may be one later.
    fn look<K: ProcessHost<X, Task = T>>(
        &mut self,
        host: &K,
        caller: ThreadId,
        who: WaitFor,
        options: WaitOptions,
    ) -> Result<Option<Waited>, WaitError> {
        let process = self.running(caller).map_err(WaitError::Process)?;
        if self.process(process).dooms(caller.index) {
            return Err(WaitError::Interrupted);
        }
        let who = self.resolve(process, who)?;
        if let Some(zombie) = self.find_child(self.process(process).zombies, who) {
            return Ok(self.collect(zombie));
        }
        if let Some(waited) = self.find_report(process, who, options) {
            return Ok(Some(waited));
        }
        if self.find_child(self.process(process).children, who).is_none() {
            return Err(WaitError::NoChild);
        }
        let signalled = self.process(process).ext.as_ref().is_some_and(|ext| host.pending(ext));
        if signalled && !options.no_hang { Err(WaitError::Signal) } else { Ok(None) }
    }

    /// Ids to slots; ids of what is not there or not a child are nobody.
    fn resolve(&self, process: u32, who: WaitFor) -> Result<Who, WaitError> {
        match who {
            WaitFor::Any => Ok(Who::Any),
            WaitFor::Process(pid) => {
                let record = self.present(pid).map_err(|_: ProcessError| WaitError::NoChild)?;
                let child = self.record(record).parent == self.process(process).record;
                if child { Ok(Who::Record(record)) } else { Err(WaitError::NoChild) }
            }
            WaitFor::Group(pid) if self.holds(pid) => Ok(Who::Group(pid.index)),
            WaitFor::Group(_) => Err(WaitError::NoChild),
        }
    }

    fn find_child(&self, ring: u32, who: Who) -> Option<u32> {
        Record::SIBLINGS.iter(self.records, ring).find(|&child| self.matches(child, who))
    }

    fn matches(&self, child: u32, who: Who) -> bool {
        match who {
            Who::Any => true,
            Who::Record(record) => child == record,
            Who::Group(group) => self.record(child).group == group,
        }
    }

    fn collect(&mut self, zombie: u32) -> Option<Waited> {
        let Phase::Zombie { status, usage } = self.record(zombie).phase else { return None };
        let pid = self.pid(zombie);
        self.reap(zombie);
        Some(Waited { pid, event: Event::Exited(status), usage })
    }

    fn find_report(&mut self, process: u32, who: Who, options: WaitOptions) -> Option<Waited> {
        if !options.stopped && !options.continued {
            return None;
        }
        let children = Record::SIBLINGS.iter(self.records, self.process(process).children);
        let found = children.filter(|&child| self.matches(child, who)).find_map(|child| {
            let child = self.process_of(child)?;
            let event = match self.process(child).report? {
                Report::Stopped(signal) if options.stopped => Event::Stopped(signal),
                Report::Continued if options.continued => Event::Continued,
                _ => return None,
            };
            Some((child, event))
        });
        let (child, event) = found?;
        self.process_mut(child).report = None;
        Some(Waited { pid: self.pid(self.process(child).record), event, usage: Usage::ZERO })
    }
}

#[derive(Clone, Copy)]
enum Who {
    Any,
    Record(u32),
    Group(u32),
}
