//! Birth and end: spawn, fork, threads, exit.
//!
//! A process is made in three steps: everything that can run out is taken under the lock; the integrator starts the task,
//! without it; the task is noted. If the second fails the first is undone. In between the process exists: it can be killed,
//! and its task may run and even leave already.

use core::fmt;

use super::clock::{Account, Usage};
use super::error::{ProcessError, SpawnError, SpawnReason};
use super::id::{DomainId, Pid, ThreadId};
use super::limits::{Limits, Resource};
use super::record::{ExitStatus, Phase};
use super::slots::{Process, Queued, Thread};
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::ProcessExt;
use crate::ring::NONE;

/// What a process is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnArgs<X> {
    /// The integrator's part.
    pub ext: X,
    /// The parent; `None`: the reaper, with a session of its own. The first process becomes the reaper.
    pub parent: Option<Pid>,
    /// Its limits; `None`: the parent's.
    pub limits: Option<Limits>,
    /// Its limit domain; `None`: the parent's.
    pub domain: Option<DomainId>,
}

impl<X> SpawnArgs<X> {
    /// A child of `parent` with its limits and in its domain.
    #[must_use]
    pub const fn new(parent: Option<Pid>, ext: X) -> Self {
        Self { ext, parent, limits: None, domain: None }
    }
}

type Spawned<X, S> = Result<Pid, SpawnError<X, <X as ProcessExt>::Error, S>>;
type Reason<X, S> = SpawnReason<<X as ProcessExt>::Error, S>;

impl<'s, X: ProcessExt, K: ProcessHost<X>> ProcessTable<'s, X, K> {
    /// Makes a process of one thread, whole or not at all. `start` makes the task that is its thread; it is called without a
    /// lock, and the task may run before it returns. Task context.
    ///
    /// # Errors
    /// [`SpawnError`] with the integrator's part.
    pub fn spawn<S>(
        &self,
        args: SpawnArgs<X>,
        start: impl FnOnce(Pid, ThreadId) -> Result<K::Task, S>,
    ) -> Spawned<X, S> {
        self.make(args, false, start)
    }

    /// Makes a child of the caller's process like it: the integrator's part forked, the same limits, group and session, one
    /// thread. Otherwise as [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// [`SpawnReason`]; what was forked is dropped.
    pub fn fork<S>(
        &self,
        caller: ThreadId,
        start: impl FnOnce(Pid, ThreadId) -> Result<K::Task, S>,
    ) -> Result<Pid, Reason<X, S>> {
        let (parent, handle) = self.handle(caller).map_err(SpawnReason::Process)?;
        let ext = handle.fork().map_err(SpawnReason::Fork)?;
        self.make(SpawnArgs::new(Some(parent), ext), true, start).map_err(|error| error.reason)
    }

    /// The process of `thread` and a handle of its part.
    pub(super) fn handle(&self, thread: ThreadId) -> Result<(Pid, X), ProcessError> {
        self.locked(|state| {
            let process = state.process(state.running(thread)?);
            let ext = process.ext.clone().ok_or(ProcessError::NoSuchThread(thread))?;
            Ok((state.pid(process.record), ext))
        })
    }

    fn make<S>(
        &self,
        args: SpawnArgs<X>,
        forked: bool,
        start: impl FnOnce(Pid, ThreadId) -> Result<K::Task, S>,
    ) -> Spawned<X, S> {
        let (pid, thread) = self.transact(|state| {
            let made = state.reserve(args, forked);
            made.inspect_err(|_| state.stats.refused += 1).inspect(|&(_, thread)| self.open(thread))
        })?;
        match start(pid, thread) {
            Ok(task) => self.commit(thread, task),
            Err(error) => {
                // Whose thread ran and left was started, whatever is said.
                if let Some(ext) =
                    self.transact(|state| state.roll_back(pid, thread, |next| self.close(thread, next)))
                {
                    return Err(SpawnError { reason: SpawnReason::Start(error), ext });
                }
            }
        }
        Ok(pid)
    }

    fn open(&self, thread: ThreadId) {
        if let Some(account) = self.account(thread.index) {
            account.open(thread.generation);
        }
    }

    fn close(&self, thread: ThreadId, next_generation: u32) -> Usage {
        self.account(thread.index).map_or(Usage::ZERO, |account| Account::close(account, next_generation))
    }

