//! What a shell starts and waits for: a program with all its descendants, and what they say.
//!
//! When the program has ended its descendants are ended too, so that a job leaves nothing behind. What they say waits in a
//! buffer for whoever started the job; who says more than it holds waits.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_alloc::Locked;
use kos_ipc::posix::signal::Signal;
use kos_sched::Resume;
use kos_sched::core::TaskState;
use kos_vfs::perm::Access;
use kos_vfs::{At, Ctx, Errno, How, OpenFlags};

use super::forever::forever;
use super::load::Words;
use super::ports::Ports;
use super::running::Start;
use super::space::UserSpace;
use super::trace::Trace;
use super::{End, Process, Processes, StartError};
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::platform::Platform;
use crate::svc::quota::Quota;
use crate::time::Duration;

/// Bytes that wait to be read.
const ROOM: usize = 1024;
/// How often who waits for a job looks whether it is to go on.
const LOOK: Duration = Duration::from_millis(50);

/// The same where their CPU time is limited: how long one of them can compute until it is charged.
const TICK: Duration = Duration::from_millis(10);

/// A program and its descendants.
pub(crate) struct Job<P: Platform> {
    said: Locked<P::Env, heapless::Vec<u8, ROOM>>,
    /// The memory of its group.
    pub(super) ports: Ports<P>,
    /// They said that they can be used, and nobody heard it yet.
    ready: AtomicBool,
    /// Their system calls, if somebody wants to see them.
    pub(crate) trace: Option<Trace<P>>,
}

/// A job that was started: somebody has to finish it.
pub(crate) struct Begun<P: Platform> {
    job: Arc<Job<P>>,
    first: Arc<Process<P>>,
}

/// What a job took, and how often it had to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes of memory: now, and the most.
    pub(crate) bytes: (u64, u64),
    /// Open files: now, and the most.
    pub(crate) files: (usize, usize),
    /// Bytes and files that it may have, where that is limited.
    pub(crate) limits: (Option<u64>, Option<usize>),
    /// Nanoseconds of CPU time that were charged.
    pub(crate) cpu: u64,
    /// How often somebody had to wait for his share.
    pub(crate) waits: u64,
    /// When all CPU time is paid for, in nanoseconds since entry.
    pub(crate) paid: u64,
}

impl<P: Platform> Begun<P> {
    /// Its job, to be asked while it runs.
    pub(crate) fn job(&self) -> Arc<Job<P>> {
        Arc::clone(&self.job)
    }

