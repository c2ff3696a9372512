//! [`ProcessTable`]: storage, lock, and questions about processes.

use core::fmt;

use super::check;
use super::clock::{Account, Mode, Usage};
use super::domain::{Domain, Domains};
use super::error::{ProcessCorruption, ProcessError};
use super::id::{Pid, ThreadId};
use super::record::{ExitStatus, Phase, Record};
use super::signal::Signal;
use super::slots::{Process, Thread};
use super::state::State;
use super::stats::ProcessStats;
use crate::guarded::Guarded;
use crate::ports::{BlockReason, CriticalSection, Interrupt, Park, ProcessExt, Resume, SignalSink};
use crate::time::Duration;

/// Everything that processes need of a kernel. Whatever implements the four ports is one.
pub trait ProcessHost<X: ProcessExt>: Park + CriticalSection + Interrupt + SignalSink<X> {}

impl<X: ProcessExt, K: Park + CriticalSection + Interrupt + SignalSink<X>> ProcessHost<X> for K {}

/// The memory of a table. Its lengths are the limits of the table; what was in it is overwritten.
#[derive(Debug)]
pub struct ProcessStorage<'s, X, K: Park + CriticalSection> {
    /// One for each process number: live processes, zombies, and groups whose founder is gone.
    pub records: &'s mut [Record],
    /// One for each live process.
    pub processes: &'s mut [Process<X>],
    /// One for each thread.
    pub threads: &'s mut [Thread<K::Task>],
    /// One for each thread. If there are fewer, there are so many threads less.
    pub accounts: &'s [Account<K::Lock>],
    /// One for each limit domain; may be empty.
    pub domains: &'s mut [Domain],
}

/// The processes of a machine. See the [module](super).
pub struct ProcessTable<'s, X, K: Park + CriticalSection> {
    host: K,
    accounts: &'s [Account<K::Lock>],
    state: Guarded<K::Lock, State<'s, X, K::Task>>,
}

impl<'s, X: ProcessExt, K: ProcessHost<X>> ProcessTable<'s, X, K> {
    /// A table without a process.
    pub fn new(host: K, storage: ProcessStorage<'s, X, K>) -> Self {
        let ProcessStorage { records, processes, threads, accounts, domains } = storage;
        let threads = threads.get_mut(..accounts.len()).unwrap_or_default();
        let state = State::new(records, processes, threads, Domains(domains));
        Self { host, accounts, state: Guarded::new(state) }
    }

    /// The kernel below.
    pub const fn host(&self) -> &K {
        &self.host
    }

    /// Runs `work` under the lock, interrupts masked. Nobody is woken by it.
    pub(super) fn locked<R>(&self, work: impl FnOnce(&mut State<'s, X, K::Task>) -> R) -> R {
        self.state.with(&self.host, work)
    }

    pub(super) fn account(&self, thread: u32) -> Option<&Account<K::Lock>> {
        self.accounts.get(thread as usize)
    }

    /// The process that has number `number`, dead or alive.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<Pid> {
        let record = number.checked_sub(1)?;
        self.locked(|state| match state.records.get(record as usize)?.phase {
            Phase::Live { .. } | Phase::Zombie { .. } => Some(state.pid(record)),
            Phase::Free | Phase::Held => None,
        })
    }