    /// Adds a thread to a process; `start` as for [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// [`SpawnReason`].
    pub fn add_thread<S>(
        &self,
        pid: Pid,
        start: impl FnOnce(ThreadId) -> Result<K::Task, S>,
    ) -> Result<ThreadId, Reason<X, S>> {
        let thread = self.transact(|state| {
            let process = state.live(pid).map_err(SpawnReason::Process)?;
            let slot = state.process(process);
            if slot.dooms(NONE) || slot.ext.is_none() {
                return Err(SpawnReason::Dying);
            }
            state.reserve_thread(process).inspect(|&thread| self.open(thread))
        })?;
        match start(thread) {
            Ok(task) => self.commit(thread, task),
            Err(error) => {
                drop(self.leave(thread));
                return Err(SpawnReason::Start(error));
            }
        }
        Ok(thread)
    }

    fn commit(&self, thread: ThreadId, task: K::Task) {
        self.transact(|state| {
            if let Ok(process) = state.running(thread) {
                state.thread_mut(thread.index).task = Some(task);
                if state.process(process).dooms(thread.index) {
                    state.wake(thread.index, Queued::Interrupt);
                }
            }
        });
    }

    /// Ends the caller's process: it will have exited with `code`, unless it is dying already, and every other thread of it is
    /// woken to leave. The caller leaves next.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchThread`].
    pub fn exit(&self, caller: ThreadId, code: i32) -> Result<(), ProcessError> {
        self.transact(|state| {
            let process = state.running(caller)?;
            state.doom(process, ExitStatus::Exited(code), caller.index);
            Ok(())
        })
    }

    /// Takes `thread` out of its process: the last thing a thread does here. The last thread gets the process's [`Ending`].
    /// `None` if others are left, or if there is no such thread.
    pub fn leave(&self, thread: ThreadId) -> Option<Ending<'_, 's, X, K>> {
        let (record, ext) = self.transact(|state| {
            let process = state.running(thread).ok()?;
            state.unqueue(thread.index);
            state.drop_thread(thread.index, |next| self.close(thread, next));
            let slot = state.process_mut(process);
            if slot.thread_count == 1 && slot.sole != NONE {
                let sole = slot.sole;
                state.wake(sole, Queued::Wake);
                return None;
            }
            let last = slot.thread_count == 0;
            last.then(|| (slot.record, slot.ext.take()))
        })?;
        Some(Ending { table: self, record, ext })
    }
}

/// The end of a process whose last thread has left. When it is dropped, first the integrator's part is, without a lock; then
/// the process becomes a zombie: so who waits for a process finds its files closed and its memory free.
#[must_use]
pub struct Ending<'t, 's, X: ProcessExt, K: ProcessHost<X>> {
    table: &'t ProcessTable<'s, X, K>,
    record: u32,
    ext: Option<X>,
}

impl<X: ProcessExt, K: ProcessHost<X>> Ending<'_, '_, X, K> {
    /// The integrator's part, to take apart in another way than by dropping it.
    pub fn ext(&mut self) -> Option<X> {
        self.ext.take()
    }
}

impl<X: ProcessExt, K: ProcessHost<X>> Drop for Ending<'_, '_, X, K> {
    fn drop(&mut self) {
        drop(self.ext.take());
        self.table.transact(|state| state.bring_to_end(self.table.host(), self.record));
    }
}

impl<X: ProcessExt, K: ProcessHost<X>> fmt::Debug for Ending<'_, '_, X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("record", &self.record).finish_non_exhaustive()
    }
}

