//! Signals: their numbers, and what KILL, STOP and CONT do to a process. Permission and queue are the integrator's
//! ([`SignalSink`](crate::SignalSink)).
//!
//! Source: POSIX.1-2017 `kill`, sections 2.4.3 and 11.1.4; the numbers are Linux's.

use core::fmt;

use super::error::{ProcessError, SignalError};
use super::id::Pid;
use super::record::{ExitStatus, Phase};
use super::slots::Report;
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::ProcessExt;
use crate::ring::NONE;

/// A signal by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

impl Signal {
    /// The terminal is gone; also sent to orphaned groups with stopped members.
    pub const HUP: Self = Self(1);
    /// From the keyboard.
    pub const INT: Self = Self(2);
    /// Ends the process. Cannot be caught.
    pub const KILL: Self = Self(9);
    /// Asks the process to end.
    pub const TERM: Self = Self(15);
    /// A child has changed.
    pub const CHLD: Self = Self(17);
    /// Continues a stopped process.
    pub const CONT: Self = Self(18);
    /// Stops the process. Cannot be caught.
    pub const STOP: Self = Self(19);
    /// Stop from the keyboard.
    pub const TSTP: Self = Self(20);
    /// Reads from the terminal in the background.
    pub const TTIN: Self = Self(21);
    /// Writes to the terminal in the background.
    pub const TTOU: Self = Self(22);
    /// The soft limit of CPU time was crossed.
    pub const XCPU: Self = Self(24);

    /// Signal `number`; `None` outside 1..=64.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 64 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {}", self.0)
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalTarget {
    /// One process.
    Process(Pid),
    /// Every process of the group that this one founded.
    Group(Pid),
    /// Every process of the session that this one founded.
    Session(Pid),
}

/// Processes looked at before the lock is given to others, where a session is sought in the whole table.
const STRIDE: u32 = 64;

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// Sends `signal`, and returns how many processes it reached (zombies are reached without effect). `sender`: `None` is the
    /// kernel, who may do everything. KILL and STOP do not reach the reaper unless the kernel sends them. Any context; takes
    /// time in proportion to the group, or to the table for a session.
    ///
    /// # Errors
    /// [`SignalError`]; then nobody was reached.
    pub fn signal(
        &self,
        sender: Option<Pid>,
        target: SignalTarget,
        signal: Signal,
    ) -> Result<usize, SignalError> {
        let (pid, mut reach) = match target {
            SignalTarget::Process(pid) | SignalTarget::Group(pid) | SignalTarget::Session(pid) => {
                (pid, Reach::default())
            }
        };
        match target {
            SignalTarget::Process(_) => self.transact(|state| {
                let sender = state.sender(sender)?;
                if state.holds(pid) && !matches!(state.record(pid.index).phase, Phase::Held) {
                    state.send(self.host(), sender, pid.index, signal, &mut reach);
                }
                Ok(())
            })?,
            SignalTarget::Group(_) => self.transact(|state| {
                let sender = state.sender(sender)?;
                if state.holds(pid) {
                    state.each_member(pid.index, |state, member| {
                        state.send(self.host(), sender, member, signal, &mut reach);
                    });
                }
                Ok(())
            })?,
            SignalTarget::Session(_) => self.signal_session(sender, pid, signal, &mut reach)?,
        }
        match reach {
            Reach { found: 0, .. } => Err(SignalError::NoTarget(pid)),
            Reach { permitted: 0, .. } => Err(SignalError::Denied(pid)),
            Reach { permitted, .. } => Ok(permitted),
        }
    }

    fn signal_session(
        &self,
        sender: Option<Pid>,
        session: Pid,
        signal: Signal,
        reach: &mut Reach,
    ) -> Result<(), SignalError> {
        let mut first = Some(0_u32);
        while let Some(start) = first {
            first = self.transact(|state| {
                let sender = state.sender(sender)?;
                if !state.holds(session) {
                    return Ok(None);
                }
                let end = start.saturating_add(STRIDE).min(state.record_count());
                for index in start..end {
                    let member = state.record(index).session == session.index;
                    member.then(|| state.send(self.host(), sender, index, signal, reach));
                }
                Ok(Some(end).filter(|&end| end < state.record_count()))
            })?;
        }
        Ok(())
    }