    /// The number of its first process.
    pub(crate) fn id(&self) -> u32 {
        self.first.id
    }
}

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
            self.said.with(|said| {
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

    /// What it took.
    pub(crate) fn taken(&self) -> Taken {
        let group = self.ports.group();
        let (now, most) = group.frames.used();
        let ((cpu, waits), paid) = (group.cpu.taken(), group.cpu.paid());
        let bytes = |frames: usize| frames as u64 * FRAME_BYTES;
        let limits = (group.frames.limit().map(bytes), group.fds.limit());
        Taken { bytes: (bytes(now), bytes(most)), files: group.fds.used(), limits, cpu, waits, paid }
    }

    /// They say that they can be used.
    pub(super) fn tell_ready(&self, kernel: &Kernel<P>) {
        self.ready.store(true, Relaxed);
        kernel.processes.changed.wake_all();
    }

    /// Takes what was said.
    fn hear(&self) -> heapless::Vec<u8, ROOM> {
        self.said.with(core::mem::take)
    }
}

impl<P: Platform> Kernel<P> {
    /// Runs a program and waits for it: [`begin_job`](Self::begin_job), [`finish_job`](Self::finish_job).
    ///
    /// # Errors
    /// [`StartError`]; nothing ran.
    pub(crate) fn run_job<'w>(
        &self,
        ctx: Ctx<'static>,
        words: impl Into<Words<'w>>,
        hear: impl FnMut(&[u8]),
        mut go_on: impl FnMut() -> bool,
        look: impl FnOnce(&UserSpace<P>),
    ) -> Result<Ended, StartError> {
        let begun = self.begin_job(ctx, words, &Quota::default())?;
        Ok(self.finish_job(begun, hear, |_| go_on(), look))
    }

    /// Starts the program that the first word names, a path or a name in `/bin`, in a group with this quota. It goes on only if somebody finishes
    /// the job.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs.
    pub(crate) fn begin_job<'w>(
        &self,
        ctx: Ctx<'static>,
        words: impl Into<Words<'w>>,
        quota: &Quota,
    ) -> Result<Begun<P>, StartError> {
        self.begin_traced_job(ctx, words.into(), quota, None)
    }

    /// The same; its system calls go to `trace`, which is read by whoever finishes the job.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs.
    pub(crate) fn begin_traced_job(
        &self,
        ctx: Ctx<'static>,
        words: Words<'_>,
        quota: &Quota,
        trace: Option<Trace<P>>,
    ) -> Result<Begun<P>, StartError> {
        let ports = self.processes.ports(self)?.of_group(quota).ok_or(StartError::TooManyGroups)?;
        if !self.has_room_for::<Job<P>>() {
            return Err(StartError::NoMemory);
        }
        let said = Locked::new(self.platform().env(), heapless::Vec::new());
        let job = Arc::new(Job { said, ports, ready: AtomicBool::new(false), trace });
        // One that did not begin has nobody who ends it.
        let first = self.start_program(&job, ctx, words).inspect_err(|_| self.processes.trim())?;
        Ok(Begun { job, first })
    }

    /// Waits for a program and all its descendants; `hear` gets what they say. `look` sees the memory of the program at its end.
    /// They get SIGINT when the calling thread is, or when `go_on`, which is asked now and then and told whether they said that
    /// they are ready, says no.
    pub(crate) fn finish_job(
        &self,
        begun: Begun<P>,
        mut hear: impl FnMut(&[u8]),
        mut go_on: impl FnMut(bool) -> bool,
        look: impl FnOnce(&UserSpace<P>),
    ) -> Ended {
        let (Begun { job, first }, processes) = (begun, &self.processes);
        let look_again = if job.ports.group().cpu.is_limited() { TICK } else { LOOK };
        loop {
            let limit = self.threads.runtime().now().checked_add_duration(look_again);
            let news = || {
                let said = job.hear();
                let pressing = job.trace.as_ref().is_some_and(Trace::take_pressing);
                (pressing || !said.is_empty() || first.end().is_some() || job.ready.load(Relaxed))
                    .then_some(said)
            };
            let said = processes.changed.wait_for(limit, news).unwrap_or_default();
            hear(&said);
            if said.is_empty() && first.end().is_some() {
                break;
            }
            if !said.is_empty() {
                processes.changed.wake_all();
            }
            if look_again == TICK {
                self.call_job(&job);
            }
            let told = job.ready.swap(false, Relaxed);
            if !go_on(told) || self.is_told_to_end() {
                self.signal_job(&job, Signal::INT);
                self.give_way();
            }
        }
        if let Some(space) = first.space.lock().take() {
            look(&space);
        }
        self.end_job(&job, &mut hear);
        let end = first.end().cloned().unwrap_or(End::Exited(0));
        Ended { id: first.id, end }
    }

    /// Interrupts whoever of a job computes, so that it pays for that.
    fn call_job(&self, job: &Arc<Job<P>>) {
        let sched = self.threads.runtime().scheduler();
        for task in self.processes.list.tasks(job) {
            if let Some(cpu) = sched.cpu_of(task).filter(|_| sched.state(task) == Some(TaskState::Running)) {
                // One that is on its way out is not there.
                let _ = kos_sched::Platform::kick(&self.platform().scheduler(), cpu);
            }
        }
        if self.processes.list.has_threads(job) {
            self.call_all();
        }
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
        words: Words<'_>,
    ) -> Result<Arc<Process<P>>, StartError> {
        let kernel = forever(self);
        let missing = StartError::File(Errno::ENOENT);
        let (name, view) =
            (words.words.first().ok_or(missing.clone())?, kernel.files().and_then(|files| files.view()));
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
    pub(super) fn trim(&self) {
        self.objects.trim();
    }
}

impl<P: Platform> fmt::Debug for Job<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}