    /// What can be told of `pid`, for `ps`.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn info(&self, pid: Pid) -> Result<ProcessInfo, ProcessError> {
        self.locked(|state| {
            let record = state.record(state.present(pid)?);
            let live = state.process_of(pid.index).map(|process| state.process(process));
            let status = match record.phase {
                Phase::Zombie { status, .. } => Status::Zombie(status),
                _ => live.map_or(Status::Running, |process| match (process.dying, process.stopped) {
                    (Some(status), _) => Status::Dying(status),
                    (None, Some(signal)) => Status::Stopped(signal),
                    (None, None) => Status::Running,
                }),
            };
            Ok(ProcessInfo {
                pid,
                parent: state.process_of(record.parent).map(|_| state.pid(record.parent)),
                group: state.pid(record.group),
                session: state.pid(record.session),
                threads: live.map_or(0, |process| process.thread_count),
                status,
            })
        })
    }

    /// The process of a thread.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchThread`].
    pub fn process_of(&self, thread: ThreadId) -> Result<Pid, ProcessError> {
        self.locked(|state| {
            let process = state.running(thread)?;
            Ok(state.pid(state.process(process).record))
        })
    }

    /// Runs `work` on the integrator's part of `pid`, with the table locked and interrupts masked: it takes constant time and
    /// neither blocks nor drops.
    ///
    /// # Errors
    /// [`ProcessError`]; [`ProcessError::Exited`] too when the last thread is leaving.
    pub fn with<R>(&self, pid: Pid, work: impl FnOnce(&mut X) -> R) -> Result<R, ProcessError> {
        self.locked(|state| {
            let process = state.live(pid)?;
            state.process_mut(process).ext.as_mut().map(work).ok_or(ProcessError::Exited(pid))
        })
    }

    /// The process whose children orphans become: the first that was spawned, while it lives.
    #[must_use]
    pub fn reaper(&self) -> Option<Pid> {
        self.locked(|state| state.process_of(state.reaper).map(|_| state.pid(state.reaper)))
    }

    /// Lets children of `pid` that die from now on vanish, as if it ignored SIGCHLD, or not. Forked children inherit it.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn set_auto_reap(&self, pid: Pid, auto_reap: bool) -> Result<(), ProcessError> {
        self.locked(|state| {
            let process = state.live(pid)?;
            state.process_mut(process).auto_reap = auto_reap;
            Ok(())
        })
    }

    /// To be called by a thread before it goes back to user mode, and where it stands in a loop: sleeps while the process is
    /// stopped, and says whether the thread is to leave.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchThread`].
    pub fn checkpoint(&self, thread: ThreadId) -> Result<Fate, ProcessError> {
        loop {
            let (doomed, stopped) = self.locked(|state| {
                let process = state.running(thread)?;
                state.thread_mut(thread.index).task = Some(self.host.current());
                let slot = state.process(process);
                Ok((slot.dooms(thread.index), slot.stopped.is_some()))
            })?;
            match (doomed, stopped) {
                (true, _) => return Ok(Fate::Leave),
                (false, false) => return Ok(Fate::Continue),
                (false, true) => {
                    if self.host.park(None, BlockReason::Stopped) == Resume::Interrupted {
                        return Ok(Fate::Leave);
                    }
                }
            }
        }
    }

    /// Charges a thread for CPU time. Takes only the lock of the thread's account: may be called at every switch, with a
    /// run-queue lock held. False if the thread has left.
    pub fn charge_cpu(&self, thread: ThreadId, mode: Mode, ran: Duration) -> bool {
        let _masked = self.host.irq_save();
        self.account(thread.index).is_some_and(|account| account.charge(thread.generation, mode, ran))
    }

    /// CPU time of a process, its dead threads included. Takes time in proportion to its threads.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`].
    pub fn usage(&self, pid: Pid) -> Result<ProcessUsage, ProcessError> {
        self.locked(|state| {
            let record = state.present(pid)?;
            Ok(match state.process_of(record) {
                Some(process) => {
                    let children = state.process(process).children_usage;
                    ProcessUsage { own: self.usage_of(state, process), children }
                }
                None => ProcessUsage { own: state.record(record).usage(), children: Usage::ZERO },
            })
        })
    }

    /// CPU time of one thread.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchThread`].
    pub fn thread_usage(&self, thread: ThreadId) -> Result<Usage, ProcessError> {
        self.locked(|state| {
            state.running(thread)?;
            Ok(self.account(thread.index).map_or(Usage::ZERO, Account::usage))
        })
    }

    pub(super) fn usage_of(&self, state: &State<'_, X, K::Task>, process: u32) -> Usage {
        let slot = state.process(process);
        let threads = Thread::<K::Task>::PEERS;
        let own = threads.iter(state.threads, slot.threads).filter_map(|thread| self.account(thread));
        own.fold(slot.usage, |sum, account| sum.plus(account.usage()))
    }

    /// The counters. Takes time in proportion to the records.
    #[must_use]
    pub fn stats(&self) -> ProcessStats {
        self.locked(|state| state.counted())
    }

    /// Walks every list and link. Takes time in proportion to the square of the depth of the process tree times the slots;
    /// for tests and debuggers.
    ///
    /// # Errors
    /// [`ProcessCorruption`] with the first thing that does not hold.
    pub fn check(&self) -> Result<(), ProcessCorruption> {
        self.locked(|state| check::check(state))
    }
}

impl<X, K: Park + CriticalSection> fmt::Debug for ProcessTable<'_, X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessTable").finish_non_exhaustive()
    }
}

/// What a thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fate {
    /// Go on.
    Continue,
    /// Give up what it holds and call [`leave`](ProcessTable::leave).
    Leave,
}

/// CPU time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Its own; of a zombie, with that of its children.
    pub own: Usage,
    /// Of children that were waited for, and of theirs.
    pub children: Usage,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It runs, or sleeps.
    Running,
    /// It stands still until it is continued.
    Stopped(Signal),
    /// Its threads are leaving.
    Dying(ExitStatus),
    /// It waits to be waited for.
    Zombie(ExitStatus),
}

/// What can be told of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its id.
    pub pid: Pid,
    /// Its parent, if it lives.
    pub parent: Option<Pid>,
    /// The founder of its group.
    pub group: Pid,
    /// The founder of its session.
    pub session: Pid,
    /// How many threads it has.
    pub threads: u32,
    /// What it does.
    pub status: Status,
}