    /// Stops `pid`: what the integrator does for TSTP, TTIN and TTOU that are neither caught nor ignored. False, and nothing
    /// done, if the process is dying or in an orphaned group, where nobody could continue it.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn stop(&self, pid: Pid, signal: Signal) -> Result<bool, ProcessError> {
        self.transact(|state| {
            let process = state.live(pid)?;
            let group = state.record(pid.index).group;
            let stops = !state.is_orphaned(group, NONE) && state.process(process).dying.is_none();
            if stops {
                state.stop(self.host(), process, signal);
            }
            Ok(stops)
        })
    }

    /// Makes `pid` end by `signal`: what the integrator does for signals that are neither caught nor ignored. The first cause
    /// of death counts. Every thread is woken with [`Resume::Interrupted`](crate::Resume::Interrupted) and leaves itself.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn terminate(&self, pid: Pid, signal: Signal) -> Result<(), ProcessError> {
        self.transact(|state| {
            let process = state.live(pid)?;
            state.doom(process, ExitStatus::Signaled(signal), NONE);
            Ok(())
        })
    }
}

/// How many processes a signal met, and how many it was allowed to reach.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    found: usize,
    permitted: usize,
}

impl<X: ProcessExt, T: Copy> State<'_, X, T> {
    fn sender(&self, sender: Option<Pid>) -> Result<Option<u32>, SignalError> {
        sender.map(|pid| self.live(pid).map_err(SignalError::Sender)).transpose()
    }

    fn send<K: ProcessHost<X, Task = T>>(
        &mut self,
        host: &K,
        sender: Option<u32>,
        target: u32,
        signal: Signal,
        reach: &mut Reach,
    ) {
        reach.found += 1;
        let Phase::Live { process } = self.record(target).phase else {
            reach.permitted += 1;
            return;
        };
        if sender.is_none_or(|sender| self.permits(host, sender, process, signal)) {
            reach.permitted += 1;
            self.deliver(host, process, signal);
        }
    }

    fn permits<K: ProcessHost<X, Task = T>>(
        &self,
        host: &K,
        sender: u32,
        target: u32,
        signal: Signal,
    ) -> bool {
        let (from, to) = (self.process(sender), self.process(target));
        let shielded = to.record == self.reaper && (signal == Signal::KILL || signal == Signal::STOP);
        let same_session = self.record(from.record).session == self.record(to.record).session;
        let (Some(from), Some(to)) = (&from.ext, &to.ext) else { return !shielded };
        !shielded && ((signal == Signal::CONT && same_session) || host.permits(from, to, signal))
    }

    /// What `signal` does to a process.
    pub(super) fn deliver<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32, signal: Signal) {
        match signal {
            Signal::KILL => self.doom(process, ExitStatus::Signaled(signal), NONE),
            Signal::STOP => self.stop(host, process, signal),
            Signal::CONT => {
                self.resume(host, process);
                self.post(host, process, signal);
            }
            _ => self.post(host, process, signal),
        }
    }

    /// Hands `signal` to the integrator's queue and wakes the threads if he says so.
    pub(super) fn post<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32, signal: Signal) {
        let Some(ext) = &mut self.process_mut(process).ext else { return };
        if host.post(ext, signal) {
            self.wake_all(process);
        }
    }

    /// The process will have ended with `status`, unless it is dying already: all its threads but `except` are woken to leave.
    pub(super) fn doom(&mut self, process: u32, status: ExitStatus, except: u32) {
        let dying = self.process_mut(process);
        if dying.dying.is_none() && dying.ext.is_some() {
            dying.dying = Some(status);
            dying.stopped = None;
            dying.report = None;
            self.interrupt_all(process, except);
        }
    }

    fn stop<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32, signal: Signal) {
        let stopping = self.process_mut(process);
        if stopping.stopped.is_none() && stopping.dying.is_none() && stopping.ext.is_some() {
            stopping.stopped = Some(signal);
            stopping.report = Some(Report::Stopped(signal));
            self.tell_parent(host, process);
        }
    }

    fn resume<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32) {
        let resuming = self.process_mut(process);
        if resuming.stopped.take().is_some() {
            resuming.report = Some(Report::Continued);
            self.wake_all(process);
            self.tell_parent(host, process);
        }
    }

    fn tell_parent<K: ProcessHost<X, Task = T>>(&mut self, host: &K, process: u32) {
        let parent = self.record(self.process(process).record).parent;
        self.tell(host, parent);
    }

    /// Tells the process of record `parent` that a child has changed.
    pub(super) fn tell<K: ProcessHost<X, Task = T>>(&mut self, host: &K, parent: u32) {
        if let Some(process) = self.process_of(parent) {
            self.wake_waiters(process);
            self.post(host, process, Signal::CHLD);
        }
    }
}
