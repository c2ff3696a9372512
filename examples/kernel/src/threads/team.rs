//! [`Kernel::with_team`]: threads that borrow what their caller has, and end before he goes on.
//!
//! Invariant: a member's address is given to its thread, and [`Team`] has joined every thread when it is dropped; members are
//! borrowed longer than the team lives.
#![expect(unsafe_code, reason = "hands threads what lies on the caller's stack")]

use core::ptr;

use kos_sched::TaskId;

use super::{How, ThreadError};
use crate::Kernel;
use crate::platform::Platform;

/// Most threads of a team.
pub(crate) const MOST: usize = 64;

/// A thread to be.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    how: How<'a>,
    work: &'a (dyn Fn() + Sync),
}

impl core::fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Member").field("how", &self.how).finish_non_exhaustive()
    }
}

impl<'a> Member<'a> {
    /// One that does `work`, and comes back when [`Kernel::is_told_to_end`].
    pub(crate) const fn new(how: How<'a>, work: &'a (dyn Fn() + Sync)) -> Self {
        Self { how, work }
    }
}

/// Threads that run.
struct Team<'k, P: Platform> {
    kernel: &'k Kernel<P>,
    tasks: heapless::Vec<TaskId, MOST>,
}

impl<P: Platform> Drop for Team<'_, P> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|&task| self.kernel.kill(task));
        for &task in &self.tasks {
            while self.kernel.threads.view(task.index().as_usize()).is_some_and(|view| view.task == task) {
                // If the caller is to end himself he still waits.
                if self.kernel.join(task).is_err() {
                    self.kernel.threads.runtime().yield_now();
                }
            }
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Starts the members, lets the caller do `meanwhile`, then tells them to end and waits for them. Task context.
    ///
    /// # Errors
    /// [`ThreadError`]: not all could be started, and none runs any more.
    pub(crate) fn with_team<R>(
        &self,
        members: &[Member<'_>],
        meanwhile: impl FnOnce(&[TaskId]) -> R,
    ) -> Result<R, ThreadError> {
        let mut team = Team { kernel: self, tasks: heapless::Vec::new() };
        for member in members.iter().take(MOST) {
            let argument = ptr::from_ref(member).expose_provenance();
            let task = self.spawn(member.how, begin::<P>, argument)?;
            // There is room for `MOST`.
            let _ = team.tasks.push(task);
        }
        Ok(meanwhile(&team.tasks))
    }
}

fn begin<P: Platform>(_: &Kernel<P>, argument: usize) {
    let member = ptr::with_exposed_provenance::<Member<'_>>(argument);
    // SAFETY: by the module's invariant the member lives longer than this thread, and is only read.
    let member = unsafe { &*member };
    (member.work)();
}
