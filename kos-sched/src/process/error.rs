//! What can go wrong with processes, one enum per operation. Display is one lower-case clause.

use core::error::Error;
use core::fmt;

use super::id::{DomainId, Pid, ThreadId};
use super::limits::{LimitExceeded, Resource};

/// A process or thread that is not there for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessError {
    /// No such process, or no longer.
    NoSuchProcess(Pid),
    /// It has exited and waits to be waited for.
    Exited(Pid),
    /// No such thread, or no longer.
    NoSuchThread(ThreadId),
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProcess(pid) => write!(f, "process {pid} does not exist"),
            Self::Exited(pid) => write!(f, "process {pid} has exited"),
            Self::NoSuchThread(thread) => write!(f, "thread {thread} does not exist"),
        }
    }
}

impl Error for ProcessError {}

/// Why a process or thread was not made. `F` is what the integrator's fork says, `S` what his start says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpawnReason<F, S> {
    /// Every process number is in use.
    NoRecord,
    /// There are as many live processes as the table has room for.
    NoProcess,
    /// There are as many threads as the table has room for.
    NoThread,
    /// The parent, or the process of the thread, is dying.
    Dying,
    /// The parent, or the process of the thread, is not there.
    Process(ProcessError),
    /// The limit domain is not there.
    NoSuchDomain(DomainId),
    /// A limit stands against it.
    Limit(LimitExceeded),
    /// The integrator's part could not be forked.
    Fork(F),
    /// The task could not be started.
    Start(S),
}

impl<F: fmt::Display, S: fmt::Display> fmt::Display for SpawnReason<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => f.write_str("every process number is in use"),
            Self::NoProcess => f.write_str("no room for another process"),
            Self::NoThread => f.write_str("no room for another thread"),
            Self::Dying => f.write_str("the process is dying"),
            Self::Process(error) => error.fmt(f),
            Self::NoSuchDomain(domain) => write!(f, "limit domain {domain} does not exist"),
            Self::Limit(error) => error.fmt(f),
            Self::Fork(error) => write!(f, "not forked: {error}"),
            Self::Start(error) => write!(f, "not started: {error}"),
        }
    }
}

impl<F: Error, S: Error> Error for SpawnReason<F, S> {}

/// A process that was not made, and what it was to be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnError<X, F, S> {
    /// Why.
    pub reason: SpawnReason<F, S>,
    /// The integrator's part, unused.
    pub ext: X,
}

impl<X, F: fmt::Display, S: fmt::Display> fmt::Display for SpawnError<X, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<X: fmt::Debug, F: Error, S: Error> Error for SpawnError<X, F, S> {}

/// An image that was not executed; the old one runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecError<S, E> {
    /// The new image could not be prepared.
    Prepare(E),
    /// The process is dying, or another of its threads executes; here is the new image, unused.
    Dying(S),
    /// The thread is not there.
    Process(ProcessError),
}

impl<S, E: fmt::Display> fmt::Display for ExecError<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare(error) => write!(f, "not prepared: {error}"),
            Self::Dying(_) => f.write_str("the process is dying"),
            Self::Process(error) => error.fmt(f),
        }
    }
}

impl<S: fmt::Debug, E: Error> Error for ExecError<S, E> {}

/// A wait that ended without a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// There is no child that was asked for, nor will there be (`ECHILD`).
    NoChild,
    /// The time had passed.
    TimedOut,
    /// The thread is to leave.
    Interrupted,
    /// A signal is pending (`EINTR`).
    Signal,
    /// The thread is not there.
    Process(ProcessError),
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChild => f.write_str("no such child"),
            Self::TimedOut => f.write_str("the wait timed out"),
            Self::Interrupted => f.write_str("the waiting thread is to leave"),
            Self::Signal => f.write_str("a signal is pending"),
            Self::Process(error) => error.fmt(f),
        }
    }
}

impl Error for WaitError {}

/// A process that was not moved to a group or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// A process named is not there (`ESRCH`).
    Process(ProcessError),
    /// It is neither the caller nor a child of his (`ESRCH`).
    NotChild(Pid),
    /// The child has executed a new image (`EACCES`).
    Executed(Pid),
    /// The child is in another session (`EPERM`).
    OtherSession(Pid),
    /// A session's leader stays in its group (`EPERM`).
    SessionLeader(Pid),
    /// The session has no such group (`EPERM`).
    NoSuchGroup(Pid),
    /// Who leads a group founds no session (`EPERM`).
    GroupLeader(Pid),
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(error) => error.fmt(f),
            Self::NotChild(pid) => write!(f, "process {pid} is neither the caller nor its child"),
            Self::Executed(pid) => write!(f, "process {pid} has executed a new image"),
            Self::OtherSession(pid) => write!(f, "process {pid} is in another session"),
            Self::SessionLeader(pid) => write!(f, "process {pid} leads a session"),
            Self::NoSuchGroup(pid) => write!(f, "the session has no group {pid}"),
            Self::GroupLeader(pid) => write!(f, "process {pid} leads a group"),
        }
    }
}

impl Error for GroupError {}

/// A signal that reached nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no such process, group or session (`ESRCH`).
    NoTarget(Pid),
    /// The sender may signal none of them (`EPERM`).
    Denied(Pid),
    /// The sender is not there.
    Sender(ProcessError),
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget(pid) => write!(f, "nobody is at {pid}"),
            Self::Denied(pid) => write!(f, "the sender may not signal {pid}"),
            Self::Sender(error) => error.fmt(f),
        }
    }
}

impl Error for SignalError {}

/// A charge that was not made, or a value that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmitError {
    /// A limit stands against it.
    Limit(LimitExceeded),
    /// It is not charged from outside, or less of it was charged.
    NotCharged(Resource),
    /// The process is not there.
    Process(ProcessError),
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::NotCharged(resource) => write!(f, "so much of {resource:?} was not charged"),
            Self::Process(error) => error.fmt(f),
        }
    }
}

impl Error for AdmitError {}

/// A limit domain that was not made or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DomainError {
    /// There are as many domains as the table has room for.
    Full,
    /// No such domain, or no longer.
    NoSuchDomain(DomainId),
    /// It has processes or domains in it.
    InUse(DomainId),
    /// It would be the ninth below one another.
    TooDeep,
}

impl fmt::Display for DomainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no room for another limit domain"),
            Self::NoSuchDomain(domain) => write!(f, "limit domain {domain} does not exist"),
            Self::InUse(domain) => write!(f, "limit domain {domain} is in use"),
            Self::TooDeep => f.write_str("limit domains are at most 8 deep"),
        }
    }
}

impl Error for DomainError {}

/// An invariant of a process table that does not hold, as [`check`](super::ProcessTable::check) found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessCorruption {
    /// What was found.
    pub what: &'static str,
    /// The slot at which it was found.
    pub index: usize,
}

impl fmt::Display for ProcessCorruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt at {}: {}", self.index, self.what)
    }
}

impl Error for ProcessCorruption {}
