//! Who there is, for `ps`: the scheduler knows numbers, people want names.

use kos_sched::core::TaskState;
use kos_sched::{BlockReason, CpuId, Policy, TaskId};

use super::{How, ThreadError, Threads};
use crate::platform::Platform;
use crate::time::Duration;

/// Longest name that is kept.
const NAME: usize = 16;

/// The name of a thread.
pub(crate) type Name = heapless::String<NAME>;

/// The threads, by the scheduler's index. It lies in the heap.
pub(super) type Table = &'static mut [Option<Entry>];

/// Who there is.
#[derive(Debug)]
pub(super) struct List {
    entries: Table,
}

/// What is kept of a thread.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    task: TaskId,
    name: Name,
    policy: Policy,
    role: Role,
    uid: u32,
}

/// Whose a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The shell, the script or the tests.
    Main,
    /// The kernel's own; it ends with the kernel.
    Service,
    /// Somebody's who joins it.
    Joined,
    /// The same, of somebody who expects that commands end it: a program, a service.
    Program,
    /// Nobody's: it ends when it is told to, or by itself.
    Background,
}

/// A thread as it was a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) task: TaskId,
    pub(crate) name: Name,
    pub(crate) policy: Policy,
    pub(crate) role: Role,
    /// The user for whom it works.
    pub(crate) uid: u32,
    pub(crate) state: TaskState,
    /// Why it sleeps, or slept last.
    pub(crate) reason: BlockReason,
    /// The CPU that runs it, or ran it last.
    pub(crate) cpu: CpuId,
    /// CPU time.
    pub(crate) ran: Duration,
}

impl List {
    pub(super) const fn new(entries: Table) -> Self {
        Self { entries }
    }

    pub(super) fn add(&mut self, task: TaskId, how: &How<'_>) {
        let mut name = Name::new();
        // What is too long is cut.
        let _ = how.name.chars().try_for_each(|character| name.push(character));
        if let Some(entry) = self.entries.get_mut(task.index().as_usize()) {
            *entry = Some(Entry { task, name, policy: how.policy, role: how.role, uid: how.uid });
        }
    }

    pub(super) fn remove(&mut self, task: TaskId) {
        if let Some(entry) = self.entries.get_mut(task.index().as_usize())
            && entry.as_ref().is_some_and(|entry| entry.task == task)
        {
            *entry = None;
        }
    }

    fn set_policy(&mut self, task: TaskId, policy: Policy) {
        let entry = self.entries.get_mut(task.index().as_usize()).and_then(Option::as_mut);
        if let Some(entry) = entry.filter(|entry| entry.task == task) {
            entry.policy = policy;
        }
    }

    fn get(&self, index: usize) -> Option<Entry> {
        self.entries.get(index).cloned().flatten()
    }
}

impl<P: Platform> Threads<P> {
    /// Every thread that is there, by number.
    pub(crate) fn views(&self) -> impl Iterator<Item = View> {
        (0..self.runtime.scheduler().capacity()).filter_map(|index| self.view(index))
    }

    /// The thread at this index of the scheduler's.
    pub(crate) fn view(&self, index: usize) -> Option<View> {
        let Entry { task, name, policy, role, uid } = self.list.with(|list| list.get(index))?;
        let sched = self.runtime.scheduler();
        Some(View {
            task,
            name,
            policy,
            role,
            uid,
            state: sched.state(task)?,
            reason: sched.reason(task)?,
            cpu: sched.cpu_of(task)?,
            ran: sched.usage(task, self.runtime.now())?.total(),
        })
    }

    /// Schedules `task` another way.
    ///
    /// # Errors
    /// [`ThreadError::Task`]; nothing changed.
    pub(crate) fn set_policy(&self, task: TaskId, policy: Policy) -> Result<(), ThreadError> {
        let now = self.runtime.now();
        self.runtime.scheduler().set_attr(task, policy, now).map_err(ThreadError::Task)?;
        self.list.with(|list| list.set_policy(task, policy));
        Ok(())
    }
}
