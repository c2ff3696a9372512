//! A new image for a process: prepared without a lock, then committed. Whatever fails before the commit leaves the old one.

use super::error::{ExecError, ProcessError};
use super::id::ThreadId;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::{BlockReason, ProcessExt, Resume};
use crate::ring::NONE;

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// Gives the caller's process the image that `prepare` makes, and returns the old one to be dropped. Every other thread is
    /// woken to leave before the commit, which waits for that. Task context.
    ///
    /// # Errors
    /// [`ExecError`]; the old image runs on.
    pub fn execute<E>(
        &self,
        caller: ThreadId,
        prepare: impl FnOnce(&X) -> Result<X::Space, E>,
    ) -> Result<X::Space, ExecError<X::Space, E>> {
        let (_, handle) = self.handle(caller).map_err(ExecError::Process)?;
        let mut space = prepare(&handle).map_err(ExecError::Prepare)?;
        loop {
            match self.try_commit(caller, space) {
                Ok(Commit::Done(old)) => return Ok(old),
                Ok(Commit::Others(unused)) => space = unused,
                Err(error) => return Err(error),
            }
            if self.host().park(None, BlockReason::Wait) == Resume::Interrupted {
                self.give_up_commit(caller);
                return Err(ExecError::Dying(space));
            }
        }
    }

    fn give_up_commit(&self, caller: ThreadId) {
        self.transact(|state| {
            if let Ok(process) = state.running(caller) {
                state.process_mut(process).sole = NONE;
            }
        });
    }

    fn try_commit<E>(
        &self,
        caller: ThreadId,
        space: X::Space,
    ) -> Result<Commit<X::Space>, ExecError<X::Space, E>> {
        let gone = ExecError::Process(ProcessError::NoSuchThread(caller));
        self.transact(|state| {
            let Ok(process) = state.running(caller) else { return Err(gone) };
            state.thread_mut(caller.index).task = Some(self.host().current());
            let slot = state.process_mut(process);
            if slot.dooms(caller.index) {
                return Err(ExecError::Dying(space));
            }
            if slot.thread_count > 1 {
                slot.sole = caller.index;
                state.interrupt_all(process, caller.index);
                return Ok(Commit::Others(space));
            }
            let Some(ext) = &mut slot.ext else { return Err(gone) };
            slot.sole = NONE;
            slot.executed = true;
            Ok(Commit::Done(ext.replace_space(space)))
        })
    }
}

/// What came of an attempt.
enum Commit<S> {
    /// The old image.
    Done(S),
    /// The new image: other threads have not left.
    Others(S),
}