impl<X: ProcessExt, T: Copy> State<'_, X, T> {
    /// A process with a thread that was not started, or nothing.
    fn reserve<S>(
        &mut self,
        args: SpawnArgs<X>,
        forked: bool,
    ) -> Result<(Pid, ThreadId), SpawnError<X, X::Error, S>> {
        match self.reserve_slots(&args, forked) {
            Ok((process, thread)) => {
                self.process_mut(process).ext = Some(args.ext);
                self.stats.spawned += 1;
                Ok((self.pid(self.process(process).record), thread))
            }
            Err(reason) => Err(SpawnError { reason, ext: args.ext }),
        }
    }

    fn reserve_slots<S>(
        &mut self,
        args: &SpawnArgs<X>,
        forked: bool,
    ) -> Result<(u32, ThreadId), Reason<X, S>> {
        let parent = args.parent.map(|pid| self.live(pid)).transpose().map_err(SpawnReason::Process)?;
        let domain = args
            .domain
            .map(|id| self.domains.find(id).map_err(|_| SpawnReason::NoSuchDomain(id)))
            .transpose()?;
        let old = parent.map(|parent| self.process(parent));
        if old.is_some_and(|old| old.dying.is_some() || old.ext.is_none()) {
            return Err(SpawnReason::Dying);
        }
        let limits = args.limits.or(old.map(|old| old.limits)).unwrap_or(Limits::UNLIMITED);
        let domain = domain.or(old.map(|old| old.domain)).unwrap_or(NONE);
        let auto_reap = forked && old.is_some_and(|old| old.auto_reap);
        let record = self.take_record().ok_or(SpawnReason::NoRecord)?;
        let Some(process) = self.take_process() else {
            self.give_record(record);
            return Err(SpawnReason::NoProcess);
        };
        *self.process_mut(process) = Process { record, limits, domain, auto_reap, ..Process::EMPTY };
        self.domains.join(domain);
        match self.reserve_thread(process) {
            Ok(thread) => {
                self.settle_in(record, process, parent);
                Ok((process, thread))
            }
            Err(error) => {
                self.domains.leave(domain);
                self.give_process(process);
                self.give_record(record);
                Err(error)
            }
        }
    }

    /// Gives a new process its place among parents, groups and sessions.
    fn settle_in(&mut self, record: u32, process: u32, parent: Option<u32>) {
        self.record_mut(record).phase = Phase::Live { process };
        let (group, session) = parent.map_or((record, record), |parent| {
            let parent = self.record(self.process(parent).record);
            (parent.group, parent.session)
        });
        self.join_group(record, group, session);
        let parent = parent.map_or(self.reaper, |parent| self.process(parent).record);
        self.adopt(parent, record);
        if self.reaper == NONE && self.stats.spawned == 0 {
            self.reaper = record;
        }
    }

    /// A thread of `process` that was not started, charged for.
    fn reserve_thread<S>(&mut self, process: u32) -> Result<ThreadId, Reason<X, S>> {
        self.charge(process, Resource::Tasks, 1).map_err(SpawnReason::Limit)?;
        let Some(index) = self.take_thread() else {
            self.uncharge(process, Resource::Tasks, 1);
            return Err(SpawnReason::NoThread);
        };
        self.thread_mut(index).process = process;
        let threads = Thread::PEERS.push_back(self.threads, self.process(process).threads, index);
        let slot = self.process_mut(process);
        slot.threads = threads;
        slot.thread_count += 1;
        Ok(ThreadId::new(index, self.thread(index).generation))
    }

    /// Takes a thread, which is in no queue, out of its process; `close` tells what it used.
    fn drop_thread(&mut self, thread: u32, close: impl FnOnce(u32) -> Usage) {
        let process = self.thread(thread).process;
        let threads = Thread::PEERS.remove(self.threads, self.process(process).threads, thread);
        let used = close(self.give_thread(thread));
        let slot = self.process_mut(process);
        slot.threads = threads;
        slot.thread_count -= 1;
        slot.usage = slot.usage.plus(used);
        if slot.sole == thread {
            slot.sole = NONE;
        }
        self.uncharge(process, Resource::Tasks, 1);
    }

    /// Undoes a spawn whose task was not started; returns the integrator's part, unless the process has gone its way.
    fn roll_back(&mut self, pid: Pid, thread: ThreadId, close: impl FnOnce(u32) -> Usage) -> Option<X> {
        let process = self.running(thread).ok()?;
        self.unqueue(thread.index);
        self.drop_thread(thread.index, close);
        let slot = self.process_mut(process);
        let ext = if slot.thread_count == 0 { slot.ext.take()? } else { return None };
        let parent = self.record(pid.index).parent;
        self.disown(pid.index);
        self.uncharge_all(process);
        self.give_process(process);
        self.bury(pid.index);
        self.stats.spawned -= 1;
        self.stats.refused += 1;
        if self.reaper == pid.index {
            self.reaper = NONE;
        }
        if let Some(parent) = self.process_of(parent) {
            // Whoever waited for this child looks again.
            self.wake_waiters(parent);
        }
        Some(ext)
    }
}
