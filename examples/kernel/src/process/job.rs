//! What a shell starts and waits for: a program with all its descendants, and what they say.
//!
//! When the program has ended its descendants are ended too, so that a job leaves nothing behind. What they say waits in a
//! buffer for whoever started the job; who says more than it holds waits.

use alloc::sync::Arc;
use core::fmt;

use kos_alloc::Locked;
use kos_ipc::posix::signal::Signal;
use kos_sched::Resume;
use kos_vfs::perm::Access;
use kos_vfs::{At, Ctx, Errno, How, OpenFlags};

use super::forever::forever;
use super::running::Start;
use super::space::UserSpace;
use super::{End, Process, Processes, StartError};
use crate::Kernel;
use crate::platform::Platform;
use crate::time::Duration;

/// Bytes that wait to be read.
const ROOM: usize = 1024;
/// How often who waits for a job looks whether it is to go on.
const LOOK: Duration = Duration::from_millis(50);

/// A program and its descendants.
pub(crate) struct Job<P: Platform>(Locked<P::Env, heapless::Vec<u8, ROOM>>);

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The number of its first process.
    pub(crate) id: u32,
    /// How that ended.
    pub(crate) end: End,
}

impl<P: Platform> Job<P> {
    /// Takes as many bytes as there is room for, at least one; sleeps until there is.
    pub(super) fn say(&self, kernel: &Kernel<P>, bytes: &[u8]) -> Result<usize, Errno> {
        let push = || {
            self.0.with(|said| {
                let room = ROOM - said.len();
                let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
                // There is room.
                let _ = said.extend_from_slice(part);
                (room > 0 || bytes.is_empty()).then_some(part.len())
            })
        };
        let changed = &kernel.processes.changed;
        let said = changed.wait_for(None, push).map_err(|_| Errno::EINTR)?;
        changed.wake_all();
        Ok(said)
    }

    /// Takes what was said.
    fn hear(&self) -> heapless::Vec<u8, ROOM> {
        self.0.with(core::mem::take)
    }
}

impl<P: Platform> Kernel<P> {
    /// Runs the program at `words[0]`, a path or a name in `/bin`, and waits for it and all its descendants; `hear` gets what
    /// they say. `look` sees the memory of the program at its end. They get SIGINT when the calling thread is, or when `go_on`,
    /// which is asked now and then, says no.
    ///
    /// # Errors
    /// [`StartError`]; nothing ran.
    pub(crate) fn run_job(
        &self,
        ctx: Ctx<'static>,
        words: &[&str],
        mut hear: impl FnMut(&[u8]),
        mut go_on: impl FnMut() -> bool,
        look: impl FnOnce(&UserSpace<P>),
    ) -> Result<Ended, StartError> {
        if !self.has_room_for::<Job<P>>() {
            return Err(StartError::NoMemory);
        }
        let job = Arc::new(Job(Locked::new(self.platform().env(), heapless::Vec::new())));
        let first = self.start_program(&job, ctx, words)?;
        let processes = &self.processes;
        loop {
            let limit = self.threads.runtime().now().checked_add_duration(LOOK);
            let news = || {
                let said = job.hear();
                (!said.is_empty() || first.end().is_some()).then_some(said)
            };
            let said = processes.changed.wait_for(limit, news).unwrap_or_default();
            hear(&said);
            if said.is_empty() && first.end().is_some() {
                break;
            }
            if !said.is_empty() {
                processes.changed.wake_all();
            }
            if self.is_told_to_end() || !go_on() {
                self.signal_job(&job, Signal::INT);
                self.give_way();
            }
        }
        if let Some(space) = first.space.lock().take() {
            look(&space);
        }
        self.end_job(&job, &mut hear);
        let end = first.end().cloned().unwrap_or(End::Exited(0));
        Ok(Ended { id: first.id, end })
    }

    /// Ends what is left of a job, and waits for its threads.
    fn end_job(&self, job: &Arc<Job<P>>, hear: &mut dyn FnMut(&[u8])) {
        let list = &self.processes.list;
        while let Some((ended, id, task)) = list.member(job) {
            if ended {
                // Somebody of the job may wait for it already: then he does.
                if self.join(task).is_ok() {
                    list.remove(id);
                    continue;
                }
            } else {
                list.tasks(job).iter().for_each(|&task| self.end_task(task));
            }
            hear(&job.hear());
            self.processes.changed.wake_all();
            self.give_way();
        }
        hear(&job.hear());
        Processes::trim(&self.processes);
    }

    /// Lets others go on whom the calling thread waits for. One that is told to end does not sleep, but yields: it leaves nothing
    /// behind that it has begun.
    fn give_way(&self) {
        if self.threads.sleep(Duration::from_millis(1)) == Resume::Interrupted {
            self.threads.runtime().yield_now();
        }
    }

    fn start_program(
        &self,
        job: &Arc<Job<P>>,
        ctx: Ctx<'static>,
        words: &[&str],
    ) -> Result<Arc<Process<P>>, StartError> {
        let kernel = forever(self);
        let missing = StartError::File(Errno::ENOENT);
        let (name, view) =
            (words.first().ok_or(missing.clone())?, kernel.files().and_then(|files| files.view()));
        let view = view.ok_or(missing)?;
        let mut path = heapless::String::<256>::new();
        let folder = if name.contains('/') { "" } else { "/bin/" };
        let long = |_| StartError::File(Errno::ENAMETOOLONG);
        path.push_str(folder).map_err(long)?;
        path.push_str(name).map_err(long)?;
        let call = view.call(&ctx);
        let how = How::flags(OpenFlags::empty());
        let file = call.open(At::Cwd, path.as_bytes(), &how);
        let file = file.map_err(|error| StartError::File(error.errno()))?;
        call.access(file.place(), Access::EXEC).map_err(|error| StartError::File(error.errno()))?;
        self.start_process(job, Start { file: &file, view, ctx, words })
    }
}

impl<P: Platform> Processes<P> {
    /// Gives back what was kept for processes that are gone.
    fn trim(&self) {
        self.objects.trim();
    }
}

impl<P: Platform> fmt::Debug for Job<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}
